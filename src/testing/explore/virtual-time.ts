/*
 * Time, randomness and ids of handlers that are explored: `setTimeout`, `Date`, `Math.random`, `crypto.randomUUID` and what rests on
 * them. They are replaced for code that a handler started, and for that alone (the asynchronous context tells), so the store
 * beneath, the test runner, and whatever else the process does keep the real ones. What is imported from `node:timers` or
 * `node:crypto` is out of reach, and stays real.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { promisify } from 'node:util';

/** Where a handler's time and chance come from. */
export interface HandlerWorld {
  now(): number;
  random(): number;
  newId(): string;
  /** Calls `fire` when `ms` have passed; returns what cancels it. */
  startTimer(ms: number, fire: () => void): () => void;
}

const worlds = new AsyncLocalStorage<HandlerWorld>();

/** Runs `work` of a handler: it and all that it starts live in `world`. */
export function runIn<T>(world: HandlerWorld, work: () => T): T {
  return worlds.run(world, work);
}

/** The world of the handler that this runs for; undefined outside all of them. */
export function currentWorld(): HandlerWorld | undefined {
  return worlds.getStore();
}

/** How many explorations are under way: the first puts the replacements in place, the last takes them away. */
let users = 0;
let restore: () => void = () => undefined;

export async function withVirtualTime<T>(work: () => Promise<T>): Promise<T> {
  if (users++ === 0) restore = install();
  try {
    return await work();
  } finally {
    if (--users === 0) {
      restore();
      // Else every promise of the process would go on paying for the context.
      worlds.disable();
    }
  }
}

type Callback = (...args: unknown[]) => void;

function install(): () => void {
  const real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    Date: globalThis.Date,
    random: Math.random,
    timeout: AbortSignal.timeout,
  };
  const start =
    (ordinary: Callback, repeats: boolean) =>
    (callback: Callback, ms?: number, ...args: unknown[]): unknown => {
      const world = worlds.getStore();
      return world ? new VirtualTimer(world, Number(ms) || 0, () => callback(...args), repeats) : ordinary(callback, ms, ...args);
    };
  const clear = (ordinary: Callback) => (timer?: unknown) => (timer instanceof VirtualTimer ? timer.close() : ordinary(timer));

  const setTimeout = start(real.setTimeout as Callback, false);
  Object.defineProperty(setTimeout, promisify.custom, { value: (ms: number, value: unknown) => new Promise((resolve) => setTimeout(resolve, ms, value)) });
  Object.assign(globalThis, {
    setTimeout,
    clearTimeout: clear(real.clearTimeout as Callback),
    setInterval: start(real.setInterval as Callback, true),
    clearInterval: clear(real.clearInterval as Callback),
    Date: virtualDate(real.Date),
  });
  Math.random = () => (worlds.getStore() ?? { random: real.random }).random();
  AbortSignal.timeout = (ms) => abortAfter(ms) ?? real.timeout(ms);
  // Not the platform's own method, which is on the prototype: taking this one away uncovers it.
  const { crypto } = globalThis;
  const realUuid = crypto.randomUUID.bind(crypto);
  Object.defineProperty(crypto, 'randomUUID', { configurable: true, writable: true, value: () => worlds.getStore()?.newId() ?? realUuid() });

  return () => {
    const { random, timeout, ...globals } = real;
    Object.assign(globalThis, globals);
    Math.random = random;
    AbortSignal.timeout = timeout;
    Reflect.deleteProperty(crypto, 'randomUUID');
  };
}

/** Not a proxy, which would make every date of the process slow. */
function virtualDate(RealDate: DateConstructor): DateConstructor {
  const now = (): number => worlds.getStore()?.now() ?? RealDate.now();
  function VirtualDate(...args: []): Date | string {
    if (!new.target) return new RealDate(now()).toString();
    if (new.target !== (VirtualDate as unknown)) return Reflect.construct(RealDate, args.length === 0 ? [now()] : args, new.target) as Date;
    return args.length === 0 ? new RealDate(now()) : new RealDate(...args);
  }
  // The same prototype: dates of before and after are instances of it too.
  return Object.assign(VirtualDate, { prototype: RealDate.prototype, now, parse: RealDate.parse, UTC: RealDate.UTC }) as unknown as DateConstructor;
}

function abortAfter(ms: number): AbortSignal | undefined {
  const world = worlds.getStore();
  if (!world) return undefined;
  const controller = new AbortController();
  world.startTimer(ms, () => controller.abort(new DOMException('The operation was aborted due to timeout', 'TimeoutError')));
  return controller.signal;
}

/** What `setTimeout` and `setInterval` give. */
class VirtualTimer {
  readonly #world: HandlerWorld;
  readonly #ms: number;
  readonly #fire: () => void;
  #cancel: () => void = () => undefined;

  constructor(world: HandlerWorld, ms: number, callback: () => void, repeats: boolean) {
    this.#world = world;
    this.#ms = Math.max(1, ms);
    this.#fire = () => {
      if (repeats) this.refresh();
      runIn(world, callback);
    };
    this.refresh();
  }

  refresh(): this {
    this.#cancel();
    this.#cancel = this.#world.startTimer(this.#ms, this.#fire);
    return this;
  }

  close(): this {
    this.#cancel();
    return this;
  }

  /** Virtual time keeps no process alive. */
  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
