import { InvalidInputError } from '../core/errors.js';
import type { SequencedEvent } from '../core/event.js';
import { limits } from '../core/limits.js';

/** Events that go into one append together; `bytes` is roughly what they take as JSON. */
export type EventGroup = { readonly events: readonly SequencedEvent[]; readonly bytes: number };

/** Keeps memory bounded, and with what a backend adds it is below what Cosmos DB takes in one append. */
const batchBytesMost = 1_500_000;

/**
 * Neighbours that one append may have stored: those with the same time stamp, since all events of an append that brought none
 * got the same. With `splitBatches` each event is a group of its own.
 */
export async function* toGroups(stream: AsyncIterable<SequencedEvent>, splitBatches: boolean): AsyncGenerator<EventGroup> {
  let events: SequencedEvent[] = [];
  let bytes = 0;
  for await (const event of stream) {
    if (events.length > 0 && (splitBatches || event.timestamp !== events[0]?.timestamp)) {
      yield { events, bytes };
      events = [];
      bytes = 0;
    }
    events.push(event);
    bytes += JSON.stringify(event).length;
    // No append stores so many, and memory is to stay bounded.
    if (events.length > limits.batchEvents || (events.length > 1 && bytes > limits.batchBytes)) throw refuseToSplit(events, undefined);
  }
  if (events.length > 0) yield { events, bytes };
}

/** As many groups at a time as `batchSize` events may hold; a larger group comes alone. */
export async function* toBatches(groups: AsyncIterable<EventGroup>, batchSize: number): AsyncGenerator<EventGroup[]> {
  let batch: EventGroup[] = [];
  let [events, bytes] = [0, 0];
  for await (const group of groups) {
    if (batch.length > 0 && (events + group.events.length > batchSize || bytes + group.bytes > batchBytesMost)) {
      yield batch;
      batch = [];
      [events, bytes] = [0, 0];
    }
    batch.push(group);
    events += group.events.length;
    bytes += group.bytes;
  }
  if (batch.length > 0) yield batch;
}

/** `cause` is the refusal of the store that they were to be appended to. */
export function refuseToSplit(events: readonly SequencedEvent[], cause: Error | undefined): InvalidInputError {
  const why = cause ? `the store that they are copied to does not take them as one: ${cause.message}` : 'they are more than one append may hold.';
  return new InvalidInputError(
    'options.splitBatches',
    `is not true, but events ${events[0]?.position} to ${events.at(-1)?.position} of "from", and perhaps more, must be split: they have the same time stamp, ` +
      `so one append may have stored them together, and ${why} With splitBatches: true they are copied in several appends; whoever reads the copy ` +
      'before it is finished may then find only some of them.',
    cause,
  );
}
