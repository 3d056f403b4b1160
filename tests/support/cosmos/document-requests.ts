/* What the server answers to requests for documents: the part of the service that correctness rests on. */
import { createRequire } from 'node:module';
import { mostBytes, type Doc, type Operation, type StoredContainer } from './stored-container.js';

export type Request = {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly docId: string | undefined;
};
export type Answer = { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> };

type Query = { exec(docs: readonly object[], options: object): { result: unknown[] } };
const server = createRequire(createRequire(import.meta.url).resolve('@vercel/cosmosdb-server'));
const parseQuery = (server('@zeit/cosmosdb-query') as { default(sql: string): Query }).default;
const parsed = new Map<string, Query>();

/** Of the service, where they are known, else of the account description that the server package gives. */
const mostQueryText = 256 * 1024;
const mostLogicalOperators = 500;
const mostPageBytes = 4 * 1024 * 1024;

/** Answers from the documents as of `lsn`; writes go to the newest. `mostRows` bounds every page, however many rows were asked for. */
export function answerDocuments(container: StoredContainer, request: Request, lsn: number, mostRows: number): Answer {
  const { method, headers, docId } = request;
  const key = partitionKeyOf(headers);
  if (Buffer.byteLength(request.body) > mostBytes) return { status: 413, body: { message: 'Request size is too large' } };
  // The SDK asks for a plan with each query, and looks at it only when the query itself is refused for want of one.
  if (isTrue(headers['x-ms-cosmos-is-query-plan-request'])) return { status: 400, body: { message: 'Query plans are not simulated.' } };
  if (isTrue(headers['x-ms-documentdb-isquery'])) return answerQuery(container, request, key, lsn, mostRows);
  if (headers['a-im'] !== undefined) return answerFeed(container, headers, key, lsn);
  if (method === 'GET' && docId === undefined) return { status: 400, body: { message: 'Reading all documents is not simulated: use a query.' } };
  if (key === undefined) return { status: 400, body: { message: 'The partition key is missing.' } };
  if (isTrue(headers['x-ms-cosmos-is-batch-request'])) return answerBatch(container, request, key);
  if (method === 'GET') return answerRead(container, headers, key, docId!, lsn);
  return answerWrite(container, request, key);
}

function answerQuery(container: StoredContainer, { headers, body }: Request, key: string | undefined, lsn: number, mostRows: number): Answer {
  if (key === undefined && !isTrue(headers['x-ms-documentdb-query-enablecrosspartition'])) return { status: 400, body: { message: 'Cross partition query is required.' } };
  const { query, parameters } = JSON.parse(body) as { query: string; parameters?: Parameter[] };
  if (query.length > mostQueryText || (query.match(/\b(AND|OR)\b/g)?.length ?? 0) > mostLogicalOperators) return { status: 400, body: { message: 'The query is too long.' } };
  const prepared = parsed.get(query) ?? parseQuery(query);
  parsed.set(query, prepared);
  const isNear = nearby(query, parameters ?? []);
  const docs = container.docsAt(key, lsn).filter(isNear);
  const rows = prepared.exec(docs.map(withoutContent), { parameters: parameters ?? [] }).result;
  const result = /^SELECT (TOP \S+ )?\* /.test(query) ? withContent(rows as Doc[], docs) : rows;
  const from = Number(headers['x-ms-continuation'] ?? 0);
  const page: unknown[] = [];
  const most = Math.min(Number(headers['x-ms-max-item-count'] ?? 100) || 100, mostRows);
  let bytes = 0;
  for (const row of result.slice(from)) {
    bytes += Buffer.byteLength(JSON.stringify(row));
    if (page.length === most || (page.length > 0 && bytes > mostPageBytes)) break;
    page.push(row);
  }
  const next = from + page.length;
  return {
    status: 200,
    body: { Documents: page, _count: page.length },
    headers: { 'x-ms-item-count': String(page.length), ...(next < result.length ? { 'x-ms-continuation': String(next) } : {}) },
  };
}

type Parameter = { readonly name: string; readonly value: unknown };

/**
 * Spares the query engine, which takes its time with each document, those whose position no alternative of the query allows.
 * It still judges the others: what is not understood here allows every position.
 */
