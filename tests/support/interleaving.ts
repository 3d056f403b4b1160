import { nodeDisk } from '../../src/disk/node-disk.js';
import type { Clock } from '../../src/disk/clock.js';
import type { Awaitable, Disk, DiskFile } from '../../src/disk/disk.js';
import { systemRandom } from '../../src/disk/random.js';
import { openFileLock } from '../../src/locking/file-lock.js';
import type { Host } from '../../src/locking/host.js';
import type { ContextLock } from '../../src/locking/lock.js';

/** A disk operation that waits for its turn. */
type Parked = { readonly process: string; readonly what: string; readonly sinceMs: number; go(): void };
type Timer = { readonly process: string; readonly atMs: number; readonly fire: () => void };

/** Returns the code of the error with which this call of this process fails. */
export type Refusal = (process: string, verb: string, path: string) => string | undefined;

/**
 * Several processes on one real folder, of which each makes one disk operation when it is told to, and none before. Time is
 * virtual. A process that was killed does nothing any more, and is known to be dead.
 */
export class Interleaving {
  refuse: Refusal = () => undefined;
  /** Whether anybody hears of a write to a file that is watched. */
  hears = true;
  /** Whether the disk takes its time for a look at a seat, so that what is known of it is what it said before. */
  isSlow = false;
  nowMs = 0;
  readonly #dead = new Set<string>();
  #parked: Parked[] = [];
  #ids = 0;
  /** Operations that the real disk is at. */
  #busy = 0;
  #timers: Timer[] = [];
  readonly #watchers = new Set<{ readonly process: string; readonly path: string; readonly onChange: () => void }>();

