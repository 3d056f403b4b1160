/*
 * goal: the handlers of docs/examples keep their rules in whatever order their calls happen.
 * method: each is explored with random commands, its rule checked by a fold of its own that looks at every commit. EXPLORE_RUNS=10000 tries
 * more than the 1,000 runs of `npm test`.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as courses from '../../docs/examples/course-subscriptions.js';
import * as price from '../../docs/examples/dynamic-product-price.js';
import * as aggregate from '../../docs/examples/event-sourced-aggregate.js';
import * as invoice from '../../docs/examples/invoice-number.js';
import * as token from '../../docs/examples/opt-in-token.js';
import * as order from '../../docs/examples/prevent-record-duplication.js';
import * as username from '../../docs/examples/unique-username.js';
import type { EventStore, NewEvent } from '../../src/index.js';
import { explore, type ActContext } from '../../src/testing/index.js';
import { aggregateRule, courseRule, invoiceRule, orderRule, priceRule, tokenRule, usernameRule, type Rule } from '../support/example-rules.js';
import { storeCalls } from '../support/store-calls.js';

const runs = Number(process.env['EXPLORE_RUNS'] ?? 1000);

/** What a command does, said at once: which handler, with what. */
type Command = { readonly says: string; run(store: EventStore, context: ActContext): Promise<unknown> };
type Example = { given: readonly NewEvent[]; commands: fc.Arbitrary<Command>; rule: Rule };

const minute = 60_000;
const stamp = '2026-01-01T00:00:00.000Z';
const some = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
/** Commands that come at different times: some wait first. */
const timed = (command: fc.Arbitrary<Command>, ...waitsMs: number[]): fc.Arbitrary<Command> =>
  fc.tuple(command, some(0, ...waitsMs)).map(([{ says, run }, waitMs]) => ({
    says: `${says} after ${waitMs} ms`,
    run: async (store, context) => {
      await context.sleep(waitMs);
      return run(store, context);
    },
  }));
const command = <Values>(says: string, values: fc.Arbitrary<Values>, run: (store: EventStore, values: Values, context: ActContext) => Promise<unknown>): fc.Arbitrary<Command> =>
  values.map((one) => ({ says: `${says} ${JSON.stringify(one)}`, run: (store, context) => run(store, one, context) }));

const studentId = some('ada', 'ben', 'cleo');
const courseId = some('c1', 'c2');
const accountId = some('a1', 'a2', 'a3');
const inStream = (event: NewEvent): NewEvent => ({ ...event, tags: ['stream:course-c1'] });

