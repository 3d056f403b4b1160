/*
 * Goal: however the steps of those who pass a lock on, accept it, revoke it and stop waiting for it follow each other, and
 * whoever dies in between, no two hold it, and it is had by somebody who waits.
 * Method: processes on one folder that make one disk operation at a time, in an order that the test chooses.
 */
import fs from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/disk/clock.js';
import { nodeDisk } from '../../src/disk/node-disk.js';
import { systemRandom } from '../../src/disk/random.js';
import { openFileLock } from '../../src/locking/file-lock.js';
import type { ContextLock, LockHold } from '../../src/locking/lock.js';
import { freshFolder } from '../support/folder.js';
import { Interleaving } from '../support/interleaving.js';

const longMs = 1e6;

// What is loaded with the first lock takes time that is not virtual.
beforeAll(async () => {
  await (await openFileLock(freshFolder(), { disk: nodeDisk, clock: systemClock, random: systemRandom }).acquire(0)).release();
});

class Scene {
  readonly steps = new Interleaving();
  readonly directory = freshFolder();
  readonly locks = new Map<string, ContextLock>();
  readonly holds = new Map<string, LockHold>();
  readonly ended = new Set<string>();
  readonly abort = new AbortController();
  /** Who held the lock at once. */
  readonly together: string[] = [];
  /** In which order the lock was had. */
  readonly order: string[] = [];

  lock(name: string, host?: string): ContextLock {
    const lock = this.locks.get(name) ?? this.steps.lockOf(name, this.directory, host);
    this.locks.set(name, lock);
    return lock;
  }

  /** Begins to ask for the lock, for good or until `signal`. */
  ask(name: string, signal?: AbortSignal): void {
    void this.lock(name).acquire(longMs, signal).then(
      (hold) => {
        this.holds.set(name, hold);
        this.order.push(name);
        const holders = [...this.holds.keys()].filter((one) => !this.steps.isDead(one));
        if (holders.length > 1) this.together.push(holders.join(' and '));
      },
      () => this.ended.add(name),
    );
  }

  release(name: string): void {
    const hold = this.holds.get(name);
    this.holds.delete(name);
    void hold?.release().then(() => this.ended.add(name));
  }

  kill(name: string): void {
    this.steps.kill(name);
  }

  /** The first holds the lock, and the others wait for it. */
  async begin(holder: string, ...waiting: string[]): Promise<this> {
    this.ask(holder);
    await this.steps.run(holder);
    for (const name of waiting) {
      this.ask(name);
      await this.steps.run(name);
    }
    expect(this.order).toEqual([holder]);
    return this;
  }

  async finish(names: readonly string[], withinMs: number): Promise<void> {
    const startMs = this.steps.nowMs;
    const served = (): boolean => {
      for (const name of names) if (this.holds.has(name)) this.release(name);
      return names.every((name) => this.ended.has(name));
    };
    await this.steps.runAll(served, startMs + withinMs);
    expect(this.together).toEqual([]);
    expect(names.filter((name) => !this.ended.has(name)), `are not served within ${withinMs} ms; ${fs.readdirSync(this.directory).join(' ')}`).toEqual([]);
  }

  /** What the lock left in the folder once all have closed it. */
  async left(names: readonly string[]): Promise<string[]> {
    const settled = Promise.all(names.map((name) => this.lock(name).settle?.()));
    let isDone = false;
    void settled.then(() => (isDone = true));
    await this.steps.runAll(() => isDone, Infinity);
    await settled;
    return fs.readdirSync(this.directory);
  }
}

/** How many operations `name` makes once `act` was done, by a scene of its own. */
async function lengthOf(scene: Scene, name: string, act: () => void): Promise<number> {
  act();
  return scene.steps.run(name);
}

/** The first of these is 0. */
const upTo = (count: number): number[] => Array.from({ length: count + 1 }, (_, i) => i);

describe('however the steps follow each other, no two hold the lock and all are served', () => {
  test('one passes it on while the one whose turn it is stops waiting, and a third waits', async () => {
    const sample = await new Scene().begin('giver', 'fickle', 'third');
    const length = await lengthOf(sample, 'giver', () => sample.release('giver'));
    expect(length).toBeGreaterThan(4);
    for (const given of upTo(length)) {
      for (const left of upTo(12)) {
        const scene = new Scene();
        scene.lock('fickle');
        await scene.begin('giver');
        for (const name of ['fickle', 'third']) {
          scene.ask(name, name === 'fickle' ? scene.abort.signal : undefined);
          await scene.steps.run(name);
        }
        scene.release('giver');
        await scene.steps.run('giver', given);
        scene.abort.abort(new Error('enough'));
        await scene.steps.run('fickle', left);
        await scene.steps.run('giver');
        await scene.steps.run('third', 3);
        await scene.steps.run('fickle');
        if (scene.holds.has('fickle')) scene.release('fickle');
        await scene.finish(['giver', 'fickle', 'third'], 300);
        expect(await scene.left(['giver', 'fickle', 'third'])).toEqual([]);
      }
    }
  }, 60_000);

  test('one accepts an offer that another one revokes', async () => {
    for (const accepted of upTo(8)) {
      for (const revoked of upTo(14)) {
        const scene = await new Scene().begin('giver', 'slow', 'third');
        // Whose turn it is depends on the names of the seats.
        scene.release('giver');
        await scene.steps.run('giver');
        const [slow, third] = (await scene.steps.next('slow')) || offered(scene.directory) === 'slow' ? ['slow', 'third'] : ['third', 'slow'];
        scene.steps.pass(scene.steps.nowMs, slow);
        await scene.steps.run(slow!, accepted);
        const operations = await revoke(scene, third!, revoked);
        await scene.steps.run(slow!);
        await scene.steps.run(third!, operations);
        await scene.finish(['giver', 'slow', 'third'], 400);
        expect(await scene.left(['giver', 'slow', 'third'])).toEqual([]);
      }
    }
  }, 60_000);
});

