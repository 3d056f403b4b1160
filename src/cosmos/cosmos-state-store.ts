/*
 * Values by name in a container of their own, one document each. A save replaces the document under the etag that was read, so it
 * never writes over a version that it did not see; what another replica shows too late costs another try.
 */
import { checkExpected, checkLeaseOptions, checkSaveOptions, checkStateName, checkStateValue, isBelow } from '../core/check-state.js';
import { checkCosmosState, cosmosStateId } from '../core/cosmos-limits.js';
import { InvalidInputError, StateDamagedError, StorageFailedError, StoreClosedError } from '../core/errors.js';
import type { JsonValue } from '../core/event.js';
import type { LeaseOptions, SavedState, SaveOptions, StateLease, StateStore } from '../core/state-store.js';
import { untilAnswered, wait } from './backoff.js';
import { takeLease, type CosmosLease, type LeasePorts } from './cosmos-lease.js';
import { readDocument } from './single-read.js';
import { attemptWrite, type WriteAnswer } from './single-write.js';

export type CosmosStateOptions = Omit<LeasePorts, 'closed'>;

type StateDocument = {
  readonly id: string;
  readonly ctx: string;
  readonly kind: 'state';
  readonly name: string;
  readonly version: number;
  /** The value as JSON: what is nested deep, or has numbers that the service writes otherwise, comes back as it was. */
  readonly json: string;
  /** Tells a save whose answer was lost that it was stored. */
  readonly save: string;
  readonly v: 1;
};
type Found = StateDocument & { readonly _etag: string };

export class CosmosStateStore implements StateStore {
  readonly #options: CosmosStateOptions;
  readonly #closed = new AbortController();
  readonly #leases = new Set<CosmosLease>();
  /** Saves and removals on their way. */
  readonly #changes = new Set<Promise<unknown>>();

  constructor(options: CosmosStateOptions) {
    this.#options = options;
  }

  async load(name: string): Promise<SavedState | undefined> {
    this.#options.checkOpen();
    const found = await this.#read(checkStateName(name));
    if (!found) return undefined;
    try {
      return { value: JSON.parse(found.json) as JsonValue, version: found.version };
    } catch (error) {
      throw new StateDamagedError(name, 'its document does not hold JSON', { document: found.id }, error);
    }
  }

  async save(name: string, value: JsonValue, options?: SaveOptions): Promise<number> {
    const { checkOpen, context, defaults } = this.#options;
    checkOpen();
    const json = checkStateValue(value);
    const { expected } = checkSaveOptions(options);
    const document = { id: cosmosStateId(checkStateName(name)), ctx: context, kind: 'state', name, json, save: defaults.newId(), v: 1 } as const;
    checkCosmosState(name, json, context, document.save);
    return this.#change(name, expected, 'saving', async (found) => {
      if (found?.save === document.save) return found.version;
      checkExpected(name, expected, found?.version ?? 0);
      const version = (found?.version ?? 0) + 1;
      return (await this.#write({ ...document, version }, found)) === 'done' ? version : undefined;
    });
  }

  async remove(name: string, options?: SaveOptions): Promise<boolean> {
    this.#options.checkOpen();
    const { expected } = checkSaveOptions(options);
    const { container, context } = this.#options;
    let wasSent = false;
    return this.#change(checkStateName(name), expected, 'removing', async (found) => {
      // Gone after a try whose answer was lost: that try did it, or another caller meant the same.
      if (!found && wasSent) return true;
      checkExpected(name, expected, found?.version ?? 0);
      if (!found) return false;
      wasSent = true;
      const answer = await attemptWrite(() => container.item(found.id, context).delete({ accessCondition: { type: 'IfMatch', condition: found._etag } }));
      if (answer === 'refused') wasSent = false;
      return answer === 'done' ? true : undefined;
    });
  }

  async list(prefix?: string): Promise<string[]> {
    const { checkOpen, container, context, backoff } = this.#options;
    checkOpen();
    if (prefix !== undefined) checkStateName(prefix, 'prefix');
    const query = { query: "SELECT c.name FROM c WHERE c.kind = 'state'" };
    const ask = () => container.items.query<{ name: string }>(query, { partitionKey: context }).fetchAll();
    const { resources } = await untilAnswered(backoff, 'listing states', ask);
    return resources.map(({ name }) => name).filter((name) => isBelow(name, prefix)).sort();
  }

  async lease(name: string, options?: LeaseOptions): Promise<StateLease> {
    this.#options.checkOpen();
    for (const lease of this.#leases) if (lease.signal.aborted) this.#leases.delete(lease);
    const lease = await takeLease(checkStateName(name), checkLeaseOptions(options), { ...this.#options, closed: this.#closed.signal });
    this.#leases.add(lease);
    if (!this.#closed.signal.aborted) return lease;
    await lease.release();
    throw new StoreClosedError();
  }

  /** Lets changes on their way finish, ends those who wait for a lease, and releases those that are held. */
  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.allSettled([...this.#changes, ...[...this.#leases].map((lease) => lease.release())]);
  }

  async #read(name: string): Promise<Found | undefined> {
    const { container, context, backoff } = this.#options;
    const { resource } = await untilAnswered(backoff, `loading state ${JSON.stringify(name)}`, () => readDocument<Found>(container, cosmosStateId(name), context));
    return resource;
  }

  #write(document: StateDocument, found: Found | undefined): Promise<WriteAnswer> {
    const { container, context } = this.#options;
    if (!found) return attemptWrite(() => container.items.create(document));
    return attemptWrite(() => container.item(document.id, context).replace(document, { accessCondition: { type: 'IfMatch', condition: found._etag } }));
  }

  /** Reads and tries until the try says what came of it. */
  #change<T>(name: string, expected: number | undefined, doing: string, attempt: (found: Found | undefined) => Promise<T | undefined>): Promise<T> {
    const change = this.#tryChange(name, expected, doing, attempt);
    this.#changes.add(change);
    const done = (): boolean => this.#changes.delete(change);
    change.then(done, done);
    return change;
  }

  async #tryChange<T>(name: string, expected: number | undefined, doing: string, attempt: (found: Found | undefined) => Promise<T | undefined>): Promise<T> {
    const { backoff } = this.#options;
    for (let number = 1; number <= backoff.maxAttempts; number++) {
      const found = await this.#read(name);
      // A replica that is behind what the caller saw is asked again a few times before it counts.
      const isBehind = expected !== undefined && (found?.version ?? 0) < expected && number < 5;
      const done = isBehind ? undefined : await attempt(found);
      if (done !== undefined) return done;
      await wait(backoff, number);
    }
    throw new StorageFailedError(`Cosmos DB: ${doing} state ${JSON.stringify(name)} failed ${backoff.maxAttempts} times. Whether it was done is not known: load it.`, 'unknown', { name });
  }
}


/** Of a store that was opened without `stateContainer`. */
export class MissingStateStore implements StateStore {
  load = missing;
  save = missing;
  remove = missing;
  list = missing;
  lease = missing;
  async close(): Promise<void> {}
}

async function missing(): Promise<never> {
  throw new InvalidInputError('options.stateContainer', 'is missing: this store was opened without a place for state. Give openCosmosStore a container made with createStateContainer().');
}
