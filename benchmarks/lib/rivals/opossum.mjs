import { openStore } from '../../../dist/index.js';

/** @typedef {import('../../../dist/index.js').Query} Query */

/** `durability: 'commit'`, event files as JSON: the defaults, spelled out. @param {string} folder */
export const open = (folder) => openOpossum(folder, 'json');

/** @param {string} folder @param {'json' | 'none'} eventFiles */
export async function openOpossum(folder, eventFiles) {
  const store = await openStore({ directory: folder, durability: 'commit', eventFiles });
  return {
    /** @param {any} events @param {import('../../../dist/index.js').AppendCondition} [condition] */
    append: (events, condition) => store.append(events, condition).then(({ last }) => last),
    /** @param {Query} query */
    query: (query) => store.read(query).toArray(),
    /** @param {string} type */
    last: (type) => store.read({ items: [{ types: [type] }] }, { backwards: true, limit: 1 }).first(),
    /** What a decision needs: the events, and the position up to which they are all. @param {Query} query */
    async readForDecision(query) {
      const stream = store.read(query);
      const events = await stream.toArray();
      return { events, head: await stream.head() };
    },
    /** @param {(event: any) => void} visit */
    async scan(visit) {
      for await (const event of store.read('all')) visit(event);
    },
    /** Calls `visit` with each event from the first on, also those that come later, until it returns false. @param {(event: any) => boolean} visit @param {() => void} onCaughtUp */
    async follow(visit, onCaughtUp) {
      for await (const event of store.subscribe('all', { onCaughtUp })) if (!visit(event)) return;
    },
    head: () => store.head(),
    close: () => store.close(),
  };
}
