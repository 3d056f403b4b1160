import { fork } from 'node:child_process';
import { expectSeats, race, summarise } from '../lib/race.mjs';
import { percentiles } from '../lib/statistics.mjs';
import { nextMessage } from './processes.mjs';

/** @typedef {import('../lib/context.mjs').Context} Context */

export const measureTen = (/** @type {Context} */ context) => measureRace(context, 10, 12);
export const measureTwenty = (/** @type {Context} */ context) => measureRace(context, 20, 6);
export const measureHundred = (/** @type {Context} */ context) => measureRace(context, 100, 1);

/** Racers in one process, one course after another. @param {Context} context @param {number} wanted how many racers @param {number} courses */
async function measureRace({ open, fresh, smoke }, wanted, courses) {
  const racers = smoke ? Math.min(wanted, 10) : wanted;
  const store = await open(fresh);
  const students = Array.from({ length: racers }, (_, i) => `s${i}`);
  // The first course warms up; ten racers are enough for that.
  const first = students.slice(0, 10);
  await race(store, 'c0', first);
  const count = smoke ? 1 : courses;
  const races = [];
  const start = performance.now();
  for (let c = 1; c <= count; c++) races.push(await race(store, `c${c}`, students));
  const seconds = (performance.now() - start) / 1000;
  for (let c = 0; c <= count; c++) await expectSeats(store, `c${c}`, c === 0 ? first : students);
  await store.close();
  return { values: summarise(races, seconds, racers * count), latencies: percentiles(races.flatMap(({ times }) => times)) };
}

const processes = 4;
const racersEach = 5;

/** Four processes with five racers each: all of them begin each course at the same time. @param {Context} context */
export async function measureProcesses({ rival, open, fresh, smoke }) {
  const count = smoke ? 1 : 6;
  const students = (/** @type {number} */ child) => Array.from({ length: racersEach }, (_, i) => `s${child}-${i}`);
  // Whoever opens a store first makes it; the race is not about that.
  await (await open(fresh)).close();
  const children = Array.from({ length: processes }, (_, child) => fork(new URL('../lib/race-process.mjs', import.meta.url), [rival, fresh, ...students(child)]));
  await Promise.all(children.map(nextMessage));
  const runCourse = async (/** @type {string} */ course) => {
    const done = Promise.all(children.map(nextMessage));
    for (const child of children) child.send(course);
    return done;
  };
  await runCourse('c0');
  const races = [];
  const start = performance.now();
  for (let c = 1; c <= count; c++) races.push(...(await runCourse(`c${c}`)));
  const seconds = (performance.now() - start) / 1000;
  for (const child of children) child.send('end');
  await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))));

  const store = await open(fresh);
  const all = Array.from({ length: processes }, (_, child) => students(child)).flat();
  for (let c = 0; c <= count; c++) await expectSeats(store, `c${c}`, all);
  await store.close();
  const busy = races.reduce((sum, one) => sum + one.busy, 0);
  return { values: summarise(races, seconds, all.length * count), latencies: percentiles(races.flatMap(({ times }) => times)), notes: { busy } };
}
