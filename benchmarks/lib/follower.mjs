/* Follows a store in its own process: node follower.mjs RIVAL FOLDER COUNT; sends when it saw what, and the CPU it took. */
import { loadRival } from './context.mjs';

const [, , rival = '', folder = '', count = ''] = process.argv;
const { open } = await loadRival(rival);
const store = await open(folder);
/** @type {string[]} */
const seenAt = [];
let start = 0;
let cpuBefore = process.cpuUsage();
await store.follow(
  () => {
    seenAt.push(String(process.hrtime.bigint()));
    return seenAt.length < Number(count);
  },
  () => {
    start = performance.now();
    cpuBefore = process.cpuUsage();
    process.send?.('caught up');
  },
);
const { user, system } = process.cpuUsage(cpuBefore);
const cpuShare = (user + system) / 1000 / (performance.now() - start);
await store.close();
process.send?.({ seenAt, cpuShare }, () => process.disconnect?.());
