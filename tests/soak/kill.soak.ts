/*
 * Goal: as tests/processes/kill.test.ts, over hundreds of kills.
 * Method: the same, with more writers at a time and batches of other sizes, for as long as there is time.
 */
import { expect, test } from 'vitest';
import { killWriters } from '../processes/fixtures/kill-writers.js';
import { expectAllThere } from '../support/acknowledged.js';
import { freshFolder } from '../support/folder.js';
import { runRounds } from './rounds.js';

test('writers that are killed lose nothing that they acknowledged', () =>
  runRounds('kill', 3, async (seed) => {
    const directory = freshFolder();
    const batch = [1, 3, 40][seed % 3]!;
    const { acknowledged, kills } = await killWriters({ directory, seed, kills: 100, writers: 2 + (seed % 4), batch });
    expect(kills).toBe(100);
    const events = await expectAllThere(directory, batch, acknowledged);
    return `100 kills, ${acknowledged.length} batches of ${batch} acknowledged, ${events} events`;
  }));
