/*
 * Goal: as tests/properties/chain-rule.test.ts, over millions of histories.
 * Method: the same, for as long as there is time.
 */
import { expect, test } from 'vitest';
import { findCounterexample, withoutVanishing, withVanishing } from '../properties/chain-rule-histories.js';
import { runRounds } from './rounds.js';

test('the chain rule holds', () =>
  runRounds('chain rule', 1, async (seed) => {
    const runs = { numRuns: 20_000, seed };
    expect(await findCounterexample(withoutVanishing, runs)).toBeUndefined();
    expect(await findCounterexample(withVanishing, runs)).toBeUndefined();
    return '40,000 histories hold';
  }));
