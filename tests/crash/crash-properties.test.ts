/*
 * Goal: whatever happens at whichever disk operation, what was promised before stays true after reopening.
 * Method: the real engine on the simulated disk; random workloads of one to three processes, cut short at random, with
 * failing disks, kills and stolen locks; then every promise is checked on what is left, twice, and the store goes on.
 */
import { test } from 'vitest';
import { checkRandomLives } from '../support/crash-lives.js';

test('random workloads of several processes over several power cuts', () => checkRandomLives({ numRuns: 500 }), 60_000);
