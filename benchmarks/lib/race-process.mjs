/* One of several processes that race for seats: node race-process.mjs RIVAL FOLDER STUDENT…; each message is a course, or `end`. */
import { loadRival } from './context.mjs';
import { race } from './race.mjs';

const [, , rival = '', folder = '', ...students] = process.argv;
const store = await (await loadRival(rival)).open(folder);
process.on('message', async (course) => {
  if (course !== 'end') return void process.send?.(await race(store, String(course), students));
  await store.close();
  process.disconnect?.();
});
process.send?.('ready');
