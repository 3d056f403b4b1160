import { checkFunction } from '../core/check-values.js';
import { InvalidInputError } from '../core/errors.js';
import { makeInitial } from './decision-model.js';
import type { EventDefinition } from './event-definition.js';
import { definitionsByType } from './parse-events.js';
import { isPromise } from './schema-check.js';
import type { VersionedEvent } from './stream-reading.js';

/** An aggregate as its stream tells it; `version` is that of the last event, 0 when there is none. */
export type Loaded<State> = { state: State; version: number };

type Folding<State> = {
  readonly initial: State | (() => State);
  readonly events?: readonly EventDefinition[];
  /** Takes what the definitions make of an event, or the event itself when there are none. */
  readonly evolve: (state: State, event: never) => State;
};

/** Makes what turns the events of a stream into a state. With definitions only their types are folded; each event counts as a version. */
export function makeFold<State>({ initial, events, evolve }: Folding<State>): (stream: AsyncIterable<VersionedEvent>) => Promise<Loaded<State>> {
  checkFunction(evolve, 'repository.evolve');
  const begin = makeInitial(initial, 'repository');
  const definitions = events && definitionsByType(events, 'repository events');
  if (definitions?.size === 0) throw new InvalidInputError('repository events', 'is empty. Leave it out to fold every event of the stream.');
  const next = evolve as (state: State, event: unknown) => State;

  return async (stream) => {
    let state = begin();
    let version = 0;
    for await (const event of stream) {
      version = event.version;
      if (definitions === undefined) {
        state = next(state, event);
        continue;
      }
      const parsed = definitions.get(event.type)?.['~definition'].parse(event);
      if (parsed !== undefined) state = next(state, isPromise(parsed) ? await parsed : parsed);
    }
    return { state, version };
  };
}