function nearby(query: string, parameters: readonly Parameter[]): (doc: Doc) => boolean {
  const where = /WHERE (.*?)(?: ORDER BY .*)?$/.exec(query)?.[1];
  if (where === undefined || /\((?!@)(?!c\.tags, @)/.test(where)) return () => true;
  const valueOf = (text: string): number => Number(text.startsWith('@') ? parameters.find(({ name }) => name === text)?.value : text);
  const alternatives = where.split(' OR ').map((alternative) =>
    [...alternative.matchAll(/c\.position (=|<=|>=|<|>) (@\w+|\d+)/g)].map(([, operator, value]) => ({ operator, value: valueOf(value!) })),
  );
  return ({ position }) => typeof position !== 'number' || alternatives.some((terms) => terms.every(({ operator, value }) => allows(operator!, position, value)));
}

function allows(operator: string, position: number, value: number): boolean {
  if (operator === '=') return position === value;
  if (position === value) return operator.length === 2;
  return operator.startsWith('<') === position < value;
}

const slims = new WeakMap<Doc, object>();

/** The query engine takes minutes over a large array that it only has to hand on: it gets what queries may ask for. */
function withoutContent(doc: Doc): object {
  const known = slims.get(doc);
  if (known) return known;
  const { data: _data, metadata: _metadata, deep: _deep, json: _json, ...slim } = doc;
  slims.set(doc, slim);
  return slim;
}

function withContent(rows: readonly Doc[], docs: readonly Doc[]): Doc[] {
  const byRid = new Map(docs.map((doc) => [doc._rid, doc]));
  return rows.map((row) => byRid.get(row._rid)!);
}

function answerFeed(container: StoredContainer, headers: Request['headers'], key: string | undefined, lsn: number): Answer {
  const from = headers['if-none-match'];
  // "*" begins with now.
  const after = from === undefined || from === '' ? 0 : from === '*' ? lsn : Number(String(from).replaceAll('"', ''));
  const { docs, lsn: next } = container.changesAfter(key, after, Number(headers['x-ms-max-item-count'] ?? 100) || 100);
  if (docs.length === 0) return { status: 304, headers: { etag: `"${after}"` } };
  return { status: 200, body: { Documents: docs, _count: docs.length }, headers: { etag: `"${next}"`, 'x-ms-item-count': String(docs.length) } };
}

function answerBatch(container: StoredContainer, { body }: Request, key: string): Answer {
  const { statusCode, results, message } = container.transact(key, JSON.parse(body) as Operation[]);
  return results.length === 0 ? { status: statusCode, body: { message } } : { status: statusCode === 200 ? 200 : 207, body: results };
}

function answerRead(container: StoredContainer, headers: Request['headers'], key: string, docId: string, lsn: number): Answer {
  const doc = container.docAt(key, docId, lsn);
  if (!doc) return { status: 404, body: { message: 'The document does not exist.' } };
  if (headers['if-none-match'] === doc._etag) return { status: 304, headers: { etag: doc._etag } };
  return { status: 200, body: doc, headers: { etag: doc._etag } };
}

function answerWrite(container: StoredContainer, { method, headers, body, docId }: Request, key: string): Answer {
  const resourceBody = body === '' ? undefined : (JSON.parse(body) as Operation['resourceBody'] & object);
  const operationType = method === 'DELETE' ? 'Delete' : method === 'PUT' ? 'Replace' : isTrue(headers['x-ms-documentdb-is-upsert']) ? 'Upsert' : 'Create';
  const ifMatch = headers['if-match'];
  const operation: Operation = { operationType, ...(docId === undefined ? {} : { id: docId }), ...(resourceBody ? { resourceBody } : {}), ...(ifMatch ? { ifMatch: String(ifMatch) } : {}) };
  const { statusCode, results, message } = container.transact(key, [operation]);
  const [result] = results;
  if (statusCode !== 200) return { status: statusCode, body: { message: message ?? `Refused with ${statusCode}.` } };
  return { status: result!.statusCode, body: result!.resourceBody, headers: { etag: result!.eTag ?? '' } };
}

function partitionKeyOf(headers: Request['headers']): string | undefined {
  const header = headers['x-ms-documentdb-partitionkey'];
  const [key] = header === undefined ? [] : (JSON.parse(String(header)) as unknown[]);
  return typeof key === 'string' ? key : undefined;
}

function isTrue(header: string | string[] | undefined): boolean {
  return String(header).toLowerCase() === 'true';
}