/** Whom the owner file names. */
const offered = (directory: string): string => (JSON.parse(fs.readFileSync(`${directory}/ledger.lock.owner`, 'utf8')) as { bootId: string }).bootId;

/** Lets this one look until it revokes what was offered, and do that many operations of it. */
async function revoke(scene: Scene, name: string, count: number): Promise<number> {
  const endMs = scene.steps.nowMs + 200;
  for (;;) {
    const next = await scene.steps.next(name);
    if (next?.startsWith('createFile ledger.lock.revoked')) break;
    if (next === undefined ? !scene.steps.pass(endMs, name) : (await scene.steps.run(name, 1)) === 0) return 0;
  }
  return scene.steps.run(name, count);
}

describe('whoever dies at any step of a hand-over, it is had soon after', () => {
  /** Longer than any waiter sleeps between two looks. */
  const soonMs = 60;

  test('the one that passes it on', async () => {
    const sample = await new Scene().begin('giver', 'taker');
    const length = await lengthOf(sample, 'giver', () => sample.release('giver'));
    for (const given of upTo(length)) {
      for (const hears of [true, false]) {
        const scene = await new Scene().begin('giver', 'taker');
        scene.steps.hears = hears;
        scene.release('giver');
        await scene.steps.run('giver', given);
        scene.kill('giver');
        await scene.finish(['taker'], soonMs);
      }
    }
  });

  test('the one that it is passed on to, and both', async () => {
    for (const accepted of upTo(10)) {
      const scene = await new Scene().begin('giver', 'taker');
      scene.release('giver');
      await scene.steps.run('giver');
      await scene.steps.run('taker', accepted, scene.steps.nowMs);
      scene.kill('taker');
      if (accepted % 2) scene.kill('giver');
      scene.ask('third');
      await scene.finish(['third'], soonMs);
      expect((await scene.left(['giver', 'third'].filter((name) => !scene.steps.isDead(name)))).filter((name) => !name.includes('.waiting.'))).toEqual([]);
    }
  });

  test('the one that revokes it', async () => {
    for (const revoked of upTo(10)) {
      const scene = await new Scene().begin('giver', 'taker');
      scene.release('giver');
      await scene.steps.run('giver');
      scene.ask('third');
      await revoke(scene, 'third', revoked);
      scene.kill('third');
      scene.ask('giver');
      scene.ended.clear();
      // Between making the lock and signing it nobody knows who died.
      await scene.finish(['taker', 'giver'], 1700);
    }
  });
});

describe('those whom the lock cannot be passed on to', () => {
  /** Serves all who ask, who ask again at once, until this one had it; how long that took. */
  async function servedWithin(scene: Scene, name: string, busy: readonly string[]): Promise<number> {
    const startMs = scene.steps.nowMs;
    scene.ask(name);
    await scene.steps.runAll(() => {
      for (const one of busy) {
        if (scene.holds.has(one)) {
          // Holds it for a millisecond.
          const hold = scene.holds.get(one);
          scene.steps.nowMs += 1;
          scene.release(one);
          void hold;
        } else if (scene.ended.delete(one)) {
          scene.ask(one);
        }
      }
      return scene.holds.has(name);
    }, startMs + 15_000);
    return scene.steps.nowMs - startMs;
  }

  test('since their seat is another user\'s are served in turn, while others pass it round', async () => {
    const scene = new Scene();
    scene.steps.refuse = (process, verb, path) => (process !== 'stranger' && verb === 'open.update' && path.includes('.waiting.') && isStrangers(path) ? 'EACCES' : undefined);
    await scene.begin('a', 'b', 'c');
    expect(await servedWithin(scene, 'stranger', ['a', 'b', 'c'])).toBeLessThan(1000);
  });

  test('since they have no seat are served in the end, while others pass it round', async () => {
    const scene = new Scene();
    scene.steps.refuse = (process, verb, path) => (process === 'stranger' && verb === 'createFile' && path.includes('.waiting.') ? 'EMFILE' : undefined);
    await scene.begin('a', 'b', 'c');
    expect(await servedWithin(scene, 'stranger', ['a', 'b', 'c'])).toBeLessThan(10_000);
  });

  test('since they are on another host are served in turn', async () => {
    const scene = new Scene();
    scene.lock('stranger', 'elsewhere');
    await scene.begin('a', 'b', 'c');
    expect(await servedWithin(scene, 'stranger', ['a', 'b', 'c'])).toBeLessThan(1000);
  });

  test('since they may not write the owner file take it anew', async () => {
    const scene = await new Scene().begin('a', 'stranger');
    scene.steps.refuse = (process, verb, path) => (process === 'stranger' && verb === 'open.update' && path.endsWith('.owner') ? 'EACCES' : undefined);
    scene.release('a');
    await scene.finish(['a', 'stranger'], 30);
    expect(await scene.left(['a', 'stranger'])).toEqual([]);
  });
});

