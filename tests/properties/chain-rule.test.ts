/*
 * Goal: the chain rule calls no healthy ledger damaged, brings no refused append to life, loses no acknowledged one silently.
 * Method: tens of thousands of random histories without any lock, on the real ledger code; rules with a part left out must fail.
 */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Chain, type Verdict } from '../../src/ledger/chain.js';
import type { FrameHead } from '../../src/ledger/frame.js';
import { findCounterexample, withoutVanishing, withVanishing } from './chain-rule-histories.js';

afterEach(() => vi.restoreAllMocks());

describe('the chain rule', () => {
  test('holds among stale writers, torn writes, power cuts that leave holes, and damaged frames', async () => {
    expect(await findCounterexample(withoutVanishing, { numRuns: 10_000 })).toBeUndefined();
  }, 60_000);

  test('holds when frames vanish beneath live writers after a failed sync', async () => {
    expect(await findCounterexample(withVanishing, { numRuns: 10_000 })).toBeUndefined();
  }, 60_000);
});

/** The rule, of which parts can be left out. */
function judge(this: Chain, head: FrameHead, offset: number, leftOut: 'at' | 'previous' | 'base, so void' | 'base, so damage'): Verdict {
  if (head.count === 0) return 'void';
  const { position, checksum } = this.last;
  const fits = head.first === position + 1;
  const lies = leftOut === 'at' || head.writtenAt === offset;
  const follows = leftOut === 'previous' || head.previous === checksum;
  if (fits && lies && follows) return 'counts';
  if (leftOut === 'base, so void') return 'void';
  if (leftOut === 'base, so damage') return 'orphan';
  return this.includes(head.base) ? 'void' : 'orphan';
}

describe('a rule', () => {
  test.each([
    { leftOut: 'at', numRuns: 2000, weights: withoutVanishing, says: 'a refused frame came alive' },
    { leftOut: 'base, so void', numRuns: 500, weights: withoutVanishing, says: 'an acknowledged frame is lost silently' },
    { leftOut: 'base, so damage', numRuns: 500, weights: withoutVanishing, says: 'a healthy ledger is called damaged' },
    { leftOut: 'previous', numRuns: 3000, weights: withVanishing, says: 'was decided upon' },
  ] as const)('without $leftOut fails where the whole rule holds', async ({ leftOut, numRuns, weights, says }) => {
    const runs = { numRuns, seed: 1 };
    expect(await findCounterexample(weights, runs)).toBeUndefined();
    vi.spyOn(Chain.prototype, 'judge').mockImplementation(function (this: Chain, head, offset) {
      return judge.call(this, head, offset, leftOut);
    });
    expect(await findCounterexample(weights, runs)).toContain(says);
  }, 60_000);

  test('does not help a process that trusts what it had read before a failed sync was mended', async () => {
    const runs = { numRuns: 4000, seed: 1 };
    expect(await findCounterexample(withVanishing, runs, { trustsItsView: true })).toContain('an acknowledged frame is lost silently');
  }, 60_000);
});
