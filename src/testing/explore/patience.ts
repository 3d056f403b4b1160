/*
 * Waiting for handlers that are busy with the real world, such as a file. The next call is not chosen before all have come to theirs:
 * else the machine's speed would choose, some orders would never come, and a replay would differ. But a handler may as well wait
 * for another one, which must go on meanwhile (a lock in memory). Nobody can tell the two apart, so it waits less long from then
 * on when it was in vain: a few times what was ever worth waiting for.
 */

/** The real ones, whatever a test put in their place meanwhile: fake timers would stand still. */
const { setImmediate: later, setTimeout: laterBy } = globalThis;
const { bigint: nanoseconds } = process.hrtime;
const monotonicMs = (): number => Number(nanoseconds()) / 1e6;

/** After a turn of the event loop each handler has come to its next call, or is busy with something else. */
export const nextTurn = (): Promise<void> => new Promise((resolve) => later(resolve));

export class Patience {
  #mostMs = longestMs;
  /** The longest wait that was not in vain, lately. */
  #usefulMs = 0;
  #stuckMs = stuckAtFirstMs;

  /** Waits for busy handlers while others could go on, for a while. */
  async waitForOthers(isOver: () => boolean): Promise<void> {
    const tookMs = await waitUntil(isOver, this.#mostMs);
    if (tookMs === undefined) this.#mostMs = Math.max(this.#mostMs / 2, Math.min(longestMs, 4 * this.#usefulMs));
    else this.#usefulMs = Math.max(tookMs, this.#usefulMs * 0.9);
  }

  /** Waits when nobody can go on. False when nothing came of it: they are stuck. */
  async waitForAny(isOver: () => boolean): Promise<boolean> {
    if ((await waitUntil(isOver, this.#stuckMs)) !== undefined) return true;
    // When they once waited in vain, they will again.
    this.#stuckMs = stuckLaterMs;
    return false;
  }
}

const longestMs = 100;
const stuckAtFirstMs = 300;
const stuckLaterMs = 20;

/** So long it looks at every turn of the event loop, then at every millisecond. */
const eagerMs = 2;
const turnsLeast = 4;

/** Milliseconds that it took; undefined when it took longer than `mostMs`. */
async function waitUntil(isOver: () => boolean, mostMs: number): Promise<number | undefined> {
  const began = monotonicMs();
  for (let turns = 1; ; turns++) {
    await nextTurn();
    const tookMs = monotonicMs() - began;
    if (isOver()) return tookMs;
    if (tookMs > mostMs && turns >= turnsLeast) return undefined;
    if (tookMs > eagerMs) await new Promise((resolve) => laterBy(resolve, 1));
  }
}
