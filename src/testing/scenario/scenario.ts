/* Given some events, when a command comes, then these events follow: the test of one handler, alone. */
import { checkFields, checkFunction } from '../../core/check-values.js';
import { InvalidInputError } from '../../core/errors.js';
import type { EventStore } from '../../core/event-store.js';
import type { NewEvent } from '../../core/event.js';
import { openMemoryStore } from '../../memory/memory-event-store.js';
import { isRejection } from '../../modelling/decision.js';
import { assertOutcome, textOf, type Expected, type ScenarioOutcome } from './expectation.js';

export type ScenarioOptions = {
  /** Makes the store, empty or not; a memory store when absent. It is closed at the end. */
  store?: () => EventStore | Promise<EventStore>;
};

export type Handler<Command, Result> = (store: EventStore, command: Command) => Result | Promise<Result>;

export interface Scenario<Command, Result> {
  /** Events that are stored before the command comes, as one batch. Called again it adds more. */
  given(events: NewEvent | readonly NewEvent[]): Scenario<Command, Result>;
  /** The command that comes. Nothing runs before the scenario is awaited. */
  when(command: Command): ScenarioRun<Result>;
}

export interface ScenarioRun<Result> {
  /**
   * Runs the scenario on a store of its own and compares what the command brought about. To be awaited; without an expectation a
   * scenario cannot be awaited, for such a test could not fail.
   *
   * @throws AssertionError (of node:assert) with `expected` and `actual`
   */
  then(expected: Expected): Promise<ScenarioOutcome<Result>>;
  /** Runs the scenario and gives what the command brought about, for checks of your own. */
  outcome(): Promise<ScenarioOutcome<Result>>;
}

/**
 * A test of one command handler: `await scenario(handler).given(events).when(command).then(events)`.
 *
 * @example await scenario(enrol).given([CourseDefined({ courseId: 'c1', seats: 0 })]).when({ courseId: 'c1' }).then(reject('full'))
 */
export function scenario<Command, Result>(handler: Handler<Command, Result>, options: ScenarioOptions = {}): Scenario<Command, Result> {
  checkFields(options, 'options', optionKeys, 'the options of a scenario');
  checkFunction(handler, 'handler');
  const { store = openMemoryStore } = options;
  return withGiven(handler, () => store(), []);
}

const optionKeys = new Set(['store']);

function withGiven<Command, Result>(handler: Handler<Command, Result>, open: () => EventStore | Promise<EventStore>, batches: readonly (readonly NewEvent[])[]): Scenario<Command, Result> {
  return {
    given: (events) => withGiven(handler, open, [...batches, Array.isArray(events) ? (events as readonly NewEvent[]) : [events as NewEvent]]),
    when: (command) => runOf(() => run(handler, open, batches, command), `The command ${textOf(command)}`),
  };
}

function runOf<Result>(start: () => Promise<ScenarioOutcome<Result>>, command: string): ScenarioRun<Result> {
  return {
    async then(expected, onRejected?: (reason: unknown) => void) {
      // `await` itself calls it with two functions, where a program in JavaScript forgot what it expects.
      if (typeof expected === 'function') {
        onRejected?.(new InvalidInputError('then', 'was not called: say what the command shall bring about, or call outcome().'));
        return undefined as never;
      }
      const outcome = await start();
      assertOutcome(outcome, expected, command);
      return outcome;
    },
    outcome: start,
  } as ScenarioRun<Result>;
}

async function run<Command, Result>(
  handler: Handler<Command, Result>,
  open: () => EventStore | Promise<EventStore>,
  batches: readonly (readonly NewEvent[])[],
  command: Command,
): Promise<ScenarioOutcome<Result>> {
  const store = await open();
  try {
    for (const batch of batches) if (batch.length > 0) await store.append(batch);
    const before = await store.head();
    let result: Result | undefined;
    let error: unknown;
    let threw = false;
    try {
      result = await handler(store, command);
    } catch (reason) {
      threw = true;
      error = reason;
    }
    const events = await store.read('all', { after: before }).toArray();
    return { events, result, rejection: isRejection(result) ? { rejected: result.rejected } : undefined, error, threw };
  } finally {
    await store.close();
  }
}