  lockOf(process: string, directory: string, host = 'here'): ContextLock {
    return openFileLock(directory, { disk: this.#disk(process), clock: this.#clock(process), random: { ...systemRandom, uuid: () => `${process}${++this.#ids}` }, host: this.#host(process, host), staleMs: 1e9 });
  }

  kill(process: string): void {
    this.#dead.add(process);
    this.#parked = this.#parked.filter((one) => one.process !== process);
    this.#timers = this.#timers.filter((one) => one.process !== process);
  }

  isDead(process: string): boolean {
    return this.#dead.has(process);
  }

  /** What this process, or any, is about to do. */
  async next(process?: string): Promise<string | undefined> {
    return (await this.#ready()).find((one) => process === undefined || one.process === process)?.what;
  }

  /** Processes that are about to do something. */
  async runnable(): Promise<string[]> {
    return (await this.#ready()).map((one) => one.process);
  }

  /** The process that has waited for its turn for that long, if there is one. */
  async starved(forMs: number): Promise<string | undefined> {
    return (await this.#ready()).find((one) => this.nowMs - one.sinceMs >= forMs)?.process;
  }

  /** Lets the process make `count` operations; time passes when it has none to make. Returns how many it made. */
  async run(process: string, count = Infinity, untilMs = this.nowMs): Promise<number> {
    for (let made = 0; ; ) {
      const own = (await this.#ready()).find((one) => one.process === process);
      if (made === count) return made;
      if (own) {
        this.#parked.splice(this.#parked.indexOf(own), 1);
        own.go();
        made++;
      } else if (!this.pass(untilMs, process)) {
        return made;
      }
    }
  }

  /** Lets all run in turn until `isDone` or `untilMs`. */
  async runAll(isDone: () => boolean, untilMs: number): Promise<void> {
    for (;;) {
      await this.#ready();
      if (isDone()) return;
      const [one] = await this.#ready();
      if (one) {
        this.#parked.shift();
        one.go();
      } else if (!this.pass(untilMs)) {
        return;
      }
    }
  }

  /** Calls `fire` after that time, of no process. */
  later(delayMs: number, fire: () => void): void {
    this.#timers.push({ process: '', atMs: this.nowMs + delayMs, fire });
  }

  /** Fires the next timer, of this process or of any, unless that is after `untilMs`. */
  pass(untilMs = Infinity, process?: string): boolean {
    const [timer] = this.#timers.filter((one) => process === undefined || one.process === process).sort((a, b) => a.atMs - b.atMs);
    if (!timer || timer.atMs > untilMs) return false;
    this.#timers.splice(this.#timers.indexOf(timer), 1);
    this.nowMs = Math.max(this.nowMs, timer.atMs);
    timer.fire();
    return true;
  }

  /** Once everybody who can go on by himself did. */
  async #ready(): Promise<readonly Parked[]> {
    do await new Promise((resolve) => setImmediate(resolve));
    while (this.#busy > 0);
    return this.#parked;
  }

  async #turn(process: string, verb: string, path: string): Promise<void> {
    await new Promise<void>((go) => {
      if (!this.#dead.has(process)) this.#parked.push({ process, what: `${verb} ${path.slice(path.lastIndexOf('/') + 1)}`, sinceMs: this.nowMs, go });
    });
    const code = this.refuse(process, verb, path);
    if (code !== undefined) throw Object.assign(new Error(`${code}: ${verb} ${path}`), { code });
  }

  #disk(process: string): Disk {
    const through = <K extends 'stat' | 'list' | 'readFile' | 'createFile' | 'rename' | 'removeFile' | 'removeTree'>(verb: K): Disk[K] =>
      (async (path: string, more: string & Uint8Array) => {
        await this.#turn(process, verb, path);
        this.#busy++;
        try {
          return await (nodeDisk[verb] as (path: string, more: string & Uint8Array) => unknown)(path, more);
        } finally {
          this.#busy--;
        }
      }) as Disk[K];
    return {
      ...nodeDisk,
      stat: through('stat'),
      list: through('list'),
      readFile: through('readFile'),
      createFile: through('createFile'),
      rename: through('rename'),
      removeFile: through('removeFile'),
      removeTree: through('removeTree'),
      open: async (path, mode) => {
        await this.#turn(process, `open.${mode}`, path);
        return this.#file(process, path, await nodeDisk.open(path, mode));
      },
      watch: (path, onChange) => {
        const watcher = { process, path, onChange };
        this.#watchers.add(watcher);
        return () => void this.#watchers.delete(watcher);
      },
    };
  }

  #file(process: string, path: string, file: DiskFile): DiskFile {
    return {
      append: (bytes) => file.append(bytes),
      stat: () => file.stat(),
      dataSync: () => file.dataSync(),
      read: (target, offset) => {
        if (!path.includes('.waiting.')) return this.#turn(process, 'read', path).then(() => this.#counted(() => file.read(target, offset)));
        // A look at a seat takes no turn, and is answered at once by a disk that is not slow.
        return this.#counted(() => (this.isSlow ? new Promise((resolve) => setImmediate(resolve)).then(() => file.read(target, offset)) : file.read(target, offset)));
      },
      writeAt: async (bytes, offset) => {
        await this.#turn(process, 'writeAt', path);
        await this.#counted(() => file.writeAt(bytes, offset));
        if (this.hears) for (const watcher of this.#watchers) if (watcher.path === path) this.#timers.push({ process: watcher.process, atMs: this.nowMs, fire: watcher.onChange });
        // What is read next may have been written by another meanwhile.
        if (path.includes('.waiting.')) await this.#turn(process, 'wrote', path);
      },
      close: () => this.#counted(() => file.close()),
    };
  }

  /** On a busy machine the disk takes its time now and then: then somebody is not at rest. */
  #counted<T>(call: () => Awaitable<T>): Awaitable<T> {
    const answer = call();
    if (!(answer instanceof Promise)) return answer;
    this.#busy++;
    return answer.finally(() => this.#busy--);
  }

  #clock(process: string): Clock {
    return {
      now: () => Date.now(),
      monotonic: () => this.nowMs,
      turn: () => Promise.resolve(),
      timer: (delayMs, fire) => {
        const timer = { process, atMs: this.nowMs + delayMs, fire };
        if (!this.#dead.has(process)) this.#timers.push(timer);
        return () => void (this.#timers = this.#timers.filter((one) => one !== timer));
      },
    };
  }

  #host(process: string, host: string): Host {
    const self = { host, bootId: process, pid: 1, startedAt: '' };
    return { self, stateOf: async (owner) => (owner.host !== host ? 'unknown' : this.#dead.has(owner.bootId) ? 'dead' : 'alive') };
  }
}
