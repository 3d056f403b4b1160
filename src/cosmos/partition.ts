/*
 * Requests to the one logical partition that a context is. Rests on: one page of a query is a snapshot, answered by one replica
 * from one committed state. A state with head h holds exactly the events 1 to h, and events never change. Hence what a page says
 * about positions up to the last one that it shows, or up to the ledger's head if it is the last page, is true in every later
 * state too, however old the replica was.
 */
import { StorageFailedError } from '../core/errors.js';
import { matchesQuery, type Query } from '../core/query.js';
import { untilAnswered, wait, type Backoff } from './backoff.js';
import { ledgerId, type EventRow, type LedgerDocument } from './documents.js';
import { toFilter, whereSql, type Filter } from './filter.js';
import type { Container, OperationInput } from './sdk.js';
import { readDocument } from './single-read.js';

/** One state of the context: `etag` names it, and is undefined before the first event. */
export type Base = { readonly head: number; readonly etag: string | undefined; readonly bytes: number };

export type Page = {
  /** The state that the page is a snapshot of. */
  readonly base: Base;
  /** The matching events above `after`, lowest first. */
  readonly rows: readonly EventRow[];
  /** They are all that match up to this position, inclusive. */
  readonly upTo: number;
};

export type PageRequest = {
  /** Exclusive. */
  readonly after: number;
  /** Inclusive; no bound when absent. */
  readonly upTo?: number;
  readonly query: Query;
  readonly limit: number;
  /** A replica that has not got so far is asked again. */
  readonly minHead?: number;
};

export type BackPageRequest = { readonly head: number; readonly after: number; readonly before: number; readonly query: Query; readonly limit: number };

/** Matching events below `before`, highest first: all that match down to `downTo`, inclusive. */
export type BackPage = { readonly rows: readonly EventRow[]; readonly downTo: number };

/** `'lost'`: the batch was refused as a whole; `index` and `status` say which operation was at fault, and why. */
export type BatchAnswer = { readonly kind: 'committed'; readonly etag: string } | { readonly kind: 'lost'; readonly index: number; readonly status: number };

/** Rows that one page may have, as the service counts: the ledger or the newest event is one of them. */
export const mostEvents = 999;

type Row = EventRow | (LedgerDocument & { readonly _etag: string });
type RowPage = { readonly rows: readonly Row[]; readonly isWhole: boolean };

export const emptyBase: Base = { head: 0, etag: undefined, bytes: 0 };

export class Partition {
  readonly #container: Container;
  readonly #context: string;
  readonly #backoff: Backoff;
  /** The highest head that was ever shown: no answer to a reader may be older. */
  seen = 0;

  constructor(container: Container, context: string, backoff: Backoff) {
    this.#container = container;
    this.#context = context;
    this.#backoff = backoff;
  }

  saw(head: number): void {
    if (head > this.seen) this.seen = head;
  }

  /** The state that some replica has; undefined when its ledger still has the `etag`, which costs next to nothing. */
  async base(etag?: string, signal?: AbortSignal): Promise<Base | undefined> {
    const options = etag === undefined ? {} : { accessCondition: { type: 'IfNoneMatch', condition: etag } };
    const read = () => readDocument<LedgerDocument>(this.#container, ledgerId, this.#context, options);
    const { statusCode, resource } = await untilAnswered(this.#backoff, 'reading the ledger', read, signal);
    if (statusCode === 304) return undefined;
    this.saw(resource?.head ?? 0);
    return resource ? { head: resource.head, bytes: resource.bytes, etag: resource._etag } : emptyBase;
  }

  /** Events upwards from `after`, with the state that they are a snapshot of. */
  async page({ after, upTo = Number.MAX_SAFE_INTEGER, query, limit, minHead = 0 }: PageRequest): Promise<Page> {
    const filter = toFilter(query);
    let to = upTo;
    for (let attempt = 1; ; attempt++) {
      const { rows, isWhole } = await this.#query(
        `${whereSql('c.position = 0', 'c.position > @after AND c.position <= @to', filter)} ORDER BY c.position`,
        [{ name: '@after', value: after }, { name: '@to', value: to }, ...filter.parameters],
        limit + 1,
      );
      const [first, ...events] = rows;
      const base = first?.kind === 'ledger' ? { head: first.head, bytes: first.bytes, etag: first._etag } : emptyBase;
      const complete = isWhole && events.length < limit;
      this.saw(base.head);
      if (base.head >= minHead && (base.etag !== undefined || complete)) {
        const matches = (events as EventRow[]).filter((event) => matchesQuery(query, event));
        if (complete) return { base, rows: matches, upTo: Math.min(to, Math.max(base.head, after)) };
        const last = events.at(-1);
        if (last) return { base, rows: matches, upTo: last.position };
        // A page cut short before its first event says nothing: ask for fewer positions.
        const half = after + Math.max(1, Math.floor((Math.min(to, base.head) - after) / 2));
        if (half < to) {
          to = half;
          attempt--;
          continue;
        }
      }
      await this.#again(attempt, 'an answer that is new and whole enough');
    }
  }

  /** Events downwards from `before` (exclusive). The event at `head` is asked for too: only a replica that shows it has them all. */
  async pageBack({ head, after, before, query, limit }: BackPageRequest): Promise<BackPage> {
    const filter = toFilter(query);
    let from = after;
    for (let attempt = 1; ; attempt++) {
      const { rows, isWhole } = await this.#query(
        `${whereSql('c.position = @head', 'c.position > @from AND c.position < @before', filter)} ORDER BY c.position DESC`,
        [{ name: '@head', value: head }, { name: '@from', value: from }, { name: '@before', value: before }, ...filter.parameters],
        limit + 1,
      );
      if (rows[0]?.position === head) {
        const inside = (rows as EventRow[]).filter(({ position }) => position > from && position < before);
        const matches = inside.filter((event) => matchesQuery(query, event)).slice(0, limit);
        if (isWhole && rows.length <= limit) return { rows: matches, downTo: from + 1 };
        const last = matches.length === limit ? matches.at(-1) : inside.at(-1);
        if (last) return { rows: matches, downTo: last.position };
        const half = before - 1 - Math.max(1, Math.floor((before - 1 - from) / 2));
        if (half > from) {
          from = half;
          attempt--;
          continue;
        }
      }
      await this.#again(attempt, `the event at position ${head}, which is known to exist`);
    }
  }

