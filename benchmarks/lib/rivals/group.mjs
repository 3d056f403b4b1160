/*
 * A synchronous rival with what it lacks for many appends in flight: a worker thread that takes everything that waits into
 * one transaction, so that one sync serves many appends. Each append still has its own condition.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

/** @typedef {{ event: any, condition: any, resolve: (position: number) => void, reject: (error: unknown) => void }} Call */

/** @param {string} rival a name in this folder, of one that has `appendGroup` @param {string} folder */
export async function openGroup(rival, folder) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { rival, folder } });
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  /** @type {Call[]} */
  let waiting = [];
  /** @type {Call[]} */
  let running = [];

  const next = () => {
    if (running.length > 0 || waiting.length === 0) return;
    [running, waiting] = [waiting, []];
    worker.postMessage(running.map(({ event, condition }) => ({ event, condition })));
  };
  worker.on('message', (positions) => {
    const done = running;
    running = [];
    done.forEach((call, i) => call.resolve(positions[i]));
    // After those that were just answered had their turn to append again.
    setImmediate(next);
  });
  worker.on('error', (error) => running.forEach((call) => call.reject(error)));

  return {
    append: (/** @type {any} */ event, /** @type {any} */ condition) =>
      /** @type {Promise<number>} */ (
        new Promise((resolve, reject) => {
          waiting.push({ event, condition, resolve, reject });
          if (waiting.length === 1) queueMicrotask(next);
        })
      ),
    async close() {
      const ended = new Promise((resolve) => worker.once('exit', resolve));
      worker.postMessage('close');
      await ended;
    },
  };
}

if (!isMainThread && parentPort) {
  const port = parentPort;
  const { open } = await import(`./${workerData.rival}.mjs`);
  const store = await open(workerData.folder);
  port.on('message', async (message) => {
    if (message !== 'close') return port.postMessage(store.appendGroup(message));
    await store.close();
    port.close();
  });
  port.postMessage('ready');
}
