import { checkFields, checkFunctions, checkSignal, checkStore } from '../core/check-values.js';
import { retryDefaults, systemDefaults } from '../core/defaults.js';
import { InvalidInputError, isOpossumError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import { describe } from '../core/json.js';
import type { StateStore } from '../core/state-store.js';
import { applyInBackground } from './background.js';
import type { IndexValues, Projection } from './definition.js';
import type { RebuildReason } from './inspection.js';
import type { ProjectionProgress, ProjectionView } from './projection-view.js';
import { Segments } from './segments.js';
import { ratioOf, View } from './view.js';

export type OpenProjectionOptions = {
  /** Where it is kept, under `projections/<name>`; the store's own `state` when absent. */
  state?: StateStore;
  /** Aborting closes the view. */
  signal?: AbortSignal;
  /** True to read only what other processes save, and never apply. */
  readOnly?: boolean;
  /** Called after each save while catching up or building anew, and once at the end of it. */
  onProgress?: (progress: ProjectionProgress) => void;
  /** Called when a saved projection is built anew. If it is absent, damage and other events are told by a process warning. */
  onRebuild?: (rebuild: { reason: RebuildReason; message: string }) => void;
  /** Called when it stops (also with what `status().error` has), and when something went wrong that is tried again. */
  onError?: (error: unknown) => void;
  /** Waits; rejects when `signal` aborts. A timer when absent. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Wall clock, milliseconds since 1970. */
  now?: () => number;
  /** From 0 (inclusive) to 1 (exclusive); `Math.random` when absent. */
  random?: () => number;
};

/**
 * Opens a projection: of all processes one applies events to it, in the background, and all can read. Resolves when what was saved
 * can be read, which may be behind: `ready()` and `waitFor()` wait for more. When the definition's version was raised it is built
 * anew in the background, and until that has ended reads show what the older definition saved, as it saved it.
 *
 * Each event is applied exactly once, whatever crashes: states and the position that they belong to are saved together.
 *
 * @example
 * const view = await openProjection(store, courses)
 * await view.waitFor((await store.append(CourseDefined({ courseId: 'c1', teacher: 't1' }))).last)
 * await view.get('c1')
 * @throws InvalidInputError also when another definition of that name is open on this state store, or when a newer version is saved;
 *   StorageFailedError, StoreClosedError
 */
export async function openProjection<State, Index extends IndexValues>(
  store: EventStore,
  definition: Projection<State, Index>,
  options: OpenProjectionOptions = {},
): Promise<ProjectionView<State, Index>> {
  checkStore(store, 'store');
  checkFields(options, 'options', optionKeys, 'the options of openProjection');
  const { readOnly, onProgress, onRebuild, onError } = options;
  const { signal, state = store.state, sleep = retryDefaults.sleep, now = systemDefaults.now, random = retryDefaults.random } = options;
  checkFunctions({ onProgress, onRebuild, onError, sleep, now, random }, 'options');
  checkSignal(signal, 'options.signal');
  if (readOnly !== undefined && typeof readOnly !== 'boolean') throw new InvalidInputError('options.readOnly', `is ${describe(readOnly)}; it must be true or false.`);
  const rules = rulesOf(definition);
  signal?.throwIfAborted();
  const release = register(state, definition);
  const segments = new Segments(state, rules.name, systemDefaults.newId().slice(-12));
  const common = { store, state, rules, segments, sleep, now, random, readOnly: readOnly === true };
  let view: View;
  try {
    view = await View.open(common);
    view.setHead(await store.head());
  } catch (error) {
    release();
    throw error;
  }

  const closing = new AbortController();
  const applying = readOnly ? Promise.resolve() : applyInBackground({ ...common, ...listeners(view, definition.name, options) }, closing.signal);
  const ended = applying.catch((error: unknown) => {
    if (closing.signal.aborted) return tellError(options, definition.name, error);
    const isClosed = isOpossumError(error, 'STORE_CLOSED');
    view.end(isClosed ? 'closed' : 'failed', error);
    if (!isClosed) tellError(options, definition.name, error);
  });
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => (closed ??= finish());
  const finish = async (): Promise<void> => {
    signal?.removeEventListener('abort', close);
    closing.abort();
    await ended;
    view.end('closed', undefined);
    release();
  };
  signal?.addEventListener('abort', close, { once: true });
  if (signal?.aborted) void close();

  // What the definition's functions made is what its types say, as far as the definition has not changed under the same version.
  const typed = view as unknown as Omit<ProjectionView<State, Index>, 'name' | 'close' | typeof Symbol.asyncDispose>;
  return {
    name: rules.name,
    get: (key) => typed.get(key),
    getMany: (keys) => typed.getMany(keys),
    find: (index, value) => typed.find(index, value),
    entries: () => typed.entries(),
    waitFor: (position, waitOptions) => typed.waitFor(position, waitOptions),
    ready: (waitOptions) => typed.ready(waitOptions),
    status: () => typed.status(),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const optionKeys = new Set(['state', 'signal', 'readOnly', 'onProgress', 'onRebuild', 'onError', 'sleep', 'now', 'random']);

function rulesOf(definition: Projection<unknown>): Projection<unknown>['~projection'] {
  const rules = (definition as Partial<typeof definition> | undefined)?.['~projection'];
  if (rules === undefined) throw new InvalidInputError('definition', `is ${describe(definition)}; it must be made by projection().`);
  return rules;
}

/** What the listener throws has nowhere to go, and must neither end the process nor what goes on. */
function tellError({ onError }: OpenProjectionOptions, name: string, error: unknown): void {
  try {
    onError?.(error);
  } catch (thrown) {
    process.emitWarning(`onError of projection ${JSON.stringify(name)} threw: ${String(thrown)}.`, 'OpossumWarning');
  }
}

function listeners(view: View, name: string, options: OpenProjectionOptions): Pick<Parameters<typeof applyInBackground>[0], 'onApplied' | 'onSaved' | 'onRebuild' | 'onRole' | 'onTrouble'> {
  const { onProgress, onRebuild } = options;
  let isCatchingUp = true;
  return {
    onApplied: (table, how) => view.applied(table, how),
    onSaved(position, isCaughtUp) {
      view.setHead(position);
      if (isCatchingUp) onProgress?.({ position, head: view.head, ratio: isCaughtUp ? 1 : ratioOf(position, view.head) });
      isCatchingUp &&= !isCaughtUp;
    },
    onRebuild(rebuild) {
      if (onRebuild) onRebuild(rebuild);
      else if (rebuild.reason !== 'version') process.emitWarning(`Projection ${JSON.stringify(name)} is built anew: ${rebuild.message}.`, 'OpossumWarning');
    },
    onRole(applies, distrust) {
      isCatchingUp = true;
      view.setRole(applies, distrust);
    },
    onTrouble(error) {
      view.trouble(error);
      tellError(options, name, error);
    },
  };
}

/** Which definitions are open: two of one name would take each other's states for their own. */
const open = new WeakMap<StateStore, Map<string, { definition: object; count: number }>>();

/** Returns how to take it back. */
function register(state: StateStore, definition: { readonly name: string }): () => void {
  const names = open.get(state) ?? new Map<string, { definition: object; count: number }>();
  open.set(state, names);
  const { name } = definition;
  const known = names.get(name) ?? { definition, count: 0 };
  if (known.definition !== definition) {
    throw new InvalidInputError('definition', `has the name ${JSON.stringify(name)}, under which another one is open on this store. Give one of them another name, or define it once and use that everywhere.`);
  }
  known.count++;
  names.set(name, known);
  return () => {
    if (--known.count === 0) names.delete(name);
  };
}
