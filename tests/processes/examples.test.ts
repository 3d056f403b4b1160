/*
 * Goal: the rules of the examples hold when several processes ask for colliding things, and all get an answer.
 * Method: three real processes run every example in turn on one folder; the history is checked by folds of its own, and what the
 * processes were told is compared with it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openStore, type SequencedEvent } from '../../dist/index.js';
import { aggregateRule, courseRule, invoiceRule, orderRule, priceRule, tokenRule, usernameRule, type Rule } from '../support/example-rules.js';
import { fastRoot } from '../support/folder.js';
import { runWorkers } from '../support/workers.js';

/** How often each answer was given, and how many attempts lost a race. */
type Told = { answers: Record<string, number>; lost: number };

const root = path.resolve(import.meta.dirname, '../..');
const runner = path.join(root, 'docs/examples/run.mjs');
const racers = 3;
let printed: string;
const histories = new Map<string, SequencedEvent[]>();
/** All processes together. */
const told = new Map<string, Told>();

beforeAll(async () => {
  const directory = fs.mkdtempSync(path.join(fastRoot, 'opossum-'));
  try {
    // What users run; it compiles all examples.
    printed = execFileSync(process.execPath, [runner, 'course-subscriptions', path.join(directory, 'shown')], { encoding: 'utf8' });
    const compiled = path.join(root, '.examples');
    const module = path.join(import.meta.dirname, 'fixtures/example-races.mjs');
    const toldEach = await runWorkers<Record<string, Told>>(Array.from({ length: racers }, (_, racer) => ({ job: 'module', module, directory, compiled, racer, racers })));
    for (const name of Object.keys(toldEach[0]!)) {
      const store = await openStore({ directory, context: name });
      histories.set(name, await store.read().toArray());
      await store.close();
      told.set(name, sum(toldEach.map((one) => one[name]!)));
    }
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}, 60_000);

function sum(all: readonly Told[]): Told {
  const total: Told = { answers: {}, lost: 0 };
  for (const { answers, lost } of all) {
    total.lost += lost;
    for (const [answer, count] of Object.entries(answers)) total.answers[answer] = (total.answers[answer] ?? 0) + count;
  }
  return total;
}

const graceOf = (orderId: string): number => Number(orderId.split('-').at(-1));

const examples: [name: string, rule: Rule, rejections: string[]][] = [
  ['course-subscriptions', courseRule, ['course exists already', 'subscribed already', 'course is full', 'student has too many courses']],
  ['unique-username', usernameRule(3), ['username is taken', 'account exists already', 'no such account']],
  ['invoice-number', invoiceRule, []],
  ['dynamic-product-price', priceRule(graceOf), ['product exists already', 'price is not valid']],
  ['event-sourced-aggregate', aggregateRule, ['course exists already', 'subscribed already', 'course is full']],
  ['opt-in-token', tokenRule, ['token was given out before', 'token was used already', 'token has expired']],
  ['prevent-record-duplication', orderRule, ['order was placed already', 'order id is taken']],
];

describe('npm run example', () => {
  test('runs an example on files and tells where they are', () => {
    expect(printed).toMatch(/^ada: subscribed\n[^]*\ncleo: subscribed\n\nIts events are in .*shown\n$/);
  });

  test.each([[['nothing-of-the-kind']], [[]]])('lists the examples when asked for %j', (names) => {
    const { status, stderr } = spawnSync(process.execPath, [runner, ...names], { encoding: 'utf8' });
    expect(status).toBe(2);
    for (const [name] of examples) expect(stderr).toContain(`  ${name}\n`);
  });
});

describe('with several processes', () => {
  test.each(examples)('%s keeps its rule, and everybody gets an answer', (name, rule, rejections) => {
    const history = histories.get(name)!;
    const { answers, lost } = told.get(name)!;
    expect(rule(history)).toEqual([]);
    // What was told is what is stored: nothing was lost, and nothing is there that nobody was told of.
    expect(answers['appended']).toBe(history.length);
    expect(Object.keys(answers)).toEqual(expect.arrayContaining(rejections));
    // It was a race: at least once all but one came too late.
    expect(lost).toBeGreaterThanOrEqual(racers - 1);
  });

  const count = (name: string, type: string, data: object = {}): number => histories.get(name)!.filter((event) => event.type === type && Object.entries(data).every(([key, value]) => (event.data as Record<string, unknown>)[key] === value)).length;

  test('as much succeeds as the rules allow', () => {
    expect(count('course-subscriptions', 'CourseDefined')).toBe(14);
    expect(count('course-subscriptions', 'StudentSubscribedToCourse', { courseId: 'rush' })).toBe(1);
    expect(count('course-subscriptions', 'StudentSubscribedToCourse', { studentId: 'keen' })).toBe(10);
    expect(count('course-subscriptions', 'StudentSubscribedToCourse', { courseId: 'small' })).toBeGreaterThanOrEqual(3);
    expect(count('invoice-number', 'InvoiceCreated')).toBe(8 * racers);
    // Of each order at its own price the one with time to spare, and the others as they come.
    expect(count('dynamic-product-price', 'ProductsOrdered')).toBeGreaterThanOrEqual(4 * racers);
    expect(count('event-sourced-aggregate', 'StudentSubscribedToCourse', { courseId: 'rush' })).toBe(1);
    expect(count('opt-in-token', 'SignUpConfirmed')).toBe(5);
    expect(count('prevent-record-duplication', 'OrderPlaced')).toBe(9);
  });
});
