/*
 * A lease is a document with the time until which it holds, renewed while it is held. Clocks that differ can let two processes
 * think that they hold it: that costs work twice, and no data, since what it protects is saved with an expected version.
 */
import type { EventDefaults } from '../core/check-input.js';
import { cosmosDocumentId } from '../core/cosmos-limits.js';
import { LockTimeoutError } from '../core/errors.js';
import type { LeaseOptions, StateLease } from '../core/state-store.js';
import { untilAnswered, type Backoff } from './backoff.js';
import type { Container } from './sdk.js';
import { readDocument } from './single-read.js';
import { attemptWrite, type WriteAnswer } from './single-write.js';

export type LeasePorts = {
  readonly container: Container;
  readonly context: string;
  readonly backoff: Backoff;
  readonly defaults: EventDefaults;
  readonly leaseMs: number;
  readonly checkOpen: () => void;
  /** Aborts when the store closes. */
  readonly closed: AbortSignal;
};

type LeaseDocument = { readonly id: string; readonly ctx: string; readonly kind: 'lease'; readonly name: string; readonly owner: string; readonly until: number; readonly v: 1 };
type Found = LeaseDocument & { readonly _etag: string };

const firstPollMs = 20;
const slowestPollMs = 500;

export async function takeLease(name: string, { signal, timeoutMs = Infinity }: LeaseOptions, ports: LeasePorts): Promise<CosmosLease> {
  const { backoff, checkOpen, closed, defaults } = ports;
  const ended = signal ? AbortSignal.any([signal, closed]) : closed;
  const lease = new CosmosLease(name, ports);
  let waitedMs = 0;
  for (let pollMs = firstPollMs; ; pollMs = Math.min(pollMs * 1.5, slowestPollMs)) {
    checkOpen();
    signal?.throwIfAborted();
    const found = await lease.read();
    const isFree = !found || found.until <= defaults.now() || found.owner === lease.owner;
    if (isFree && (await lease.write(found)) === 'done') break;
    if (waitedMs >= timeoutMs) throw new LockTimeoutError(`The lease of ${JSON.stringify(name)} was held by another for ${timeoutMs} ms.`, { name });
    const ms = Math.min(pollMs, timeoutMs - waitedMs);
    await backoff.sleep(ms, ended).catch((error: unknown) => {
      checkOpen();
      throw error;
    });
    waitedMs += ms;
  }
  try {
    checkOpen();
    signal?.throwIfAborted();
  } catch (error) {
    await lease.release();
    throw error;
  }
  lease.keep();
  return lease;
}

export class CosmosLease implements StateLease {
  readonly owner: string;
  readonly #name: string;
  readonly #ports: LeasePorts;
  readonly #ended = new AbortController();
  #until = 0;
  #released: Promise<void> | undefined;
  /** Writes of this lease go one after another. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(name: string, ports: LeasePorts) {
    this.#name = name;
    this.#ports = ports;
    this.owner = ports.defaults.newId();
  }

  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Renews until it is released, lost, or the store closed. */
  keep(): void {
    this.#last = Promise.all([this.#renew(), this.#expire()]);
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Aborting ends the waits between tries. */
  async read(signal?: AbortSignal): Promise<Found | undefined> {
    const { container, context, backoff } = this.#ports;
    const look = () => readDocument<Found>(container, this.#id, context);
    const { resource } = await untilAnswered(backoff, `looking at the lease of ${JSON.stringify(this.#name)}`, look, signal);
    return resource;
  }

  /** Takes it, or renews it, from what was found. */
  async write(found: Found | undefined): Promise<WriteAnswer> {
    const { container, context, defaults, leaseMs } = this.#ports;
    const until = defaults.now() + leaseMs;
    const document: LeaseDocument = { id: this.#id, ctx: context, kind: 'lease', name: this.#name, owner: this.owner, until, v: 1 };
    const write = found
      ? () => container.item(this.#id, context).replace(document, { accessCondition: { type: 'IfMatch', condition: found._etag } })
      : () => container.items.create(document);
    const answer = await attemptWrite(write);
    if (answer === 'done') this.#until = until;
    return answer;
  }

  async #renew(): Promise<void> {
    const { backoff, defaults, leaseMs, checkOpen } = this.#ports;
    try {
      while (!this.#ended.signal.aborted) {
        await backoff.sleep(leaseMs / 3, this.#ended.signal);
        checkOpen();
        const found = await this.read(this.#ended.signal);
        const isMine = found?.owner === this.owner;
        if (isMine) await this.write(found);
        if (!isMine || this.#until <= defaults.now()) break;
      }
    } catch {
      // Released, closed, or the server cannot be asked: in each case it is no longer kept.
    }
    this.#ended.abort();
  }

  /** Its time may be over while a renewal is still tried again, or waits for its answer: another may hold it from then on. */
  async #expire(): Promise<void> {
    const { backoff, defaults } = this.#ports;
    try {
      let until: number;
      do {
        until = this.#until;
        await backoff.sleep(Math.max(0, until - defaults.now()), this.#ended.signal);
      } while (this.#until > until);
    } catch {
      // It ended otherwise.
    }
    this.#ended.abort();
  }

  async #release(): Promise<void> {
    const { container, context } = this.#ports;
    this.#ended.abort();
    try {
      await this.#last;
      const found = await this.read();
      if (found?.owner !== this.owner) return;
      await attemptWrite(() => container.item(this.#id, context).delete({ accessCondition: { type: 'IfMatch', condition: found._etag } }));
    } catch {
      // It runs out by itself.
    }
  }

  get #id(): string {
    return `lease.${cosmosDocumentId(this.#name)}`;
  }
}
