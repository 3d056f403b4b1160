/* A fresh process that opens a store, asks one query and ends: node opener.mjs RIVAL FOLDER; `none` opens nothing. */
const [, , rival = '', folder = ''] = process.argv;
const start = performance.now();
let loaded = start;
let answered = start;
let found = 0;

if (rival !== 'none') {
  const { open } = await import(`./rivals/${rival}.mjs`);
  loaded = performance.now();
  const store = await open(folder);
  found = (await store.query({ items: [{ tags: ['course:needle-0'] }] })).length;
  answered = performance.now();
  await store.close();
}
process.send?.({ loadMs: loaded - start, openMs: answered - loaded, found }, () => process.disconnect?.());
