/* A fresh process that opens a store, asks one query and ends: node opener.mjs RIVAL FOLDER. */
const [, , rival = '', folder = ''] = process.argv;
const start = performance.now();
const { open } = await import(`./rivals/${rival}.mjs`);
const loaded = performance.now();
const store = await open(folder);
const found = (await store.query({ items: [{ tags: ['course:needle-0'] }] })).length;
const answered = performance.now();
await store.close();
process.send?.({ loadMs: loaded - start, openMs: answered - loaded, found }, () => process.disconnect?.());
