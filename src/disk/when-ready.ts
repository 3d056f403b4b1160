import type { Awaitable } from './disk.js';

/** Goes on with `value` at once when it is there, else when it comes: what memory or the page cache answers needs no promise. */
export function whenReady<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
