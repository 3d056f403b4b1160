/*
 * goal: a lease is kept by a holder that renews it, and free for others when its holder no longer does; the holder is told in time.
 * method: each process has a store of its own, with a clock and waits of one virtual time.
 */
import type { Container } from '@azure/cosmos';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createStateContainer, openCosmosStore } from '../../src/cosmos/index.js';
import { consume, type EventStore } from '../../src/index.js';
import { StrictServer } from '../support/cosmos/strict-server.js';
import { Timeline, type TimedProcess } from '../support/cosmos/timeline.js';
import { Weather } from '../support/cosmos/weather.js';

const leaseMs = 3000;
/** How long one who waits may take to look again. */
const lookMs = 500;
/** Beyond all time of these tests: what waits so long is woken by its own store only. */
const never = 2 ** 31 - 1;

let server: StrictServer;
let time: Timeline;
let containers: { container: Container; stateContainer: Container };
const ending: (() => Promise<unknown>)[] = [];
beforeAll(async () => {
  server = await StrictServer.start();
});
afterEach(async () => {
  server.weather = new Weather();
  for (const end of ending.splice(0).reverse()) await end();
});
afterAll(() => server.stop());

/** A process of its own, on containers that all of a test share. */
async function start(isFirst: boolean): Promise<{ process: TimedProcess; store: EventStore }> {
  if (isFirst) {
    time = new Timeline();
    const container = await server.container();
    containers = { container, stateContainer: await createStateContainer(container.database, `${container.id}-state`) };
  }
  const process = time.process();
  const { now, sleep } = process;
  const store = await openCosmosStore({ ...containers, now, sleep, random: () => 0.9, leaseMs, poll: { minMs: never, maxMs: never } });
  ending.push(() => store.close());
  return { process, store };
}

describe('a lease', () => {
  test('is kept for as long as its holder renews it, and taken over when it no longer does', async () => {
    const [holder, other] = [await start(true), await start(false)];
    const held = await holder.store.state.lease('a');
    let taken = false;
    const waiting = other.store.state.lease('a').then((lease) => ((taken = true), lease));
    while (other.process.sleepers.size === 0) await new Promise(setImmediate);
    await time.pass(4 * leaseMs, () => held.signal.aborted || taken);
    expect([held.signal.aborted, taken]).toEqual([false, false]);

    holder.process.isStopped = true;
    await time.pass(leaseMs - 1);
    expect(taken).toBe(false);
    await time.pass(1 + lookMs);
    expect(taken).toBe(true);
    const lease = await waiting;
    // It is renewed, too.
    await time.pass(2 * leaseMs);
    expect(lease.signal.aborted).toBe(false);

    // The first one cannot know before it goes on.
    expect(held.signal.aborted).toBe(false);
    holder.process.isStopped = false;
    await time.pass(0, () => held.signal.aborted);
    expect(held.signal.aborted).toBe(true);
    await held.release();
    await expect(holder.store.state.lease('a', { timeoutMs: 0 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
  });

  test('is lost to a holder whose renewals get no answer when its time is over, and not before', async () => {
    const { store } = await start(true);
    const held = await store.state.lease('a');
    await time.pass(leaseMs, () => held.signal.aborted);
    // The last renewal that worked was at this moment.
    server.weather = new Weather({ faults: { seed: 1, unavailable: 1 } });
    await time.pass(leaseMs - 1);
    expect(held.signal.aborted).toBe(false);
    await time.pass(1, () => held.signal.aborted);
    expect(held.signal.aborted).toBe(true);
  });
});

test('a consumer whose process died is taken over where it saved last, and not while it lives', async () => {
  const [first, second] = [await start(true), await start(false)];
  const handled: string[] = [];
  const run = ({ store }: { store: EventStore }, name: string) => {
    const consumer = consume(store, { name: 'mailer', query: 'all', handle: ({ position }) => void handled.push(`${name} ${position}`) });
    ending.push(() => consumer.stop());
    return consumer;
  };
  const dying = run(first, 'first');
  await first.store.append([{ type: 'A', data: null }, { type: 'A', data: null }]);
  await dying.waitFor(2);
  await expect.poll(async () => (await first.store.state.list()).length).toBeGreaterThan(0);
  const heir = run(second, 'second');
  while (second.process.sleepers.size === 0) await new Promise(setImmediate);
  await time.pass(4 * leaseMs);
  expect(heir.status().state).toBe('waiting');

  first.process.isStopped = true;
  await second.store.append({ type: 'A', data: null });
  await time.pass(leaseMs + lookMs);
  expect(second.process.sleepers.size).toBeGreaterThan(1);
  await heir.waitFor(3);
  expect(handled).toEqual(['first 1', 'first 2', 'second 3']);
});
