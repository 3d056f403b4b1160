/*
 * The NestJS service of docs/examples/nestjs, compiled as its users compile it (decorators and their metadata are no part of our
 * own configuration) and run without HTTP: a request is a context id with a request object, as Nest makes one for each.
 */
import { ContextIdFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { EventStore } from '../../src/index.js';
import { clientOptions, StrictServer } from '../support/cosmos/strict-server.js';
import { fastFolder } from '../support/folder.js';

/** What the tests use of the compiled modules: our own compiler settings could not read their sources. */
type Class<Instance> = new (...args: never[]) => Instance;
type Controller = { define(courseId: string, seats: number): Promise<void>; enrol(courseId: string, studentId: string): Promise<void> };
type Example = {
  AppModule: Class<object>;
  CoursesController: Class<Controller>;
  EVENT_STORE: symbol;
  EVENT_STORE_OPTIONS: symbol;
  Mailer: Class<object>;
  eventStoreOptions: (env: Record<string, string | undefined>) => object;
};

const root = path.resolve(import.meta.dirname, '../..');
let example: Example;
let server: StrictServer;

beforeAll(async () => {
  // Inside the package, so that 'opossum-store' means the package itself; one for each run, as two may run at once.
  const folder = fs.mkdtempSync(path.join(root, 'tests/.snippets-nestjs-'));
  try {
    execFileSync(process.execPath, [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', path.join(root, 'docs/examples/nestjs'), '--outDir', folder], { encoding: 'utf8' });
  } catch (error) {
    throw new Error(`The example does not compile:\n${(error as { stdout: string }).stdout}`);
  }
  const modules = ['app.module', 'courses.controller', 'event-store.module', 'event-store.options', 'welcome-mails'];
  example = Object.assign({}, ...(await Promise.all(modules.map((name) => import(pathToFileURL(path.join(folder, `${name}.js`)).href)))));
  server = await StrictServer.start();
  return async () => {
    await server.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  };
});

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** The whole application, with a configuration and a mailer of the test. */
async function start(options: object, deliver: () => Promise<void> = async () => undefined) {
  const mails: string[] = [];
  const send = async (to: string, text: string): Promise<void> => {
    mails.push(`${to}: ${text}`);
    await deliver();
  };
  const app = await Test.createTestingModule({ imports: [example.AppModule] })
    .overrideProvider(example.EVENT_STORE_OPTIONS)
    .useValue(options)
    .overrideProvider(example.Mailer)
    .useValue({ send })
    .compile();
  await app.init();
  closing.push(() => app.close());
  const request = async (headers: Record<string, string> = {}): Promise<Controller> => {
    const contextId = ContextIdFactory.create();
    app.registerRequestByContextId({ headers }, contextId);
    return app.resolve(example.CoursesController, contextId);
  };
  return { store: app.get<EventStore>(example.EVENT_STORE), mails, request, close: () => app.close() };
}

const correlations = async (store: EventStore): Promise<unknown[]> => (await store.read().toArray()).map(({ metadata }) => metadata['correlationId']);

describe.each([
  ['at the desk, on files', () => ({ kind: 'files', directory: fastFolder() })],
  ['in production, on Cosmos DB', () => ({ kind: 'cosmos', client: clientOptions(server.endpoint), database: 'test' })],
])('%s', (_, makeOptions) => {
  test('requests decide, each with its correlation; events are followed up; a restart goes on where it was', async () => {
    const options = makeOptions();
    const first = await start(options);
    const { store, mails } = first;
    await (await first.request({ 'x-correlation-id': 'request-1' })).define('c1', 2);
    const second = await first.request({ 'x-correlation-id': 'request-2' });
    await second.enrol('c1', 'ada');
    await second.enrol('c1', 'ben');
    await expect((await first.request()).enrol('c1', 'cleo')).rejects.toMatchObject({ status: 409, message: 'course is full' });
    await expect((await first.request()).define('c1', 9)).rejects.toMatchObject({ status: 409, message: 'course exists already' });
    expect(await correlations(store)).toEqual(['request-1', 'request-2', 'request-2']);
    await vi.waitFor(() => expect(mails).toEqual(['ada: Welcome to c1', 'ben: Welcome to c1']), { timeout: 10_000, interval: 5 });

    await first.close();
    await expect(store.head()).rejects.toMatchObject({ code: 'STORE_CLOSED' });

    const again = await start(options);
    await (await again.request()).define('c2', 1);
    await (await again.request()).enrol('c2', 'cleo');
    await vi.waitFor(() => expect(again.mails).toEqual(['cleo: Welcome to c2']), { timeout: 10_000, interval: 5 });
    expect(await again.store.head()).toBe(5);
  });
});

describe('shutting down', () => {
  test('lets the mail in hand be sent, and it is not sent again', async () => {
    const options = { kind: 'files', directory: fastFolder() };
    let deliver = (): void => undefined;
    const first = await start(options, () => new Promise((resolve) => (deliver = resolve)));
    await (await first.request()).define('c1', 2);
    await (await first.request()).enrol('c1', 'ada');
    await vi.waitFor(() => expect(first.mails).toHaveLength(1), { timeout: 10_000, interval: 5 });
    const closed = first.close();
    await Promise.race([closed.then(() => expect.fail('closed too early')), new Promise(setImmediate)]);
    deliver();
    await closed;

    const again = await start(options);
    await (await again.request()).enrol('c1', 'ben');
    await vi.waitFor(() => expect(again.mails).toContain('ben: Welcome to c1'), { timeout: 10_000, interval: 5 });
    expect(again.mails).toEqual(['ben: Welcome to c1']);
  });
});

describe('correlation', () => {
  test('is made up where the caller gave none, or something that is no id', async () => {
    const { store, request } = await start({ kind: 'files', directory: fastFolder() });
    for (const [i, headers] of [{}, { 'x-correlation-id': 'x'.repeat(101) }, { 'x-correlation-id': 'not an id' }].entries()) await (await request(headers)).define(`c${i}`, 1);
    const found = await correlations(store);
    expect(new Set(found).size).toBe(3);
    for (const one of found) expect(one).toMatch(/^[\da-f]{8}-[\da-f-]{27}$/);
  });

  test('of one request does not leak into another that runs at the same time', async () => {
    const { store, request } = await start({ kind: 'files', directory: fastFolder() });
    const ids = Array.from({ length: 10 }, (_, i) => `r${i}`);
    await Promise.all(ids.map(async (id) => (await request({ 'x-correlation-id': id })).define(id, 1)));
    for (const event of await store.read().toArray()) expect(event.tags).toEqual([`course:${String(event.metadata['correlationId'])}`]);
    expect(await store.head()).toBe(10);
  });
});

describe('configuration', () => {
  const cosmos = { EVENT_STORE: 'cosmos', COSMOS_ENDPOINT: 'https://a', COSMOS_KEY: 'k', COSMOS_DATABASE: 'app' };

  test('chooses the store', () => {
    expect(example.eventStoreOptions({ EVENT_STORE: 'files', EVENT_STORE_DIRECTORY: './data' })).toEqual({ kind: 'files', directory: './data' });
    expect(example.eventStoreOptions(cosmos)).toEqual({ kind: 'cosmos', client: { endpoint: 'https://a', key: 'k' }, database: 'app' });
  });

  test.each([
    [{}, 'EVENT_STORE is missing'],
    [{ EVENT_STORE: 'memory' }, 'it must be "files" or "cosmos"'],
    [{ EVENT_STORE: 'files' }, 'EVENT_STORE_DIRECTORY is missing'],
    [{ ...cosmos, COSMOS_KEY: '' }, 'COSMOS_KEY is missing'],
  ])('is refused when something is missing or unknown (%#)', (env, message) => {
    expect(() => example.eventStoreOptions(env)).toThrow(message);
  });
});
