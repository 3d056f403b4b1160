/* A process that opens a store, asks one query and rests: node idler.mjs RIVAL FOLDER MS; `none` opens nothing. */
import { setTimeout as delay } from 'node:timers/promises';
import { loadRival } from './context.mjs';
import { needleTag } from './dataset.mjs';

const [, , rival = '', folder = '', ms = ''] = process.argv;
const store = rival === 'none' ? undefined : await (await loadRival(rival)).open(folder);
const found = (await store?.query({ items: [{ tags: [needleTag(0)] }] }))?.length ?? 0;
await delay(Number(ms));
const residentBytes = process.memoryUsage.rss();
await store?.close();
process.send?.({ found, residentBytes }, () => process.disconnect?.());
