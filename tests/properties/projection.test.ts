/*
 * Goal: whatever dies when, and however many processes believe to hold the lease, each event is applied exactly once and in order:
 * what is saved is at every moment the plain fold of the events up to its checkpoint.
 * Method: random events, versions and lives of one to three processes over one state store that gives the lease to everybody; each
 * process dies at a random save or removal, before or after it took effect. What is saved is compared with the fold after each life.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { isOpossumError, StorageFailedError } from '../../src/core/errors.js';
import type { EventStore } from '../../src/core/event-store.js';
import type { StateStore } from '../../src/core/state-store.js';
import { openMemoryStore } from '../../src/memory/memory-event-store.js';
import { projection } from '../../src/projecting/definition.js';
import type { Generation, Manifest } from '../../src/projecting/manifest.js';
import { openProjection } from '../../src/projecting/open-projection.js';

vi.mock('../../src/projecting/bounds.js', () => import('../support/small-bounds.js'));

type State = { count: number; trace: number };
type Fact = { keys: string[]; removes: boolean };

const next = (state: State, position: number, version: number): State => ({ count: state.count + 1, trace: (state.trace * 31 + position * version) % 1_000_003 });
const counter = (version: number) =>
  projection({
    name: 'counter',
    version,
    query: { items: [{ types: ['Counted'] }] },
    key: (event) => (event.data as Fact).keys,
    initial: (): State => ({ count: 0, trace: 7 }),
    evolve: (state, event) => ((event.data as Fact).removes ? undefined : next(state, event.position, version)),
    index: (state) => ({ parity: state.count % 2 }),
  });

/** What the projection must hold after the events up to `position`. */
async function folded(store: EventStore, position: number, version: number): Promise<Map<string, State>> {
  const states = new Map<string, State>();
  for await (const event of store.read({ items: [{ types: ['Counted'] }] }, { before: position + 1 })) {
    const { keys, removes } = event.data as Fact;
    for (const key of new Set(keys)) {
      if (removes) states.delete(key);
      else states.set(key, next(states.get(key) ?? { count: 0, trace: 7 }, event.position, version));
    }
  }
  return states;
}

class Died extends Error {}

type Fate = { diesAt: number; failsAt: number; afterEffect: boolean; slow: number };

/** One process's hold of the state: it dies at its n-th change, one change fails, and everybody may have its lease. Some loads are slow. */
function mortal(state: StateStore, { diesAt, failsAt, afterEffect, slow }: Fate): { state: StateStore; isDead: () => boolean } {
  let changes = 0;
  let loads = 0;
  const change = async <T>(work: () => Promise<T>): Promise<T> => {
    if (changes >= diesAt) throw new Died();
    changes++;
    const error = changes === diesAt ? new Died() : changes === failsAt ? new StorageFailedError('the disk is full', 'unknown') : undefined;
    if (error && !afterEffect) throw error;
    const result = await work();
    if (error) throw error;
    return result;
  };
  return {
    isDead: () => changes >= diesAt,
    state: {
      async load(name) {
        for (let turns = ++loads % slow; turns > 0; turns--) await oneTurn();
        if (changes >= diesAt) throw new Died();
        return state.load(name);
      },
      list: (prefix) => state.list(prefix),
      save: (name, value, options) => change(() => state.save(name, value, options)),
      remove: (name, options) => change(() => state.remove(name, options)),
      lease: async () => ({ signal: new AbortController().signal, release: async () => undefined, [Symbol.asyncDispose]: async () => undefined }),
    },
  };
}

/** The same state; what is saved of one generation must never go back. */
function neverBack(state: StateStore): StateStore {
  let last: Manifest | undefined;
  const check = (before: Generation | null | undefined, now: Generation | null): void => {
    if (before && before.id === now?.id) assert(now.checkpoint.position >= before.checkpoint.position, `went back from ${before.checkpoint.position} to ${now.checkpoint.position}`);
  };
  return {
    load: (name) => state.load(name),
    list: (prefix) => state.list(prefix),
    remove: (name, options) => state.remove(name, options),
    lease: (name, options) => state.lease(name, options),
    async save(name, value, options) {
      const version = await state.save(name, value, options);
      if (!name.endsWith('/manifest')) return version;
      const manifest = value as Manifest;
      check(last?.live, manifest.live);
      check(last?.next, manifest.next ?? manifest.live);
      last = manifest;
      return version;
    },
  };
}

const oneTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** Waits some turns of the event loop, more for more milliseconds: who lost a race must be able to let the others go first. */
const shortly = async (ms: number): Promise<void> => {
  for (let left = Math.min(ms, 200); left > 0; left -= 5) await oneTurn();
};

/** Compares what anybody who opens it now would see with the fold up to there. */
async function check(store: EventStore, state: StateStore, version: number): Promise<number> {
  const view = await openProjection(store, counter(version), { state: { ...state }, readOnly: true });
  const { position, servedVersion } = view.status();
  const states = new Map<string, State>();
  for await (const [key, value] of view.entries()) {
    assert(!states.has(key), `${key} twice`);
    states.set(key, value);
  }
  const expected = await folded(store, position, servedVersion);
  assert.deepEqual(states, expected);
  for (const parity of [0, 1]) {
    const found = await view.find('parity', parity);
    assert.deepEqual(found.map(([key]) => key), [...expected].filter(([, { count }]) => count % 2 === parity).map(([key]) => key).sort());
  }
  await view.close();
  return position;
}

const fact: fc.Arbitrary<Fact> = fc.record({ keys: fc.array(fc.integer({ min: 0, max: 25 }).map((n) => `k${n}`), { maxLength: 3 }), removes: fc.integer({ min: 0, max: 9 }).map((n) => n === 0) });
const life = fc.record({
  batches: fc.array(fc.array(fact, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 5 }),
  raises: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
  processes: fc.array(fc.record({ diesAt: fc.integer({ min: 1, max: 40 }), failsAt: fc.integer({ min: 1, max: 40 }), afterEffect: fc.boolean(), slow: fc.integer({ min: 1, max: 5 }) }), { minLength: 1, maxLength: 3 }),
});

describe('a projection', () => {
  test('applies each event exactly once and in order, whatever dies when', { timeout: 60_000 }, async () => {
    const rebuilt = new Set<string>();
    const errors: unknown[] = [];
    const property = fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 5 }), async (lives) => {
      const store = openMemoryStore();
      const state = neverBack(store.state);
      let version = 1;
      let saved = 0;
      for (const { batches, raises, processes } of lives) {
        if (raises) version++;
        const before = version;
        const running = processes.map((fate) => mortal(state, fate));
        const views = await Promise.all(running.map((one) => openProjection(store, counter(version), { state: one.state, sleep: shortly, onRebuild: ({ reason }) => rebuilt.add(reason), onError: (error) => error instanceof Died || isOpossumError(error, 'STORAGE_FAILED') || errors.push(error) })));
        for (const facts of batches) {
          await store.append(facts.map((data) => ({ type: 'Counted', data })));
          await store.append({ type: 'Other', data: null });
          await oneTurn();
        }
        // Until somebody has caught up, or nobody is left.
        const head = await store.head();
        await Promise.race([...views.map((view) => view.waitFor(head).catch(() => undefined)), Promise.all(views.map(async (_, i) => { while (!running[i]!.isDead()) await oneTurn(); }))]);
        await Promise.all(views.map((view) => view.close()));
        const position = await check(store, state, version);
        if (before === version && !raises) assert(position >= saved, `went back from ${saved} to ${position}`);
        saved = position;
      }
      const view = await openProjection(store, counter(version), { state, sleep: shortly });
      await view.ready();
      const [applied, expected] = [new Map<string, State>(), await folded(store, await store.head(), version)];
      for await (const [key, value] of view.entries()) applied.set(key, value);
      assert.deepEqual(applied, expected);
      await view.close();
      await check(store, state, version);
      // Nothing is left over that no manifest names.
      const text = JSON.stringify((await state.load('projections/counter/manifest'))?.value ?? null);
      for (const name of await state.list('projections/counter')) assert(name.endsWith('/manifest') || text.includes(`"${name.split('/')[2]}"`), `${name} is left over`);
      await store.close();
    });
    await fc.assert(property, { numRuns: 50 });
    // Nothing ever looked damaged, and nobody went wrong in another way than by dying or by the failing save.
    expect([...rebuilt]).toEqual(['version']);
    expect(errors).toEqual([]);
  });
});
