import { checkList } from '../core/check-values.js';
import { InvalidInputError } from '../core/errors.js';
import type { SequencedEvent } from '../core/event.js';
import type { EventDefinition } from './event-definition.js';

/**
 * Brings the events of a read or a subscription up to date: those that a definition describes have its data afterwards, and its
 * `is` narrows them. All others, of unknown types or of newer versions, pass through as they are stored.
 *
 * @example for await (const event of parseEvents(store.read(), [CourseDefined])) if (CourseDefined.is(event)) console.log(event.data.seats)
 * @throws InvalidInputError at once when two definitions have one type; while iterating, when the data of an event does not fit.
 */
export function parseEvents(events: AsyncIterable<SequencedEvent>, definitions: readonly EventDefinition[]): AsyncIterable<SequencedEvent> {
  const byType = definitionsByType(definitions);
  return { [Symbol.asyncIterator]: () => parseEach(events, byType) };
}

/** @throws InvalidInputError when two of them have one type. */
export function definitionsByType(definitions: readonly EventDefinition[], where = 'definitions'): ReadonlyMap<string, EventDefinition> {
  checkList(definitions, where);
  const byType = new Map<string, EventDefinition>();
  for (const definition of definitions) {
    if (byType.has(definition.type)) throw new InvalidInputError(where, `hold ${JSON.stringify(definition.type)} twice. Leave one out.`);
    byType.set(definition.type, definition);
  }
  return byType;
}

async function* parseEach(events: AsyncIterable<SequencedEvent>, byType: ReadonlyMap<string, EventDefinition>): AsyncGenerator<SequencedEvent, void> {
  for await (const event of events) {
    const definition = byType.get(event.type)?.['~definition'];
    yield definition === undefined || definition.knows(event) === 'newer' ? event : definition.parse(event);
  }
}
