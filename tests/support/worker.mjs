/* A process that runs one job on the built package and reports to its parent. */
import { subscribe } from 'node:diagnostics_channel';
import { pathToFileURL } from 'node:url';
import { isOpossumError, openEngine, openFileLock, openStore, repository, stream, systemPorts } from '../.built/internals.js';

const { job, directory, trouble, staleMs, watchesLock, ...options } = JSON.parse(process.argv[2]);
const report = (value) => new Promise((resolve) => process.send({ kind: 'report', value }, resolve));

/** Whether nobody has said `stop` yet. */
let goesOn = true;
process.on('message', (message) => (goesOn &&= message !== 'stop'));

/** The store; with `trouble` one that gets into it while it holds the lock, with `staleMs` one whose lock goes stale earlier. */
function open() {
  const storeOptions = { directory, ...(options.store ?? {}) };
  if (!trouble && !staleMs) return openStore(storeOptions);
  const { disk } = systemPorts;
  return openEngine(storeOptions, {
    ...systemPorts,
    disk: { ...disk, open: async (path, mode) => (path.endsWith('ledger') && mode.startsWith('append') ? troubled(await disk.open(path, mode)) : disk.open(path, mode)) },
    openLock: (folder) => openFileLock(folder, { ...systemPorts, ...(staleMs ? { staleMs } : {}) }),
  });
}

/** The ledger, in which the write with the number `trouble.write` (the header's is not counted) meets trouble first. */
function troubled(file) {
  let writes = 0;
  return {
    read: (target, offset) => file.read(target, offset),
    writeAt: (bytes, offset) => file.writeAt(bytes, offset),
    stat: () => file.stat(),
    dataSync: () => file.dataSync(),
    close: () => file.close(),
    async append(bytes) {
      if (bytes.readUInt32LE(20) > 0 && ++writes === trouble?.write) {
        await report('in the lock');
        await troubles[trouble.kind]();
      }
      return file.append(bytes);
    },
  };
}

const troubles = {
  /** The whole process stands still until somebody sends SIGCONT. */
  stop: () => process.kill(process.pid, 'SIGSTOP'),
  /** The event loop stands still. */
  block() {
    for (const end = performance.now() + trouble.forMs; performance.now() < end; );
  },
  /** The write never begins, while the event loop goes on. */
  hang: () => new Promise(() => setInterval(() => undefined, 1000)),
};

const jobs = {
  /** What a module of the test's own exports as `run`. */
  module: async (store, { module }) => (await import(pathToFileURL(module).href)).run(store, { directory, ...options }),

  /** Appends `count` batches one after another; returns what was acknowledged. */
  async append(store, { name, count, batch = 1 }) {
    const acknowledged = [];
    for (let i = 0; i < count; i++) {
      const events = Array.from({ length: batch }, (_, j) => ({ type: 'Appended', tags: [`by:${name}`], id: `${name}-${i}-${j}`, data: { name, i, j } }));
      const { first, last } = await store.append(events);
      acknowledged.push({ i, first, last });
      if (options.reports) void report({ i, first, last });
    }
    return acknowledged;
  },

  /** Appends one event after another until it is told to stop; returns how many. */
  async appendOn(store, { name }) {
    let count = 0;
    while (goesOn) {
      await store.append({ type: 'Appended', tags: [`by:${name}`], data: count });
      count++;
    }
    return count;
  },

  /** Appends the same batch; returns the answer. */
  appendSame: (store, { events }) => store.append(events),

  /** Appends with the given condition; returns the answer or the error's code. */
  appendIf: (store, { event, condition }) =>
    store.append(event, condition).catch((error) => ({ code: error.code, position: error.position })),

  /** Enrols students one after another: reads, decides, appends under a condition, and begins anew after a conflict. */
  async enrol(store, { students, course, seats }) {
    const outcomes = { enrolled: [], full: [], already: [], conflicts: 0 };
    for (const student of students) {
      for (;;) {
        const query = { items: [{ types: ['Enrolled'], tags: [`course:${course}`] }] };
        const stream = store.read(query);
        const events = await stream.toArray();
        if (events.some(({ tags }) => tags.includes(`student:${student}`))) {
          outcomes.already.push(student);
          break;
        }
        if (events.length >= seats) {
          outcomes.full.push(student);
          break;
        }
        try {
          const enrolled = { type: 'Enrolled', tags: [`course:${course}`, `student:${student}`], data: { student, course } };
          await store.append(enrolled, { failIfEventsMatch: query, after: await stream.head() });
          outcomes.enrolled.push(student);
          break;
        } catch (error) {
          if (!isOpossumError(error, 'APPEND_CONDITION_FAILED')) throw error;
          outcomes.conflicts++;
        }
      }
    }
    return outcomes;
  },

  /** Appends `count` batches to streams in turn, expecting versions in turn, each twice; returns what was acknowledged and refused. */
  async appendToStreams(store, { name, count, streams }) {
    const outcomes = { acknowledged: [], refused: 0 };
    for (let i = 0; i < count; i++) {
      const target = stream(store, streams[i % streams.length]);
      const events = Array.from({ length: 1 + (i % 3) }, (_, j) => ({ type: 'Appended', id: `${name}-${i}-${j}`, data: { name, i, j } }));
      const expectedVersion = ['any', await target.version(), 'exists', 'none'][i % 4];
      try {
        const { version, first, last } = await target.append(events, { expectedVersion });
        const again = await target.append(events, { expectedVersion });
        outcomes.acknowledged.push({ stream: target.id, version, first, last, expectedVersion, again, ids: events.map(({ id }) => id) });
      } catch (error) {
        if (!isOpossumError(error, 'WRONG_EXPECTED_VERSION')) throw error;
        outcomes.refused++;
      }
    }
    return outcomes;
  },

  /** Adds 1 to a counter `count` times, never above `most`; returns what became of each. */
  async countUp(store, { count, most }) {
    const counters = repository({ store, streamOf: (id) => `counter-${id}`, initial: 0, evolve: (sum) => sum + 1 });
    const versions = [];
    for (let i = 0; i < count; i++) {
      const { outcome, version } = await counters.update('c', (sum) => (sum < most ? { type: 'Added', data: null } : undefined), { maxAttempts: 1000, baseDelayMs: 1, maxDelayMs: 10 });
      if (outcome === 'appended') versions.push(version);
    }
    return versions;
  },
};

if (watchesLock) subscribe('opossum:lock', ({ kind, owner, waitedMs }) => void report({ lock: kind, pid: owner?.pid, waitedMs }));

try {
  const store = await open();
  process.send({ kind: 'ready' });
  await new Promise((resolve) => process.once('message', resolve));
  const value = await jobs[job](store, options);
  await store.close();
  process.send({ kind: 'done', value }, () => process.disconnect());
} catch (error) {
  process.send({ kind: 'failed', value: error.stack }, () => process.disconnect());
}
