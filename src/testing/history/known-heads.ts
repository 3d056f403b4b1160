/* What was known of the head at a moment: whoever begins later must know at least as much. */
import type { AppendOperation, Operation } from './operation.js';

/** `operation` was answered at `end`, and knew then that positions up to `head` exist. */
export type KnownHead = { readonly end: number; readonly head: number; readonly operation: Operation };

export class KnownHeads {
  /** By time; each holds the highest head up to then. */
  readonly #heads: KnownHead[] = [];

  constructor(operations: readonly Operation[]) {
    const answers: KnownHead[] = [];
    for (const operation of operations) {
      const head = knownTo(operation);
      if (operation.end !== undefined && head > 0) answers.push({ end: operation.end, head, operation });
    }
    for (const answer of answers.sort((a, b) => a.end - b.end)) {
      const highest = this.#heads.at(-1);
      if (highest === undefined || answer.head > highest.head) this.#heads.push(answer);
    }
  }

  /** The highest head that anybody was told before `time` (exclusive); undefined when nobody was told any. */
  before(time: number): KnownHead | undefined {
    let low = 0;
    let high = this.#heads.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#heads[middle]!.end < time) low = middle + 1;
      else high = middle;
    }
    return this.#heads[low - 1];
  }
}

/** The highest position of which the answer says that it exists. */
function knownTo(operation: Operation): number {
  switch (operation.call) {
    case 'append':
      return Math.max(operation.answer?.last ?? 0, toldByRefusal(operation));
    case 'head':
      return operation.head ?? 0;
    case 'read':
      return operation.positions.reduce((most, position) => Math.max(most, position), operation.head ?? 0);
    case 'subscribe':
      return operation.positions.at(-1) ?? 0;
  }
}

function toldByRefusal({ error }: AppendOperation): number {
  return error?.position ?? error?.head ?? 0;
}
