/*
 * Records what is asked of a store and what it answers, without changing either. A call is noted before it is made and its answer
 * before the caller gets it, so what follows an answer is noted as later than it.
 */
import { checkFields } from '../../core/check-values.js';
import type { EventStore } from '../../core/event-store.js';
import { recordEvents } from './fingerprint.js';
import { historyOf, type History } from './history.js';
import { recordReads, recordSubscription } from './record-streams.js';
import { errorOf, Recorder, type RecordOptions } from './recorder.js';

/**
 * Wraps a store so that `checkHistory` can judge it: use `store` in place of the one that was given. Faults made by `withFaults`
 * are no faults of the store, so they belong around the recorder. What `state` keeps is not recorded.
 *
 * @example const { store, history } = recordHistory(openMemoryStore())
 */
export function recordHistory(store: EventStore, options: RecordOptions = {}): { store: EventStore; history: History } {
  checkFields(options, 'options', optionKeys, 'the options of a recorder');
  const recorder = new Recorder(options);
  const recording: EventStore = {
    async append(events, condition, appendOptions) {
      // Copied before the call: the caller may change it as soon as the call was made.
      const recorded = recordEvents(events) ?? [];
      const operation = recorder.begin({ call: 'append', events: recorded, ...(condition && { condition: structuredCopy(condition) }) });
      recorder.note(operation);
      try {
        const answer = await store.append(events, condition, appendOptions);
        recorder.end(operation, { answer: { ...answer } });
        return answer;
      } catch (error) {
        recorder.end(operation, { error: errorOf(error, appendOptions?.signal) });
        throw error;
      }
    },
    read: (query, readOptions) => recordReads(recorder, store.read(query, readOptions), query, readOptions),
    subscribe: (query, subscribeOptions) => recordSubscription(recorder, (given) => store.subscribe(query, given), query, subscribeOptions),
    async head() {
      const operation = recorder.begin({ call: 'head' });
      try {
        const head = await store.head();
        recorder.end(operation, { head });
        return head;
      } catch (error) {
        recorder.end(operation, { error: errorOf(error) });
        throw error;
      }
    },
    get state() {
      return store.state;
    },
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
  return { store: recording, history: historyOf(recorder.operations) };
}

const optionKeys = new Set(['process', 'write', 'now']);

/** A copy of what the caller may change later; what is no condition at all will be refused by the store. */
function structuredCopy<T>(value: T): T {
  try {
    return JSON.parse(JSON.stringify(value)) as T;
  } catch {
    return { failIfEventsMatch: 'all' } as T;
  }
}
