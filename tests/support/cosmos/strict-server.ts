/*
 * A local server that behaves like Cosmos DB where the store's correctness depends on it, on http and 127.0.0.1. Accounts,
 * databases, containers and the query language come from @vercel/cosmosdb-server; documents, batches, unique keys, change feed,
 * session tokens and lagging replicas are ours, since there a failed batch of that package keeps what came before the failure.
 */
import { CosmosClient, type Container, type CosmosClientOptions } from '@azure/cosmos';
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { createHttpServer } from '@vercel/cosmosdb-server';
import { createContainer } from '../../../src/cosmos/create-container.js';
import { answerDocuments, type Answer, type Request } from './document-requests.js';
import { planLessClient } from './plan-less-client.js';
import { selfTest } from './self-test.js';
import { StoredContainer, type Doc, type Guards } from './stored-container.js';
import { Weather } from './weather.js';

const documentPath = /^\/+dbs\/([^/]+)\/colls\/([^/]+)\/docs(?:\/([^/]+))?\/*$/;

/** Without a level of its own the SDK sends no session tokens. */
export type ClientOptions = { consistencyLevel?: 'Session' | 'Eventual' | undefined };

type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

export class StrictServer {
  weather = new Weather();
  /** No page of a query has more rows. */
  mostRows = Infinity;
  /** Every other page of a query is cut after its first row, as the service may do at any time. */
  cutsPages = false;
  /** Of writes to documents; what is switched off stays so until it is switched on again. */
  readonly guards: Guards = { ifMatch: true, uniqueKey: true };
  /** One entry for each request that touched documents: its fault or its method, and the status that it was answered with. */
  readonly requests: { readonly what: string; readonly status?: number }[] = [];
  readonly #http: http.Server;
  readonly #plain: Handler;
  readonly #containers = new Map<string, StoredContainer>();
  readonly #clients: CosmosClient[] = [];
  readonly #shared = new Map<string, CosmosClient>();

