/*
 * The approach that this project began with (Opossum for .NET), made again in JavaScript: one JSON file per event, an index
 * file per type and per tag that is read, changed and written anew for each event, and a ledger file with the last position.
 * Each file is written under a temporary name, flushed, renamed; event files are made read-only. One append at a time;
 * its lock between processes is left out, so it is measured in one process only. What it writes per append grows with the
 * store, so it is measured on small ones.
 */
import { randomUUID } from 'node:crypto';
import { access, chmod, mkdir, open as openFile, readFile, rename, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { ConditionFailed } from '../guards.mjs';

/** @typedef {{ types?: string[], tags?: string[] }} Item */
/** @typedef {{ items: Item[] }} Query */

/** @param {string} folder */
export async function open(folder) {
  const eventsFolder = path.join(folder, 'events');
  const ledgerFile = path.join(folder, '.ledger');
  await mkdir(eventsFolder, { recursive: true });
  for (const kind of ['EventType', 'Tags']) await mkdir(path.join(folder, 'Indices', kind), { recursive: true });
  const typeFile = (/** @type {string} */ type) => path.join(folder, 'Indices', 'EventType', `${safeName(type)}.json`);
  const tagFile = (/** @type {string} */ tag) => path.join(folder, 'Indices', 'Tags', `${tag.split(':').map(safeName).join('_')}.json`);
  const eventFile = (/** @type {number} */ position) => path.join(eventsFolder, `${String(position).padStart(10, '0')}.json`);

  const head = async () => /** @type {number} */ ((await readJson(ledgerFile))?.LastSequencePosition ?? 0);
  const readEvent = async (/** @type {number} */ position) => JSON.parse(await readFile(eventFile(position), 'utf8'));

  /** @param {Item} item */
  const positionsOfItem = async ({ types, tags }) => {
    const byType = types && new Set((await Promise.all(types.map((type) => readPositions(typeFile(type))))).flat());
    const [first = [], ...others] = await Promise.all((tags ?? []).map((tag) => readPositions(tagFile(tag))));
    const sets = others.map((list) => new Set(list));
    if (!tags) return [...(byType ?? [])];
    return first.filter((position) => (byType?.has(position) ?? true) && sets.every((set) => set.has(position)));
  };
  const positionsOf = async (/** @type {Query} */ { items }, after = 0) => {
    const lists = await Promise.all(items.map(positionsOfItem));
    return [...new Set(lists.flat())].filter((position) => position > after).sort((a, b) => a - b);
  };
  const query = async (/** @type {Query} */ wanted) => readSome(await positionsOf(wanted), readEvent);

  /** @param {any[]} added @param {{ failIfEventsMatch: Query, after: number } | undefined} condition */
  const appendAll = async (added, condition) => {
    if (condition && (await positionsOf(condition.failIfEventsMatch, condition.after)).length > 0) throw new ConditionFailed('append condition failed');
    const last = await head();
    const events = added.map(({ type, tags, data, metadata }, i) => ({ position: last + 1 + i, type, tags, data, id: randomUUID(), metadata, timestamp: new Date().toISOString() }));
    for (const event of events) await writeEvent(eventFile(event.position), event);
    for (const { position, type, tags } of events) for (const file of [typeFile(type), ...tags.map(tagFile)]) await addPosition(file, position);
    await replaceFile(ledgerFile, { LastSequencePosition: last + events.length, EventCount: last + events.length });
    return last + events.length;
  };
  /** @type {Promise<unknown>} */
  let turn = Promise.resolve();

  return {
    append: (/** @type {any} */ added, /** @type {any} */ condition) => {
      const appended = turn.then(() => appendAll(Array.isArray(added) ? added : [added], condition));
      turn = appended.catch(() => {});
      return appended;
    },
    query,
    last: async (/** @type {string} */ type) => {
      const position = (await positionsOf({ items: [{ types: [type] }] })).at(-1);
      return position === undefined ? undefined : readEvent(position);
    },
    readForDecision: async (/** @type {Query} */ wanted) => {
      const upTo = await head();
      return { events: await query(wanted), head: upTo };
    },
    scan: async (/** @type {(event: any) => void} */ visit) => {
      const positions = Array.from({ length: await head() }, (_, i) => i + 1);
      for (const event of await readSome(positions, readEvent)) visit(event);
    },
    head,
    close: async () => void (await turn),
  };
}

/** Fewer than ten one after another, more by twice as many at once as there are cores. @template T @param {number[]} positions @param {(position: number) => Promise<T>} read */
async function readSome(positions, read) {
  /** @type {T[]} */
  const events = new Array(positions.length);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < positions.length; i = next++) events[i] = await read(positions[i] ?? 0);
  };
  await Promise.all(Array.from({ length: positions.length < 10 ? 1 : os.availableParallelism() * 2 }, worker));
  return events;
}

/** @param {string} file @param {unknown} event */
async function writeEvent(file, event) {
  if (await exists(file)) return;
  await replaceFile(file, event);
  await chmod(file, 0o444);
}

/** @param {string} file @param {number} position */
async function addPosition(file, position) {
  const positions = await readPositions(file);
  if (!positions.includes(position)) positions.push(position);
  positions.sort((a, b) => a - b);
  await replaceFile(file, { Positions: positions });
}

/** @param {string} file @returns {Promise<number[]>} */
const readPositions = async (file) => (await readJson(file))?.Positions ?? [];

/** @param {string} file */
async function readJson(file) {
  return (await exists(file)) ? JSON.parse(await readFile(file, 'utf8')) : undefined;
}

/** @param {string} file */
const exists = (file) =>
  access(file).then(
    () => true,
    () => false,
  );

/** @param {string} file @param {unknown} content */
async function replaceFile(file, content) {
  const temporary = `${file}.tmp.${randomUUID()}`;
  await writeFile(temporary, JSON.stringify(content, null, 2));
  const handle = await openFile(temporary, 'r+');
  await handle.sync();
  await handle.close();
  await rename(temporary, file);
}

/** @param {string} text */
const safeName = (text) => text.replace(/[/\0]/g, '_');
