/*
 * Read, decide, append on condition, and again after a conflict. Promises: the decision saw every event that its models' queries
 * match up to the head of one read, and nothing that matches came between that read and the append. Nothing is appended twice:
 * only a failed condition is tried again, never an append whose outcome is unknown.
 */
import { checkFunction, checkStore } from '../core/check-values.js';
import type { AppendCondition } from '../core/condition.js';
import { checkFields } from '../core/check-values.js';
import { InvalidInputError, isOpossumError, type AppendConditionFailedError } from '../core/errors.js';
import type { AppendResult, EventStore } from '../core/event-store.js';
import { forEachEvent } from '../core/event-stream.js';
import type { NewEvent, SequencedEvent } from '../core/event.js';
import { describe } from '../core/json.js';
import { matchesQuery, type Query } from '../core/query.js';
import { traced, traces, type DecideTrace } from '../core/traces.js';
import { explainConflict, type LostRace } from './decision-conflict.js';
import { isRejection, type DecideResult, type DecisionContext, type DecisionModels, type Outcome, type Part, type StatesOf } from './decision.js';
import { retryOnConflict, type RetryOptions } from './retry.js';
import { isPromise } from './schema-check.js';
import { mergeChecked } from './typed-query.js';

export type DecideOptions = Omit<RetryOptions, 'isConflict'>;

/**
 * Decides on the state of some models, and appends what was decided if that state still holds; else it reads and decides again.
 * Each attempt reads the models' events once; an event goes to every model whose query it matches. The condition of the append is
 * all their queries together, after the position that was read up to.
 *
 * What the decision returns is appended as one batch, durable as `append` says. It may be called several times, so it must do
 * nothing but decide. What it throws comes out as it is, and nothing is appended.
 *
 * @param models By the names under which the decision gets their states; at least one.
 * @param decision Returns an event, a batch, nothing (undefined or an empty batch), or `reject(reason)`.
 * @example
 * const result = await decide(store, { seats: seatsTaken('c1') }, ({ seats }) => (seats < 10 ? SeatTaken({ courseId: 'c1' }) : reject('full')));
 * if (result.outcome === 'rejected') console.log(result.rejected)
 * @throws DecisionConflictError when all attempts lost a race; InvalidInputError also when a stored event does not fit its
 *   definition or is of a newer version; whatever `read` and `append` throw (after a StorageFailedError with the outcome
 *   `'unknown'`, decide again: a fresh read tells whether it was stored); `signal.reason`.
 */
export async function decide<Models extends DecisionModels, const Decided extends Outcome>(
  store: EventStore,
  models: Models,
  decision: (state: StatesOf<Models>, context: DecisionContext) => Decided | Promise<Decided>,
  options: DecideOptions = {},
): Promise<DecideResult<StatesOf<Models>, Decided>> {
  checkStore(store, 'store');
  checkModels(models);
  checkFunction(decision, 'decision');
  checkFields(options, 'options', optionKeys, 'the options of decide');
  const parts = Object.entries(models).map(([name, model]) => ({ name, model }));
  if (parts.length === 0) throw new InvalidInputError('models', 'are none. Give at least one, or append without a decision.');
  // The models have checked their queries, and the store checks this one.
  const boundary = mergeChecked(parts.map(({ model }) => model.query));
  return traced(
    traces.decide,
    () => ({ models: parts.map(({ name }) => name), attempts: 0, conflicts: [] }),
    (message) => decideOn(store, parts, boundary, decision as Decider, options, message),
  ) as Promise<DecideResult<StatesOf<Models>, Decided>>;
}

function checkModels(models: unknown): void {
  if (typeof models !== 'object' || models === null) throw new InvalidInputError('models', `is ${models === undefined ? 'missing' : describe(models)}; it must be an object of names and decision models.`);
  for (const [name, model] of Object.entries(models)) {
    const isModel = typeof model === 'object' && model !== null && 'query' in model;
    if (!isModel) throw new InvalidInputError(`models.${name}`, `is ${describe(model)}; it must be made by decisionModel().`);
  }
}

type Decision = DecideResult<unknown, Outcome>;
type Decider = (state: unknown, context: DecisionContext) => Outcome | Promise<Outcome>;

async function decideOn(
  store: EventStore,
  parts: readonly Part[],
  boundary: Query,
  decision: Decider,
  options: DecideOptions,
  message: DecideTrace | undefined,
): Promise<Decision> {
  const { signal } = options;
  let lost: LostRace | undefined;

  const attempt = async (number: number): Promise<Decision> => {
    lost = undefined;
    if (message) message.attempts = number;
    const { state, head } = await readStates(store, parts, boundary, signal);
    const decided = await decision(state, { attempt: number, head, signal });
    if (isRejection(decided)) return { outcome: 'rejected', rejected: decided.rejected, state, events: [], attempts: number };
    const events: readonly NewEvent[] = decided === undefined ? [] : isBatch(decided) ? decided : [decided];
    if (events.length === 0) return { outcome: 'nothing', state, events: [], attempts: number };
    try {
      const appended = await append(store, events, { failIfEventsMatch: boundary, after: head }, signal);
      return { outcome: 'appended', state, events, ...appended, attempts: number };
    } catch (error) {
      // Noted here: what the decision itself throws may look like a conflict, and must come out as it is.
      if (isOpossumError(error, 'APPEND_CONDITION_FAILED')) {
        lost = { error: error as AppendConditionFailedError, attempts: number, after: head };
        message?.conflicts.push(lost.error.position);
      }
      throw error;
    }
  };

  try {
    return await retryOnConflict(attempt, { ...options, isConflict: (error) => lost !== undefined && error === lost.error });
  } catch (error) {
    if (lost === undefined || error !== lost.error) throw error;
    throw await explainConflict(store, parts, boundary, lost);
  }
}

const optionKeys = new Set(['maxAttempts', 'baseDelayMs', 'maxDelayMs', 'signal', 'sleep', 'random', 'onRetry']);

async function readStates(
  store: EventStore,
  parts: readonly Part[],
  boundary: Query,
  signal: AbortSignal | undefined,
): Promise<{ state: Record<string, unknown>; head: number }> {
  const stream = store.read(boundary, signal && { signal });
  const folds: Fold[] = parts.map(({ name, model }) => ({ name, model, state: model.initial() }));
  await forEachEvent(stream, (event) => applyEvent(folds, 0, event));
  return { state: Object.fromEntries(folds.map(({ name, state }) => [name, state])), head: await stream.head() };
}

type Fold = Part & { state: unknown };

/** Applies an event to the folds from index `from` on whose query it matches. Answers at once when the event's schema does. */
function applyEvent(folds: readonly Fold[], from: number, event: SequencedEvent): void | Promise<void> {
  for (let i = from; i < folds.length; i++) {
    const fold = folds[i]!;
    if (!matchesQuery(fold.model.query, event)) continue;
    const next = fold.model.apply(fold.state, event);
    if (isPromise(next)) {
      return Promise.resolve(next).then((state) => {
        fold.state = state;
        return applyEvent(folds, i + 1, event);
      });
    }
    fold.state = next;
  }
}

function append(store: EventStore, events: readonly NewEvent[], condition: AppendCondition, signal: AbortSignal | undefined): Promise<AppendResult> {
  return store.append(events, condition, signal && { signal });
}

function isBatch(decided: NewEvent | readonly NewEvent[]): decided is readonly NewEvent[] {
  return Array.isArray(decided);
}
