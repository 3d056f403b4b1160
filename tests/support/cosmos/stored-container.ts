/*
 * The documents of one container, with every version of each: a lagging replica is the same documents at an older number.
 * A transaction stages its changes and keeps all of them or none.
 */
import { randomUUID } from 'node:crypto';

export type Doc = { id: string; _etag: string; [key: string]: unknown };
export type Operation = { operationType: string; id?: string; ifMatch?: string; partitionKey?: string; resourceBody?: Doc };
export type OperationResult = { statusCode: number; requestCharge: number; eTag?: string; resourceBody?: Doc };

type Version = { readonly lsn: number; readonly doc: Doc | undefined };
type Staged = { readonly docs: Map<string, Doc | undefined>; readonly unique: Map<string, string | undefined> };

const mostOperations = 100;
export const mostBytes = 2 * 1024 * 1024;

/** What the service holds writes to. A test switches one off, to be like an emulator that does not. */
export type Guards = { ifMatch: boolean; uniqueKey: boolean };

export class StoredContainer {
  readonly keyPath: string;
  readonly uniquePaths: readonly string[];
  readonly rid: string;
  /** Number of the last committed transaction. */
  lsn = 0;
  readonly #guards: Guards;
  readonly #partitions = new Map<string, Map<string, Version[]>>();
  readonly #unique = new Map<string, Map<string, string | undefined>>();

  constructor(definition: { _rid: string; partitionKey?: { paths: string[] }; uniqueKeyPolicy?: { uniqueKeys?: { paths: string[] }[] } }, guards: Guards) {
    this.#guards = guards;
    this.rid = definition._rid;
    this.keyPath = definition.partitionKey?.paths[0]?.slice(1) ?? 'id';
    this.uniquePaths = (definition.uniqueKeyPolicy?.uniqueKeys ?? []).flatMap(({ paths }) => paths.map((path) => path.slice(1)));
  }

