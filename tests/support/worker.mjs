/* A process that runs one job on the built package and reports to its parent. */
import { isOpossumError, openStore } from '../../dist/index.js';

const { job, directory, ...options } = JSON.parse(process.argv[2]);
const report = (value) => process.send({ kind: 'report', value });

const jobs = {
  /** Appends `count` batches one after another; returns what was acknowledged. */
  async append(store, { name, count, batch = 1 }) {
    const acknowledged = [];
    for (let i = 0; i < count; i++) {
      const events = Array.from({ length: batch }, (_, j) => ({ type: 'Appended', tags: [`by:${name}`], id: `${name}-${i}-${j}`, data: { name, i, j } }));
      const { first, last } = await store.append(events);
      acknowledged.push({ i, first, last });
      if (options.reports) report({ i, first, last });
    }
    return acknowledged;
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
};

try {
  const store = await openStore({ directory, ...(options.store ?? {}) });
  process.send({ kind: 'ready' });
  await new Promise((resolve) => process.once('message', resolve));
  const value = await jobs[job](store, options);
  await store.close();
  process.send({ kind: 'done', value }, () => process.disconnect());
} catch (error) {
  process.send({ kind: 'failed', value: error.stack }, () => process.disconnect());
}