const examples: Record<string, Example> = {
  'course subscriptions': {
    given: [
      ...['c1', 'c2'].map((id) => courses.CourseDefined({ courseId: id, capacity: 2 })),
      courses.StudentSubscribedToCourse({ courseId: 'c1', studentId: 'early' }),
      // Ada may join one course more.
      ...Array.from({ length: 9 }, (_, i) => [courses.CourseDefined({ courseId: `other${i}`, capacity: 1 }), courses.StudentSubscribedToCourse({ courseId: `other${i}`, studentId: 'ada' })]).flat(),
    ],
    commands: fc.oneof(
      { weight: 5, arbitrary: command('subscribe', fc.record({ studentId, courseId }), courses.subscribeStudentToCourse) },
      { weight: 1, arbitrary: command('define', fc.record({ courseId: some('c3'), capacity: some(1) }), courses.defineCourse) },
      { weight: 1, arbitrary: command('change', fc.record({ courseId, newCapacity: some(3, 4) }), courses.changeCourseCapacity) },
    ),
    rule: courseRule,
  },
  'dynamic product price': {
    given: [price.ProductDefined({ productId: 'p1', price: 1 }, { timestamp: stamp }), price.ProductDefined({ productId: 'p2', price: 1 }, { timestamp: stamp })],
    commands: timed(
      fc.oneof(
        command('change', fc.record({ productId: some('p1', 'p2'), newPrice: some(1, 2) }), price.changeProductPrice),
        // Orders and changes cannot hurt each other: a price that was valid when an order was decided holds for ten minutes more.
        command('define', fc.record({ productId: some('p3'), price: some(1) }), price.defineProduct),
        command(
          'order',
          fc.record({ orderId: fc.uuid(), items: fc.uniqueArray(fc.record({ productId: some('p1', 'p2'), displayedPrice: some(1, 2) }), { minLength: 1, selector: (item) => item.productId }) }),
          price.orderProducts,
        ),
      ),
      8 * minute,
      12 * minute,
    ),
    rule: priceRule(() => price.tenMinutes),
  },
  'event-sourced aggregate': {
    given: [aggregate.CourseDefined({ courseId: 'c1', title: 'A', capacity: 2 }), aggregate.StudentSubscribedToCourse({ courseId: 'c1', studentId: 'early' })].map(inStream),
    commands: fc.oneof(
      { weight: 4, arbitrary: command('subscribe', fc.record({ courseId: some('c1'), studentId }), aggregate.subscribeStudent) },
      { weight: 1, arbitrary: command('change', fc.record({ courseId: some('c1'), newCapacity: some(1, 3) }), aggregate.changeCapacity) },
      { weight: 1, arbitrary: command('create', fc.record({ courseId, title: some('B'), capacity: some(1) }), aggregate.createCourse) },
    ),
    rule: aggregateRule,
  },
  'invoice number': {
    given: [invoice.InvoiceCreated({ invoiceNumber: 1, customer: 'first', cents: 1 })],
    commands: fc.oneof(
      command('create', fc.record({ customer: some('ada'), cents: fc.nat() }), invoice.createInvoice),
      command('create from last', fc.record({ customer: some('ben'), cents: fc.nat() }), invoice.createInvoiceFromLast),
    ),
    rule: invoiceRule,
  },
  'opt-in token': {
    given: ['1', '2'].map((code) => token.SignUpInitiated({ emailAddress: 'a@x.org', token: code, name: 'A' }, { timestamp: stamp })),
    commands: timed(
      fc.oneof(
        command('initiate', fc.record({ emailAddress: some('a@x.org', 'A@x.org'), token: some('1', '3'), name: some('A') }), token.initiateSignUp),
        command('confirm', fc.record({ emailAddress: some('a@x.org', 'A@x.org'), token: some('1', '2', '3') }), token.confirmSignUp),
      ),
      40 * minute,
      70 * minute,
    ),
    rule: tokenRule,
  },
  'prevent record duplication': {
    given: [order.OrderPlaced({ orderId: 'o0', idempotencyToken: 't0', cents: 1 })],
    commands: command('place', fc.record({ orderId: some('o1', 'o2', 'o3'), idempotencyToken: some('t0', 't1', 't2'), cents: some(1) }), order.placeOrder),
    rule: orderRule,
  },
  'unique username': {
    given: [username.AccountRegistered({ accountId: 'a1', username: 'Ada' }, { timestamp: stamp })],
    commands: timed(
      fc.oneof(
        command('register', fc.record({ accountId, username: some('ada', 'Ben') }), username.registerAccount),
        command('change', fc.record({ accountId, newUsername: some('Ada', 'ben', 'cleo') }), username.changeUsername),
        command('close', fc.record({ accountId }), username.closeAccount),
      ),
      2 * 24 * 60 * minute,
      4 * 24 * 60 * minute,
    ),
    rule: usernameRule(username.threeDays),
  },
};

const exploring = ({ given, commands, rule }: Example) => ({
  given,
  commands,
  act: (store: EventStore, { run }: Command, context: ActContext) => run(store, context),
  invariant: (history: Parameters<Rule>[0]) => rule(history)[0],
  label: ({ says }: Command) => says,
});

describe.each(Object.entries(examples))('%s', (_, example) => {
  test('keeps its rule', { timeout: runs * 100 }, async () => {
    let appended = 0;
    const { invariant, ...rest } = exploring(example);
    const counting = (history: Parameters<Rule>[0]) => {
      appended += history.length - example.given.length;
      return invariant(history);
    };
    const report = await explore({ ...rest, invariant: counting, runs, timeLimitMs: runs * 100 });
    expect(report.runs).toBe(runs);
    // Else nothing was put to the test.
    expect(appended).toBeGreaterThan(runs / 2);
  });

  test('is caught when conditions are ignored', async () => {
    const { act, ...rest } = exploring(example);
    const careless = (store: EventStore, command: Command, context: ActContext) =>
      act({ ...storeCalls(store), append: (events, _condition, options) => store.append(events, undefined, options) }, command, context);
    await expect(explore({ ...rest, act: careless, timeLimitMs: 20_000 })).rejects.toThrow('✗');
  });
});
