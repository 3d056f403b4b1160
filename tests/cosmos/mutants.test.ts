/*
 * goal: each guard of the append is needed, and the races would show it if one were gone.
 * method: the store with one guard taken out races in the weather that the guard is for, seed after seed, until a race goes wrong;
 * the containers have no unique key, which would hide a missing etag. The same copy with no guard taken out never goes wrong.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openMutant, type Change } from '../support/cosmos/mutant.js';
import { race } from '../support/cosmos/race.js';
import { StrictServer } from '../support/cosmos/strict-server.js';
import { Weather } from '../support/cosmos/weather.js';

const mostRounds = 25;
let server: StrictServer;
beforeAll(async () => {
  server = await StrictServer.start();
});
afterAll(() => server.stop());

const withoutUniqueKey: Change = { file: 'account-checks.ts', from: "if (unique.join(';') !== '/position')", to: 'if (false)' };

const fair = () => new Weather();
const lost = (seed: number) => new Weather({ faults: { seed, dropped: 0.3 } });
const lagging = (seed: number) => new Weather({ lag: { seed, replicas: 4, behind: 4 } });

const mutants: Record<string, { change: Change; weatherOf: (seed: number) => Weather; shows: RegExp }> = {
  'the ledger is replaced whatever its etag': { change: { file: 'writer.ts', from: ', ifMatch: base.etag }', to: ' }' }, weatherOf: fair, shows: /places were taken|gaps/ },
  'an event that matches the condition is ignored': { change: { file: 'writer.ts', from: 'if (row) {', to: 'if (false) {' }, weatherOf: fair, shows: /places were taken/ },
  'calls of one batch are not checked against each other': { change: { file: 'append-call.ts', from: ' || dependsOn(call, chosen)', to: '' }, weatherOf: fair, shows: /places were taken/ },
  'a call that meets a conflict does not look for its own events': {
    change: { file: 'writer.ts', from: 'const known = await this.#findKnown(call, head);', to: 'const known = undefined;' },
    weatherOf: lost,
    shows: /took two places/,
  },
  'the cached ledger is kept after a lost race': { change: { file: 'writer.ts', from: 'this.#base = undefined;\n    await this.#wait();', to: 'await this.#wait();' }, weatherOf: fair, shows: /newest state was missed/ },
  'a call is committed on a state that it was not checked up to': { change: { file: 'writer.ts', from: 'call.checked < base.head) {', to: 'false) {' }, weatherOf: lagging, shows: /places were taken/ },
};

/** The first seed whose race went wrong, and how. */
async function firstFailure(changes: readonly Change[], weatherOf: (seed: number) => Weather, rounds: number): Promise<string | undefined> {
  const open = await openMutant([withoutUniqueKey, ...changes]);
  for (let seed = 1; seed <= rounds; seed++) {
    const problems = await race({ server, seed, weather: weatherOf(seed), client: { consistencyLevel: undefined }, open, hasUniqueKey: false, maxAttempts: 12 });
    if (problems.length > 0) return `seed ${seed}: ${problems.join('; ')}`;
  }
  return undefined;
}

test.each(Object.entries(mutants))('is caught: %s', { timeout: 120_000 }, async (_, { change, weatherOf, shows }) => {
  expect(await firstFailure([change], weatherOf, mostRounds)).toMatch(shows);
});

test('the copy with nothing taken out never goes wrong', { timeout: 120_000 }, async () => {
  for (const weatherOf of [fair, lost, lagging]) expect(await firstFailure([], weatherOf, 2)).toBeUndefined();
});
