/* One of the demo's processes: reads, decides, appends on condition, and tries again when another process was faster. */
import { isOpossumError, openStore, type EventStore } from '../../index.js';
import { answerEvent, decide, decisionQuery, type Answer, type Application } from './enrolment.js';
import type { FromWorker, ToWorker } from './messages.js';

/** Applications that one process works on at the same time, like requests to a server. */
const atOnce = 4;
const progressEveryMs = 50;
const triesAllowed = 10_000;

const tally = { decided: 0, enrolled: 0, conflicts: 0, triesMax: 0 };
const latenciesMs: number[] = [];
let shownAt = performance.now();
let store: EventStore;
let applications: readonly Application[] = [];

// Ctrl-C reaches all processes of a terminal; it is the demo that ends its workers, and they end with it.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(1));
process.on('message', (message: ToWorker) => {
  (message.kind === 'prepare' ? prepare(message) : work()).catch(fail);
});

async function prepare(message: Extract<ToWorker, { kind: 'prepare' }>): Promise<void> {
  applications = message.applications;
  store = await openStore({ directory: message.directory, context: message.context });
  await store.head();
  tell({ kind: 'ready' });
}

async function work(): Promise<void> {
  const queue = applications.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const application of queue) await answer(application);
    }),
  );
  // Told before closing, so that writing event files is not taken for deciding.
  tell({ kind: 'done', tally, latenciesMs });
  await store.close();
  process.removeAllListeners('disconnect');
  process.disconnect();
}

async function answer(application: Application): Promise<void> {
  const query = decisionQuery(application);
  for (let tries = 1; tries <= triesAllowed; tries++) {
    const events = store.read(query);
    const verdict = decide(application, await events.toArray());
    const after = await events.head();
    if (!(await tryAppend(application, verdict, after))) continue;
    tally.decided++;
    if (verdict === 'enrolled') tally.enrolled++;
    tally.triesMax = Math.max(tally.triesMax, tries);
    showProgress();
    return;
  }
  throw new Error(`${application.student} in ${application.course} found no answer in ${triesAllowed} tries.`);
}

/** False when an event that the decision depends on came in between. */
async function tryAppend(application: Application, verdict: Answer, after: number): Promise<boolean> {
  const started = performance.now();
  try {
    await store.append(answerEvent(application, verdict), { failIfEventsMatch: decisionQuery(application), after });
    latenciesMs.push(performance.now() - started);
    return true;
  } catch (error) {
    if (!isOpossumError(error, 'APPEND_CONDITION_FAILED')) throw error;
    tally.conflicts++;
    return false;
  }
}

function showProgress(): void {
  const now = performance.now();
  if (now - shownAt < progressEveryMs) return;
  shownAt = now;
  tell({ kind: 'progress', tally });
}

function fail(error: unknown): void {
  const { message, code } = error as { message?: unknown; code?: unknown };
  tell({ kind: 'failed', message: String(message ?? error), code: typeof code === 'string' ? code : undefined });
}

function tell(message: FromWorker): void {
  process.send?.(message);
}
