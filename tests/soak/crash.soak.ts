/*
 * Goal: as tests/crash/crash-properties.test.ts, over hundreds of thousands of histories.
 * Method: the same, for as long as there is time.
 */
import { test } from 'vitest';
import { checkRandomLives } from '../support/crash-lives.js';
import { runRounds } from './rounds.js';

test('random workloads of several processes over several power cuts', () =>
  runRounds('crashes', 1, async (seed) => {
    await checkRandomLives({ numRuns: 2000, seed });
    return '2,000 histories hold';
  }));
