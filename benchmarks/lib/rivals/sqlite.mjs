/*
 * The strongest store on better-sqlite3 that we could write: WAL, synchronous=FULL, one JSON text per event (one
 * JSON.parse gives it back), tags in a table without rowid, prepared statements for every shape of query. Ids are not
 * unique here, since that index would cost SQLite more than it costs opossum.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import Database from 'better-sqlite3';
import { ConditionFailed } from '../guards.mjs';

/** @typedef {{ types?: string[], tags?: string[] }} Item */
/** @typedef {{ items: Item[] }} Query */

const schema = `
  CREATE TABLE IF NOT EXISTS events (position INTEGER PRIMARY KEY, type TEXT NOT NULL, body TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS events_by_type ON events (type);
  CREATE TABLE IF NOT EXISTS event_tags (tag TEXT NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (tag, position)) WITHOUT ROWID;
`;

/** @param {string} folder */
export function open(folder) {
  const db = openDatabase(folder);
  const statements = prepareStatements(db);
  const { insertEvent, insertTag, page, lastOfType, head } = statements;

  const insert = (/** @type {any[]} */ events) => {
    let position = 0;
    for (const event of events) {
      const body = JSON.stringify({ type: event.type, tags: event.tags, data: event.data, id: randomUUID(), metadata: event.metadata, timestamp: new Date().toISOString() });
      position = Number(insertEvent.run(event.type, body).lastInsertRowid);
      for (const tag of event.tags) insertTag.run(tag, position);
    }
    return position;
  };

  const appendOne = (/** @type {any[]} */ events, /** @type {{ failIfEventsMatch: Query, after: number } | undefined} */ condition) => {
    if (condition && statements.conflict(condition.failIfEventsMatch, condition.after)) throw new ConditionFailed('append condition failed');
    return insert(events);
  };
  const append = db.transaction(appendOne).immediate;
  const appendGroup = db.transaction((/** @type {{ event: any, condition: any }[]} */ calls) =>
    calls.map(({ event, condition }) => appendOne([event], condition)),
  ).immediate;

  const query = (/** @type {Query} */ wanted) => statements.matching(wanted).map(decode);
  const readForDecision = db.transaction((/** @type {Query} */ wanted) => {
    const upTo = /** @type {number} */ (head.get());
    return { events: query(wanted), head: upTo };
  });

  return {
    append: (/** @type {any} */ events, /** @type {any} */ condition) => append(Array.isArray(events) ? events : [events], condition),
    appendGroup,
    query,
    last: (/** @type {string} */ type) => {
      const row = lastOfType.get(type);
      return row && decode(/** @type {[number, string]} */ (row));
    },
    readForDecision: (/** @type {Query} */ wanted) => readForDecision.deferred(wanted),
    /** Pages are faster than `iterate()`. @param {(event: any) => void} visit */
    scan(visit) {
      for (let after = 0; ; ) {
        const rows = /** @type {[number, string][]} */ (page.all(after, 1000));
        for (const row of rows) visit(decode(row));
        const last = rows.at(-1);
        if (!last) return;
        after = last[0];
      }
    },
    /** Polls every millisecond: SQLite tells nobody in another process. @param {(event: any) => boolean} visit @param {() => void} onCaughtUp */
    async follow(visit, onCaughtUp) {
      let caughtUp = false;
      for (let after = 0; ; ) {
        const rows = /** @type {[number, string][]} */ (page.all(after, 1000));
        for (const row of rows) {
          after = row[0];
          if (!visit(decode(row))) return;
        }
        if (rows.length > 0) continue;
        if (!caughtUp) onCaughtUp();
        caughtUp = true;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    head: () => /** @type {number} */ (head.get()) ?? 0,
    close: () => void db.close(),
  };
}

/** @param {string} folder */
function openDatabase(folder) {
  mkdirSync(folder, { recursive: true });
  const db = new Database(path.join(folder, 'events.db'), { timeout: 10_000 });
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.pragma('wal_autocheckpoint = 4000');
  db.pragma('cache_size = -64000');
  db.pragma('mmap_size = 1073741824');
  db.exec(schema);
  return db;
}

/** @param {import('better-sqlite3').Database} db */
function prepareStatements(db) {
  /** @type {Map<string, import('better-sqlite3').Statement>} */
  const prepared = new Map();
  const cached = (/** @type {string} */ kind, /** @type {Query} */ { items }, /** @type {(items: Item[]) => string} */ sql) => {
    let key = kind;
    for (const { types, tags } of items) key += `|${types?.length ?? 0}:${tags?.length ?? 0}`;
    let statement = prepared.get(key);
    if (!statement) prepared.set(key, (statement = db.prepare(sql(items)).raw()));
    return statement;
  };
  return {
    insertEvent: db.prepare('INSERT INTO events (type, body) VALUES (?, ?)'),
    insertTag: db.prepare('INSERT INTO event_tags (tag, position) VALUES (?, ?)'),
    page: db.prepare('SELECT position, body FROM events WHERE position > ? ORDER BY position LIMIT ?').raw(),
    lastOfType: db.prepare('SELECT position, body FROM events WHERE type = ? ORDER BY position DESC LIMIT 1').raw(),
    head: db.prepare('SELECT max(position) FROM events').pluck(),
    matching: (/** @type {Query} */ query) =>
      /** @type {[number, string][]} */ (cached('read', query, readSql).all(...query.items.flatMap((item) => [...(item.tags ?? []), ...(item.types ?? [])]))),
    conflict: (/** @type {Query} */ query, /** @type {number} */ after) =>
      cached('conflict', query, conflictSql).get(...query.items.flatMap((item) => [...(item.tags ?? []), ...(item.types ?? []), after])) !== undefined,
  };
}

/** @param {Item[]} items */
function readSql(items) {
  const [only] = items;
  if (items.length === 1 && only) return `SELECT e.position, e.body FROM ${source(only, true)} ORDER BY ${positionOf(only)}`;
  const positions = items.map((item) => `SELECT ${positionOf(item)} FROM ${source(item)}`).join(' UNION ');
  return `SELECT position, body FROM events WHERE position IN (${positions}) ORDER BY position`;
}

/** @param {Item[]} items */
function conflictSql(items) {
  return items.map((item) => `SELECT * FROM (SELECT ${positionOf(item)} FROM ${source(item)} AND ${positionOf(item)} > ? LIMIT 1)`).join(' UNION ALL ') + ' LIMIT 1';
}

const positionOf = (/** @type {Item} */ { tags }) => (tags ? 't0.position' : 'e.position');

/** FROM and WHERE of an item; `t0` is its first tag, `e` the event where it is needed. @param {Item} item */
function source({ tags, types }, withEvent = types !== undefined) {
  const joins = (tags ?? []).map((_, i) => (i === 0 ? 'event_tags t0' : `CROSS JOIN event_tags t${i} ON t${i}.position = t0.position`));
  if (withEvent || !tags) joins.push(tags ? 'CROSS JOIN events e ON e.position = t0.position' : 'events e');
  const where = (tags ?? []).map((_, i) => `t${i}.tag = ?`);
  if (types) where.push(types.length === 1 ? 'e.type = ?' : `e.type IN (${types.map(() => '?').join(', ')})`);
  return `${joins.join(' ')} WHERE ${where.join(' AND ')}`;
}

/** @param {[number, string]} row */
function decode([position, body]) {
  const event = JSON.parse(body);
  event.position = position;
  return event;
}
