import os from 'node:os';
import path from 'node:path';
import { isOpossumError } from '../../core/errors.js';
import type { EventStore } from '../../core/event-store.js';
import { nodeDisk } from '../../disk/node-disk.js';
import { systemRandom } from '../../disk/random.js';
import { openStore, type OpenStoreOptions } from '../../engine/open-store.js';
import { checkInvariant } from '../explore/run-commands.js';
import { checkHistory, type HistorySummary } from '../history/check-history.js';
import { mergeHistories, type History } from '../history/history.js';
import { recordHistory } from '../history/record-history.js';
import { checkRaceOptions } from './check-options.js';
import type { RaceContext, RaceOptions, RaceReport } from './options.js';
import { lastAppends, ProcessRaceError, type FailedRace } from './process-race-error.js';
import { Race, RaceFailure } from './race.js';

/** What the module of a race exports, by the name of `act` unless the race says otherwise. */
export type RaceHandler<Command, Result = unknown> = (store: EventStore, command: Command, context: RaceContext) => Promise<Result> | Result;

/**
 * Runs a handler in several processes on one folder, all at once, and kills some of them if asked; then checks that one order of
 * commits explains what all of them were told, and that the invariant holds. Needs the store on files, since nothing else is shared.
 *
 * With `kill`, a command that a killed process was not seen to finish is done again, also if its events are stored already: handlers
 * must be idempotent, such as by event ids made of `context.key`.
 *
 * @example await raceProcesses({ module: new URL('./enrol.mjs', import.meta.url), commands: students, invariant: (events) => events.length <= 10 })
 * @throws ProcessRaceError when something is wrong: it names processes and what they did. InvalidInputError.
 */
export async function raceProcesses<Command, Result = unknown>(options: RaceOptions<Command, Result>): Promise<RaceReport<Command, Result>> {
  const settings = checkRaceOptions(options);
  const key = systemRandom.uuid();
  const folder = path.join(await nodeDisk.realPath(os.tmpdir()), `opossum-race-${key}`);
  await nodeDisk.makeDirectory(folder);
  const storeOptions: OpenStoreOptions = { ...options.storeOptions, directory: path.resolve(options.directory ?? path.join(folder, 'store')) };
  const names: string[] = [];
  const historyPathOf = (name: string): string => {
    names.push(name);
    return path.join(folder, `${name}.ndjson`);
  };
  const { mayFail = ({ retryable }) => retryable, execArgv = [] } = options;
  try {
    const given = await storeGiven(storeOptions, options.given ?? []);
    const race = new Race<Command, Result>({ ...settings, storeOptions, execArgv, mayFail, historyPathOf }, key);
    await race.run();
    const texts = await Promise.all(names.map(async (name) => (await nodeDisk.readFile(path.join(folder, `${name}.ndjson`)))?.toString('utf8') ?? ''));
    const { kills, results } = race;
    const found = await look(mergeHistories(given, ...texts), storeOptions, { ...options, results });
    await nodeDisk.removeTree(folder);
    return { ...found, results, kills };
  } catch (error) {
    if (error instanceof RaceFailure) throw new ProcessRaceError(error.failed, folder, settings.kill?.seed);
    // Nothing raced. A store that cannot be read, though, is kept where its error says.
    if (options.directory !== undefined || isOpossumError(error, 'INVALID_INPUT')) await nodeDisk.removeTree(folder);
    throw error;
  }
}

async function storeGiven(storeOptions: OpenStoreOptions, given: NonNullable<RaceOptions<unknown>['given']>): Promise<History> {
  const opened = await openStore(storeOptions);
  try {
    const { store, history } = recordHistory(opened, { process: 'given' });
    if (given.length > 0) await store.append(given);
    return history;
  } finally {
    await opened.close();
  }
}

type Found = { events: RaceReport<unknown>['events']; history: History; checked: HistorySummary };

/** What is there in the end. @throws RaceFailure when it cannot be explained, or breaks the invariant. */
async function look<Command, Result>(
  history: History,
  storeOptions: OpenStoreOptions,
  { results, invariant }: Pick<RaceOptions<Command, Result>, 'invariant'> & Pick<RaceReport<Command, Result>, 'results'>,
): Promise<Found> {
  const store = await openStore(storeOptions);
  try {
    const events = await store.read().toArray();
    const end = { history, events, results };
    const checked = explain(end);
    const broken = await checkInvariant({ invariant: (all) => invariant(all, { results }) }, events, []);
    if (!broken) return { events, history, checked };
    const words = `${broken.words}\n\nWhat was appended, and by which process:\n${lastAppends(history)}`;
    throw new RaceFailure({ fault: 'invariant', words, cause: broken.cause, ...end });
  } finally {
    await store.close();
  }
}

function explain(end: Required<Pick<FailedRace, 'history' | 'events' | 'results'>>): HistorySummary {
  try {
    return checkHistory(end.history, end.events);
  } catch (error) {
    throw new RaceFailure({ fault: 'history', words: (error as Error).message, cause: error, ...end });
  }
}
