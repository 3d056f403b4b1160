/*
 * Several processes of one machine on a simulated disk, lock and clock: the real engine runs on them, every order of disk
 * operations can happen, and a seed repeats it. Virtual time passes by itself while somebody waits for something.
 */
import type { EventStore } from '../../core/event-store.js';
import type { EnginePorts } from '../../engine/engine.js';
import { openEngine, type OpenStoreOptions } from '../../engine/open-store.js';
import type { SyncModel } from './medium.js';
import type { PowerCut } from './power-cut.js';
import { Scheduler, type Actor } from './scheduler.js';
import { SeededRandom } from './seeded-random.js';
import { SimulatedClock } from './simulated-clock.js';
import { SimulatedDisk } from './simulated-disk.js';
import { SimulatedLocks } from './simulated-lock.js';

export type SimulationOptions = {
  /** The same seed and the same calls give the same run; only the lower 32 bits count. */
  readonly seed: number;
  /** What a sync promises; `'posix'`, the least, when absent. */
  readonly syncModel?: SyncModel;
  /** How often, from 0 to 1, a waiter's look takes the lock from a living holder that does not notice; 0 when absent. */
  readonly lockTheft?: number;
};

/** What `SimulatedProcess.run` gives when the process was gone before the answer came. */
export const gone = Symbol('gone');

export class Simulation {
  readonly seed: number;
  readonly disk: SimulatedDisk;
  readonly #scheduler: Scheduler;
  readonly #random: SeededRandom;
  readonly #locks: SimulatedLocks;
  #processes: SimulatedProcess[] = [];

  constructor({ seed, syncModel = 'posix', lockTheft = 0 }: SimulationOptions) {
    this.seed = seed;
    this.#random = new SeededRandom(seed);
    this.#scheduler = new Scheduler(this.#random.fork());
    this.disk = new SimulatedDisk(syncModel, this.#scheduler, this.#random.fork());
    this.#locks = new SimulatedLocks(this.#random.fork(), lockTheft);
  }

  /** Starts a process. */
  start(name: string): SimulatedProcess {
    const actor = { name, isAlive: true };
    const process = new SimulatedProcess(actor, this.disk, this.#scheduler, this.#locks, this.#random.fork());
    this.#processes.push(process);
    return process;
  }

  /** Kills the process of this name, if one is running. */
  kill(name: string): void {
    for (const process of this.#processes) if (process.name === name) process.kill();
  }

  /** Kills all processes and leaves on the disk what a power cut leaves: by chance, unless `cut` says otherwise. */
  cutPower(cut: PowerCut = { data: 'torn', entries: 'torn' }): void {
    for (const process of this.#processes.splice(0)) process.kill();
    this.#scheduler.removeDead();
    this.#locks.clear();
    this.disk.cutPower(cut);
  }

  /** Lets virtual time pass, with everything that happens meanwhile. */
  advance(durationMs: number): Promise<void> {
    return this.#scheduler.advance(durationMs);
  }
}

/** A process of the simulation. Nothing that it waits for happens after `kill`. */
export class SimulatedProcess {
  readonly name: string;
  /** What the engine runs on. */
  readonly ports: EnginePorts;
  readonly clock: SimulatedClock;
  readonly warnings: string[] = [];
  readonly #actor: Actor;
  readonly #scheduler: Scheduler;
  readonly #gone: Promise<typeof gone>;
  #tellGone: () => void = () => undefined;

  constructor(actor: Actor, disk: SimulatedDisk, scheduler: Scheduler, locks: SimulatedLocks, random: SeededRandom) {
    this.name = actor.name;
    this.#actor = actor;
    this.#scheduler = scheduler;
    this.clock = new SimulatedClock(actor, scheduler);
    this.#gone = new Promise((resolve) => (this.#tellGone = () => resolve(gone)));
    this.ports = {
      disk: disk.portOf(actor),
      clock: this.clock,
      random,
      openLock: (directory) => locks.lockOf(actor, directory, this.clock),
      engines: new Map(),
      warn: (message) => this.warnings.push(message),
    };
  }

  /** `openStore`, in this process. */
  openStore(options: OpenStoreOptions): Promise<EventStore> {
    return openEngine(options, this.ports);
  }

  /** Resolves with what `work` gives, or with `gone`: calls into a process that is gone never return. */
  run<T>(work: Promise<T>): Promise<T | typeof gone> {
    return Promise.race([work, this.#gone]);
  }

  /** As SIGKILL does: what it wrote stays in the system's memory, what it was about to do never happens. */
  kill(): void {
    this.#actor.isAlive = false;
    this.#scheduler.removeDead();
    this.#tellGone();
  }
}