  /** Those of these documents that exist, from a state with at least this head, and that state. */
  async find(ids: readonly string[], minHead: number): Promise<{ base: Base; rows: EventRow[] }> {
    for (let attempt = 1; ; attempt++) {
      const names = ids.map((id, i) => ({ name: `@i${i}`, value: id }));
      const { rows, isWhole } = await this.#query(`c.id IN (@ledger, ${names.map(({ name }) => name).join(', ')}) ORDER BY c.position`, [{ name: '@ledger', value: ledgerId }, ...names], ids.length + 1);
      const [first, ...events] = rows;
      const base = first?.kind === 'ledger' ? { head: first.head, bytes: first.bytes, etag: first._etag } : emptyBase;
      if (isWhole && base.head >= minHead) return { base, rows: events as EventRow[] };
      if (!isWhole && ids.length > 1) return this.#findByHalves(ids, minHead);
      await this.#again(attempt, `a state with head ${minHead}, which is known to exist`);
    }
  }

  /** Documents too large for one answer. Events stay where they are, so two snapshots at or above `minHead` serve as well as one. */
  async #findByHalves(ids: readonly string[], minHead: number): Promise<{ base: Base; rows: EventRow[] }> {
    const half = Math.ceil(ids.length / 2);
    const lower = await this.find(ids.slice(0, half), minHead);
    const upper = await this.find(ids.slice(half), Math.max(minHead, lower.base.head));
    return { base: upper.base, rows: [...lower.rows, ...upper.rows].sort((a, b) => a.position - b.position) };
  }

  /** One try of a transactional batch. What it throws leaves the outcome open. */
  async commit(operations: OperationInput[]): Promise<BatchAnswer> {
    const { result = [] } = await this.#container.items.batch(operations, this.#context);
    const index = result.findIndex(({ statusCode }) => statusCode >= 300 && statusCode !== 424);
    if (index >= 0) return { kind: 'lost', index, status: result[index]!.statusCode };
    const etag = result[0]?.eTag;
    if (result.length !== operations.length || etag === undefined) throw new Error('the answer to a batch does not fit the batch');
    return { kind: 'committed', etag };
  }

  async #query(where: string, parameters: Filter['parameters'] | readonly { name: string; value: string | number }[], limit: number): Promise<RowPage> {
    const query = {
      query: `SELECT TOP @limit * FROM c WHERE ${where}`,
      parameters: [{ name: '@limit', value: limit }, ...parameters],
    };
    const ask = () => this.#container.items.query<Row>(query, { partitionKey: this.#context, maxItemCount: limit }).fetchNext();
    const { resources, continuationToken } = await untilAnswered(this.#backoff, 'a query', ask);
    const stranger = resources.find(({ ctx }) => ctx !== this.#context);
    if (stranger) {
      throw new StorageFailedError(`Cosmos DB: a query of context ${JSON.stringify(this.#context)} gave a document of ${JSON.stringify(stranger.ctx)}: this server does not keep partitions apart. Nothing was appended.`, 'not-committed');
    }
    return { rows: resources, isWhole: !continuationToken };
  }

  async #again(attempt: number, wanted: string): Promise<void> {
    if (attempt >= this.#backoff.maxAttempts) {
      throw new StorageFailedError(
        `Cosmos DB: no replica gave ${wanted}, in ${attempt} attempts. Nothing was appended. Set consistencyLevel: "Session" on the client, and try again.`,
        'not-committed',
        { attempts: attempt },
      );
    }
    await wait(this.#backoff, attempt);
  }
}
