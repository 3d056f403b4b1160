import { type EventDefaults } from '../core/check-input.js';
import { checkFields } from '../core/check-values.js';
import { retryDefaults, systemDefaults } from '../core/defaults.js';
import { InvalidInputError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import { describe } from '../core/json.js';
import { checkName } from '../core/names.js';
import { checkAccount, checkContainer, checkStateContainer } from './account-checks.js';
import { backoffDefaults, type Backoff } from './backoff.js';
import { CosmosEventStore } from './cosmos-event-store.js';
import { CosmosStateStore, MissingStateStore } from './cosmos-state-store.js';
import type { PollOptions } from './following.js';
import { probe } from './probe.js';
import type { Container } from './sdk.js';

export type CosmosStoreOptions = {
  /** Of a client with `consistencyLevel: 'Session'`; made with `createContainer`. */
  container: Container;
  /** A name: the logical partition that the events are in; `default` when absent. */
  context?: string;
  /** Where `store.state` keeps its values; made with `createStateContainer`. Without it `store.state` refuses every call. */
  stateContainer?: Container;
  /** Runs `probe` on opening; false when absent. For emulators and after changes to the account. */
  probe?: boolean;
  retry?: {
    /** How often a request that fails for a passing reason is made in all, at least 1; 20 when absent. */
    maxAttempts?: number;
    /** Milliseconds: the first delay is random from 0 (inclusive) to this (exclusive), and the bound doubles with each attempt; 5 when absent. */
    baseDelayMs?: number;
    /** Milliseconds that the doubling bound never exceeds; 1,000 when absent. */
    maxDelayMs?: number;
  };
  /** How often subscriptions look for what others appended. */
  poll?: PollOptions;
  /** Milliseconds after which a lease of `store.state` whose holder died is free; 15,000 when absent. */
  leaseMs?: number;
  /** Told once when the context nears the size that a logical partition may have; `process.emitWarning` when absent. */
  warn?: (message: string) => void;
  /** Wall clock, milliseconds since 1970. */
  now?: () => number;
  /** Makes the ids of events that have none; each must be new. */
  newId?: () => string;
  /** Waits; rejects with `signal.reason` when it aborts. A timer when absent. */
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** From 0 (inclusive) to 1 (exclusive); `Math.random` when absent. */
  random?: () => number;
};

/**
 * Opens a context in a container of Azure Cosmos DB for NoSQL. Behaves like a store on files, with limits that are Cosmos DB's:
 * an append may hold 99 events and 1,900,000 bytes, and goes to one context; a context may grow to 20 GB. When an append
 * resolves, its events are on a majority of the replicas of the write region. Other processes see them at once under the
 * account's consistency Strong, and soon after under Session; this store always sees what it appended.
 *
 * @example
 * const client = new CosmosClient({ endpoint, key, consistencyLevel: 'Session' })
 * const store = await openCosmosStore({ container: await createContainer(client.database('app'), 'events') })
 * @throws InvalidInputError when an option, the account or the container is not as it must be; StorageFailedError when the
 *   server cannot be asked.
 */
export async function openCosmosStore(options: CosmosStoreOptions): Promise<EventStore> {
  checkFields(options, 'options', optionKeys, 'the options of openCosmosStore');
  const { container, context = 'default', stateContainer, warn = emitWarning, leaseMs = 15_000 } = options;
  checkIsContainer(container, 'options.container');
  if (stateContainer !== undefined) checkIsContainer(stateContainer, 'options.stateContainer');
  checkName(context, 'options.context');
  const backoff = toBackoff(options);
  const poll = toPoll(options.poll);
  checkNumber(leaseMs, 'options.leaseMs', 100, 'milliseconds');
  const defaults: EventDefaults = { now: options.now ?? systemDefaults.now, newId: options.newId ?? systemDefaults.newId };

  await Promise.all([checkAccount(container, backoff), checkContainer(container, backoff), stateContainer && checkStateContainer(stateContainer, backoff)]);
  if (options.probe) await probe(container);

  return new CosmosEventStore({
    container,
    context,
    defaults,
    backoff,
    poll,
    warn,
    makeState: (checkOpen) => (stateContainer ? new CosmosStateStore({ container: stateContainer, context, backoff, defaults, leaseMs, checkOpen }) : new MissingStateStore()),
  });
}

const optionKeys = new Set(['container', 'context', 'stateContainer', 'probe', 'retry', 'poll', 'leaseMs', 'warn', 'now', 'newId', 'sleep', 'random']);
const retryKeys = new Set(['maxAttempts', 'baseDelayMs', 'maxDelayMs']);
const pollKeys = new Set(['minMs', 'maxMs']);

function toBackoff({ retry = {}, sleep = retryDefaults.sleep, random = retryDefaults.random }: CosmosStoreOptions): Backoff {
  const { maxAttempts, baseDelayMs, maxDelayMs } = { ...backoffDefaults, ...checkFields(retry, 'options.retry', retryKeys, 'retry options') };
  checkNumber(maxAttempts, 'options.retry.maxAttempts', 1, 'attempts');
  checkNumber(baseDelayMs, 'options.retry.baseDelayMs', 0, 'milliseconds');
  checkNumber(maxDelayMs, 'options.retry.maxDelayMs', 0, 'milliseconds');
  return { maxAttempts, baseDelayMs, maxDelayMs, sleep, random };
}

function toPoll(poll: PollOptions = {}): Required<PollOptions> {
  const { minMs, maxMs } = { minMs: 50, maxMs: 1000, ...checkFields(poll, 'options.poll', pollKeys, 'poll options') };
  checkNumber(minMs, 'options.poll.minMs', 1, 'milliseconds');
  checkNumber(maxMs, 'options.poll.maxMs', minMs, 'milliseconds');
  return { minMs, maxMs };
}

/** A timer set for longer fires at once. */
const mostMs = 2 ** 31 - 1;

function checkNumber(value: unknown, path: string, least: number, unit: string): void {
  if (typeof value === 'number' && value >= least && value <= mostMs) return;
  throw new InvalidInputError(path, `is ${describe(value)}; it must be a number of ${unit} from ${least} to ${mostMs}.`);
}

function checkIsContainer(value: unknown, path: string): void {
  if (typeof value === 'object' && value !== null && 'items' in value && 'database' in value) return;
  throw new InvalidInputError(path, `is ${describe(value)}; it must be a Container of @azure/cosmos, such as client.database('app').container('events').`);
}

function emitWarning(message: string): void {
  process.emitWarning(message, 'OpossumWarning');
}