/** Whose seat this is. */
const isStrangers = (path: string): boolean => fs.readFileSync(path, 'utf8').includes('"stranger"');

describe('what fails', () => {
  test('when the wait is ended does not lose the hold that was just taken', async () => {
    const scene = await new Scene().begin('a', 'b');
    fs.rmSync(`${scene.directory}/ledger.lock`, { recursive: true });
    scene.steps.refuse = (process, verb, path) => (process === 'b' && verb === 'writeAt' && path.includes('.waiting.') ? 'ENOSPC' : undefined);
    scene.holds.delete('a');
    await scene.steps.runAll(() => scene.holds.has('b'), 1000);
    expect(scene.holds.has('b')).toBe(true);
  });

  test('when the next one is told does not give the lock to somebody else', async () => {
    const scene = await new Scene().begin('a', 'b');
    scene.steps.refuse = (process, verb, path) => (process === 'a' && verb === 'writeAt' && path.includes('.waiting.') ? 'EIO' : undefined);
    scene.release('a');
    await scene.finish(['a', 'b'], 60);
  });

  test('when a seat is made leaves none behind that stands in the way', async () => {
    const scene = new Scene();
    let isRefused = false;
    scene.steps.refuse = (process, verb, path) => {
      const refused = !isRefused && process === 'b' && verb === 'open.update' && path.includes('.waiting.');
      isRefused ||= refused;
      return refused ? 'EMFILE' : undefined;
    };
    await scene.begin('a', 'b');
    expect(isRefused).toBe(true);
    await scene.steps.run('b', Infinity, scene.steps.nowMs + 100);
    scene.release('a');
    await scene.finish(['a', 'b'], 60);
    expect(await scene.left(['a', 'b'])).toEqual([]);
  });
});

describe.each([
  { deaths: false, isSlow: false },
  { deaths: true, isSlow: false },
  { deaths: false, isSlow: true },
])('at random, with deaths: $deaths, on a disk that is slow at times: $isSlow', ({ deaths, isSlow }) => {
  test('no two hold the lock, all who live are served, and nothing is left', async () => {
    for (let seed = 1; seed <= 100; seed++) await atRandom(seed, deaths, isSlow);
  }, 60_000);
});

async function atRandom(seed: number, deaths: boolean, isSlow: boolean): Promise<void> {
  let state = seed;
  const random = (below: number): number => ((state = (Math.imul(state, 1103515245) + 12345) >>> 0) >>> 8) % below;
  const scene = new Scene();
  scene.steps.hears = seed % 4 > 0;
  const names = ['a', 'b', 'c', 'd'];
  const asked = new Map(names.map((name) => [name, 0]));
  for (const name of names) scene.ended.add(name);
  const living = (): string[] => names.filter((name) => !scene.steps.isDead(name));
  let steps = 0;
  for (; steps < 20_000; steps++) {
    scene.steps.isSlow = isSlow && random(3) === 0;
    for (const name of living()) {
      if (scene.holds.has(name)) {
        if (random(3) === 0) scene.release(name);
      } else if (asked.get(name)! < 6 && scene.ended.delete(name)) {
        asked.set(name, asked.get(name)! + 1);
        scene.ask(name, random(3) ? undefined : abortLater(scene, 1 + random(40)));
      }
    }
    if (living().every((name) => asked.get(name) === 6 && scene.ended.has(name))) break;
    const runnable = await scene.steps.runnable();
    const late = await scene.steps.starved(500);
    if (late) await scene.steps.run(late, 1);
    else if (runnable.length && random(20)) await scene.steps.run(runnable[random(runnable.length)]!, 1);
    else scene.steps.pass();
    if (deaths && living().length > 2 && random(150) === 0) scene.kill(living()[random(living().length)]!);
  }
  expect(scene.together, `seed ${seed}`).toEqual([]);
  expect(living().filter((name) => asked.get(name) !== 6 || !scene.ended.has(name)), `seed ${seed}: not served`).toEqual([]);
  const left = await scene.left(living());
  expect(deaths ? [] : left, `seed ${seed}`).toEqual([]);
}

/** Aborts after that many milliseconds of virtual time. */
function abortLater(scene: Scene, afterMs: number): AbortSignal {
  const abort = new AbortController();
  scene.steps.later(afterMs, () => abort.abort(new Error('enough')));
  return abort.signal;
}
