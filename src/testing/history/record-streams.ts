/* Records the uses of streams. All uses of a read share a snapshot, which the first of them fixes. */
import type { EventStream, ReadOptions, SubscribeOptions } from '../../core/event-store.js';
import type { SequencedEvent } from '../../core/event.js';
import type { Query } from '../../core/query.js';
import type { ReadOperation, SubscribeOperation } from './operation.js';
import { errorOf, type Recorder } from './recorder.js';

let streams = 0;

export function recordReads(recorder: Recorder, stream: EventStream, query: Query = 'all', { signal, ...options }: ReadOptions = {}): EventStream {
  const copied = JSON.parse(JSON.stringify({ query, options })) as { query: Query; options: ReadOptions };
  const name = `${process.pid}:${++streams}`;
  const begin = (): ReadOperation => recorder.begin({ call: 'read', stream: name, ...copied, positions: [], seen: [] });

  const use = async <T>(work: () => Promise<T>, outcome: (answer: T, operation: ReadOperation) => Partial<ReadOperation>): Promise<T> => {
    const operation = begin();
    try {
      const answer = await work();
      operation.answered = recorder.now();
      recorder.end(operation, outcome(answer, operation));
      return answer;
    } catch (error) {
      recorder.end(operation, { error: errorOf(error, signal) });
      throw error;
    }
  };
  const see = (events: readonly SequencedEvent[], operation: ReadOperation): void => events.forEach((event) => recorder.see(event, operation));

  return {
    toArray: () => use(() => stream.toArray(), (events, operation) => (see(events, operation), { complete: true })),
    first: () => use(() => stream.first(), (event, operation) => (see(event ? [event] : [], operation), { complete: event === undefined })),
    head: () => use(() => stream.head(), (head) => ({ head })),
    [Symbol.asyncIterator]: () =>
      recordPass(stream, {
        begin,
        taken: (event, operation) => {
          operation.answered ??= recorder.now();
          recorder.see(event, operation);
        },
        ended: (operation, how) => recorder.end(operation, how === 'end' ? { answered: operation.answered ?? recorder.now(), complete: true } : how === 'stopped' ? {} : { error: errorOf(how.error, signal) }),
      }),
  };
}

export function recordSubscription(
  recorder: Recorder,
  open: (options: SubscribeOptions) => EventStream,
  query: Query = 'all',
  given: SubscribeOptions | undefined,
): EventStream {
  const isPlain = given === undefined || (typeof given === 'object' && given !== null && !Array.isArray(given) && ['undefined', 'function'].includes(typeof given.onCaughtUp));
  // The store refuses it, in its own words.
  if (!isPlain) return open(given);
  const options: SubscribeOptions = given ?? {};
  const after = options.after === undefined ? {} : { after: options.after };
  /** Passes through one subscription are rare; which of them caught up is not told, so it is asked of the only one. */
  const passes: SubscribeOperation[] = [];
  const onCaughtUp = (head: number): void => {
    const [pass] = passes;
    if (pass && passes.length === 1) pass.caughtUp = { head, count: pass.positions.length };
    options.onCaughtUp?.(head);
  };
  const stream = open({ ...options, onCaughtUp });
  const copied = JSON.parse(JSON.stringify(query)) as Query;
  const begin = (): SubscribeOperation => {
    const operation: SubscribeOperation = recorder.begin({ call: 'subscribe', query: copied, options: after, positions: [], seen: [] });
    passes.push(operation);
    return operation;
  };
  const newPass = (): AsyncIterableIterator<SequencedEvent, undefined> =>
    recordPass(stream, {
      begin,
      taken: (event, operation) => recorder.see(event, operation),
      ended: (operation, how) => recorder.end(operation, typeof how === 'object' ? { error: errorOf(how.error, options.signal) } : {}),
    });
  return {
    [Symbol.asyncIterator]: newPass,
    async toArray() {
      const events: SequencedEvent[] = [];
      for await (const event of newPass()) events.push(event);
      return events;
    },
    async first() {
      for await (const event of newPass()) return event;
      return undefined;
    },
    head: () => stream.head(),
  };
}

type PassNotes<Op> = {
  /** Called when the first event is asked for: a pass that nobody uses asks nothing of the store. */
  begin(): Op;
  taken(event: SequencedEvent, operation: Op): void;
  /** Called once. */
  ended(operation: Op, how: 'end' | 'stopped' | { error: unknown }): void;
};

function recordPass<Op>(stream: EventStream, notes: PassNotes<Op>): AsyncIterableIterator<SequencedEvent, undefined> {
  const inner = stream[Symbol.asyncIterator]();
  let operation: Op | undefined;
  let hasEnded = false;
  const end = (how: 'end' | 'stopped' | { error: unknown }): void => {
    if (hasEnded || operation === undefined) return;
    hasEnded = true;
    notes.ended(operation, how);
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      operation ??= notes.begin();
      try {
        const step = await inner.next();
        if (step.done) {
          end('end');
          return { done: true, value: undefined };
        }
        // What comes after the caller gave up is nobody's business.
        if (!hasEnded) notes.taken(step.value, operation);
        return { done: false, value: step.value };
      } catch (error) {
        end({ error });
        throw error;
      }
    },
    async return() {
      end('stopped');
      await inner.return?.();
      return { done: true, value: undefined };
    },
  };
}