  private constructor(server: http.Server) {
    this.#http = server;
    this.#plain = server.listeners('request')[0] as Handler;
    server.removeAllListeners('request');
    server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
      this.#answer(request, response).catch((error: unknown) => {
        response.statusCode = 500;
        response.end(JSON.stringify({ message: String(error) }));
      });
    });
  }

  /** On any free port, unless one is given. Has the database `test` from the start. */
  static async start(port = 0): Promise<StrictServer> {
    const server = createHttpServer({ keepAlive: true } as http.ServerOptions);
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    const strict = new StrictServer(server);
    await strict.sharedClient(0).databases.create({ id: 'test' });
    const container = await strict.container();
    await selfTest(container);
    await container.delete();
    return strict;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  /** A client of its own, as another process would have. */
  client(options: ClientOptions = {}): CosmosClient {
    const client = new CosmosClient(clientOptions(this.endpoint, options));
    this.#clients.push(client);
    return client;
  }

  /** The same client each time for the same number and options: making one costs more than using it. */
  sharedClient(number: number, options: ClientOptions = {}): CosmosClient {
    const key = `${number}:${options.consistencyLevel ?? ('consistencyLevel' in options ? 'none' : 'default')}`;
    const client = this.#shared.get(key) ?? this.client(options);
    this.#shared.set(key, client);
    return client;
  }

  /** A fresh container for events: as the store needs it, or without its second guard. */
  async container({ hasUniqueKey = true } = {}): Promise<Container> {
    const [database, id] = [this.sharedClient(0).database('test'), `events-${randomUUID()}`];
    if (hasUniqueKey) return createContainer(database, id);
    return (await database.containers.create({ id, partitionKey: { paths: ['/ctx'] } })).container;
  }

  /** What is stored, seen past all faults and replicas. */
  documents({ database, id }: Container): Doc[] {
    const stored = this.#containers.get(`/dbs/${database.id}/colls/${id}`);
    return stored ? stored.docsAt(undefined, stored.lsn) : [];
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.dispose();
    this.#http.closeAllConnections();
    await new Promise((resolve) => this.#http.close(resolve));
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const { pathname } = new URL(request.url!.replace(/^\/+/, '/'), this.endpoint);
    const match = documentPath.exec(pathname);
    if (!match) return this.#forward(request, body, response);
    const container = await this.#container(match[1]!, match[2]!);
    const docId = match[3] && decodeURIComponent(match[3]);
    await this.#answerDocuments(container, { method: request.method!, headers: request.headers, body: body.toString(), docId }, response);
  }

  async #answerDocuments(container: StoredContainer | undefined, request: Request, response: http.ServerResponse): Promise<void> {
    const isQueryPlan = request.headers['x-ms-cosmos-is-query-plan-request'] !== undefined;
    const isWrite = request.method !== 'GET' && request.headers['x-ms-documentdb-isquery'] === undefined;
    const drawn = isQueryPlan ? undefined : this.weather.fault();
    // The SDK itself waits seconds before it repeats a read whose connection broke.
    const fault = drawn === 'dropped' && !isWrite ? undefined : drawn;
    const record: { what: string; status?: number } = { what: fault ?? request.method };
    if (!isQueryPlan) this.requests.push(record);
    const reply = (answer: Answer): void => {
      record.status = answer.status;
      send(response, answer);
    };
    if (fault === 'tooMany') return reply({ status: 429, body: { message: 'Too many requests' }, headers: { 'x-ms-retry-after-ms': '1' } });
    if (fault === 'retryWith') return reply({ status: 449, body: { message: 'Retry with' } });
    if (fault === 'unavailable') return reply({ status: 503, body: { message: 'Service unavailable' } });
    if (fault === 'behindSession' && !isWrite) return reply({ status: 404, body: { message: 'The read session is not available for the input session token.' }, headers: { 'x-ms-substatus': '1002' } });
    if (fault === 'delayed') await new Promise((resolve) => setTimeout(resolve, this.weather.delayMs()));
    if (!container) return reply({ status: 404, body: { message: 'Owner resource does not exist' }, headers: { 'x-ms-substatus': '1003' } });
    const token = /#(\d+)/.exec(String(request.headers['x-ms-session-token'] ?? ''));
    const lsn = this.weather.replicaLsn(container, Number(token?.[1] ?? 0));
    const isCut = this.cutsPages && this.requests.length % 2 === 0;
    const answer = answerDocuments(container, request, lsn, isCut ? 1 : this.mostRows);
    if (fault === 'dropped') {
      response.socket?.destroy();
      return;
    }
    const reached = isWrite ? container.lsn : lsn;
    reply({ ...answer, headers: { 'x-ms-session-token': `0:1#${reached}#1=${reached}`, 'x-ms-content-path': container.rid, ...answer.headers } });
  }

  async #container(database: string, name: string): Promise<StoredContainer | undefined> {
    const path = `/dbs/${database}/colls/${name}`;
    const known = this.#containers.get(path);
    if (known) return known;
    const definition = await this.#definition(path);
    if (definition === undefined) return undefined;
    const made = new StoredContainer(definition, this.guards);
    if (!this.#containers.has(path)) this.#containers.set(path, made);
    return this.#containers.get(path);
  }

  /** Asks the wrapped server for the container, as a client would. */
  async #definition(path: string): Promise<ConstructorParameters<typeof StoredContainer>[0] | undefined> {
    const answer = await fetch(`${this.endpoint}${path}`);
    return answer.ok ? ((await answer.json()) as ConstructorParameters<typeof StoredContainer>[0]) : undefined;
  }

  #forward(request: http.IncomingMessage, body: Buffer, response: http.ServerResponse): void {
    const again = Object.assign(Readable.from(body.length > 0 ? [body] : []), { method: request.method, url: request.url, headers: request.headers });
    if (request.method === 'DELETE') this.#containers.delete(request.url!.replace(/^\/+/, '/').replace(/\/+$/, ''));
    this.#plain(again as unknown as http.IncomingMessage, response);
  }
}

export function clientOptions(endpoint: string, options: ClientOptions = {}): CosmosClientOptions {
  return {
    endpoint,
    key: 'bm90IGEgc2VjcmV0',
    consistencyLevel: 'Session',
    httpClient: planLessClient,
    // The wrapped server advertises itself with https, which it does not speak here.
    connectionPolicy: { enableEndpointDiscovery: false, retryOptions: { maxRetryAttemptCount: 3, fixedRetryIntervalInMilliseconds: 1, maxWaitTimeInSeconds: 1 } },
    ...options,
  } as CosmosClientOptions;
}

function send(response: http.ServerResponse, { status, body, headers = {} }: Answer): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'x-ms-request-charge': '1', ...headers });
  response.end(text);
}