  /** The documents of a partition (of all when the key is undefined) as they were when `lsn` was committed. */
  docsAt(key: string | undefined, lsn: number): Doc[] {
    const partitions = key === undefined ? [...this.#partitions.values()] : [this.#partitions.get(key) ?? new Map<string, Version[]>()];
    return partitions.flatMap((docs) => [...docs.values()].flatMap((versions) => versionAt(versions, lsn)?.doc ?? []));
  }

  docAt(key: string, id: string, lsn: number): Doc | undefined {
    return versionAt(this.#partitions.get(key)?.get(id) ?? [], lsn)?.doc;
  }

  /** Latest versions that were committed after `lsn`, transaction by transaction, at least `max` of them if there are so many; none is split. */
  changesAfter(key: string | undefined, lsn: number, max: number): { docs: Doc[]; lsn: number } {
    const partitions = key === undefined ? [...this.#partitions.values()] : [this.#partitions.get(key) ?? new Map<string, Version[]>()];
    const changes = partitions.flatMap((docs) => [...docs.values()].map((versions) => versions.at(-1)!)).filter((version) => version.lsn > lsn && version.doc);
    changes.sort((a, b) => a.lsn - b.lsn);
    const last = changes[Math.min(max, changes.length) - 1]?.lsn;
    const page = changes.filter((version) => last !== undefined && version.lsn <= last);
    return { docs: page.map(({ doc }) => doc!), lsn: last ?? this.lsn };
  }

  /** Applies all operations or none. */
  transact(key: string, operations: readonly Operation[]): { statusCode: number; results: OperationResult[]; message?: string } {
    if (operations.length > mostOperations) return { statusCode: 400, results: [], message: `A batch may have ${mostOperations} operations.` };
    const staged: Staged = { docs: new Map(), unique: new Map() };
    const results: OperationResult[] = [];
    for (const [i, operation] of operations.entries()) {
      const result = this.#stage(key, operation, staged);
      if (result.statusCode < 400) {
        results.push(result);
        continue;
      }
      if (result.statusCode === 400) return { statusCode: 400, results: [], message: `Operation ${i} is not valid.` };
      const all = operations.map((_, at) => (at === i ? result : { statusCode: 424, requestCharge: 0 }));
      return { statusCode: operations.length === 1 ? result.statusCode : 207, results: all };
    }
    this.#keep(key, staged);
    return { statusCode: 200, results };
  }

  #stage(key: string, operation: Operation, staged: Staged): OperationResult {
    const { operationType, resourceBody: body } = operation;
    const ifMatch = this.#guards.ifMatch ? operation.ifMatch : undefined;
    const ownKey = operation.partitionKey === undefined ? undefined : (JSON.parse(operation.partitionKey) as unknown[])[0];
    if (ownKey !== undefined && ownKey !== key) return refused(400);
    if (body && (body[this.keyPath] !== key || typeof body.id !== 'string' || !isDocumentId(body.id))) return refused(400);
    if (body && Buffer.byteLength(JSON.stringify(body)) > mostBytes) return refused(413);
    const id = operation.id ?? body?.id ?? '';
    const current = staged.docs.has(id) ? staged.docs.get(id) : this.docAt(key, id, this.lsn);
    switch (operationType) {
      case 'Create':
        return current ? refused(409) : this.#put(key, id, body!, undefined, staged);
      case 'Upsert':
        return ifMatch && current && current._etag !== ifMatch ? refused(412) : this.#put(key, id, body!, current, staged);
      case 'Replace':
        if (!current) return refused(404);
        return ifMatch && current._etag !== ifMatch ? refused(412) : this.#put(key, id, body!, current, staged);
      case 'Read':
        return current ? { statusCode: 200, requestCharge: 1, eTag: current._etag, resourceBody: current } : refused(404);
      case 'Delete':
        if (!current) return refused(404);
        if (ifMatch && current._etag !== ifMatch) return refused(412);
        staged.docs.set(id, undefined);
        for (const path of this.uniquePaths) staged.unique.set(uniqueKey(path, current), undefined);
        return { statusCode: 204, requestCharge: 5 };
      default:
        return refused(400);
    }
  }

  #put(key: string, id: string, body: Doc, current: Doc | undefined, staged: Staged): OperationResult {
    if (body.id !== id) return refused(400);
    for (const path of this.uniquePaths) {
      const value = uniqueKey(path, body);
      const owner = staged.unique.has(value) ? staged.unique.get(value) : this.#unique.get(key)?.get(value);
      if (this.#guards.uniqueKey && owner !== undefined && owner !== id) return refused(409);
      if (current) staged.unique.set(uniqueKey(path, current), undefined);
      staged.unique.set(value, id);
    }
    // What the service has under these names is its own, whatever the client sends.
    const doc: Doc = { ...body, _rid: `${this.rid}.${this.lsn + 1}.${id}`, _self: '', _ts: Math.floor(Date.now() / 1000), _etag: `"${randomUUID()}"` };
    staged.docs.set(id, doc);
    return { statusCode: current ? 200 : 201, requestCharge: 5, eTag: doc._etag, resourceBody: doc };
  }

  #keep(key: string, staged: Staged): void {
    if (staged.docs.size === 0) return;
    this.lsn++;
    const docs = this.#partitions.get(key) ?? new Map<string, Version[]>();
    this.#partitions.set(key, docs);
    for (const [id, doc] of staged.docs) {
      const versions = docs.get(id) ?? [];
      docs.set(id, versions);
      versions.push({ lsn: this.lsn, doc });
    }
    const unique = this.#unique.get(key) ?? new Map<string, string | undefined>();
    this.#unique.set(key, unique);
    for (const [value, id] of staged.unique) unique.set(value, id);
  }
}

function refused(statusCode: number): OperationResult {
  return { statusCode, requestCharge: 1 };
}

/** The service refuses these characters, and ids above 1,023 bytes. */
function isDocumentId(id: string): boolean {
  return id !== '' && Buffer.byteLength(id) <= 1023 && !/[/\\?#]/.test(id) && !id.endsWith(' ');
}

/** A missing value counts as one value, as in the service. */
function uniqueKey(path: string, doc: Doc): string {
  return `${path}:${JSON.stringify(doc[path]) ?? 'missing'}`;
}

function versionAt(versions: readonly Version[], lsn: number): Version | undefined {
  for (let i = versions.length - 1; i >= 0; i--) if (versions[i]!.lsn <= lsn) return versions[i];
  return undefined;
}
