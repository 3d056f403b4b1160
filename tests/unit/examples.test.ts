/* The examples of docs/examples on the memory store: every rule as given, when, then; and what each program prints. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as price from '../../docs/examples/dynamic-product-price.js';
import * as courses from '../../docs/examples/course-subscriptions.js';
import * as aggregate from '../../docs/examples/event-sourced-aggregate.js';
import * as invoice from '../../docs/examples/invoice-number.js';
import * as token from '../../docs/examples/opt-in-token.js';
import * as order from '../../docs/examples/prevent-record-duplication.js';
import * as username from '../../docs/examples/unique-username.js';
import { openMemoryStore, stream, type EventStore, type NewEvent, type SequencedEvent } from '../../src/index.js';
import { aggregateRule, courseRule, invoiceRule, orderRule, priceRule, tokenRule, usernameRule, type Rule } from '../support/example-rules.js';

type Answer = { outcome: string; rejected?: unknown };
type Case = [what: string, given: readonly NewEvent[], when: (store: EventStore) => Promise<Answer>, then: object | string];

const noon = Date.parse('2026-01-31T12:00:00Z');
const minute = 60_000;
const timed = (event: NewEvent, time: number): NewEvent => ({ ...event, timestamp: new Date(time).toISOString() });

/** Then: the data of the one event that was appended, or the reason of the rejection. */
async function check([, given, when, then]: Case): Promise<void> {
  const store = openMemoryStore();
  for (const event of given) await store.append(event);
  const result = await when(store);
  const events = await store.read('all', { after: given.length }).toArray();
  if (typeof then === 'string') {
    expect(result.rejected).toEqual(typeof result.rejected === 'object' ? expect.objectContaining({ reason: then }) : then);
    expect(events).toEqual([]);
  } else {
    expect(result.outcome).toBe('appended');
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject(then);
  }
}

describe('course subscriptions', () => {
  const defined = (capacity: number, courseId = 'c1'): NewEvent => courses.CourseDefined({ courseId, capacity });
  const subscribed = (studentId: string, courseId = 'c1'): NewEvent => courses.StudentSubscribedToCourse({ studentId, courseId });
  const define = (store: EventStore) => courses.defineCourse(store, { courseId: 'c1', capacity: 15 });
  const change = (store: EventStore) => courses.changeCourseCapacity(store, { courseId: 'c1', newCapacity: 15 });
  const subscribe = (store: EventStore) => courses.subscribeStudentToCourse(store, { courseId: 'c1', studentId: 's1' });
  const others = (count: number): NewEvent[] => Array.from({ length: count }, (_, i) => subscribed('s1', `other${i}`));

  test.each<Case>([
    ['a course is defined', [], define, { type: 'CourseDefined', tags: ['course:c1'], data: { courseId: 'c1', capacity: 15 } }],
    ['a course is defined once', [defined(10)], define, 'course exists already'],
    ['the capacity of a course that is not there', [defined(10, 'c2')], change, 'no such course'],
    ['the capacity changes', [defined(10)], change, { type: 'CourseCapacityChanged', data: { courseId: 'c1', newCapacity: 15 } }],
    ['the capacity stays', [defined(10), courses.CourseCapacityChanged({ courseId: 'c1', newCapacity: 15 })], change, 'that is its capacity already'],
    ['the capacity goes below the number of students', [defined(16), ...['a', 'b'].map((id) => subscribed(id))], change, { data: { newCapacity: 15 } }],
    ['no course', [], subscribe, 'no such course'],
    ['a seat', [defined(2), subscribed('s2'), subscribed('s3', 'c2')], subscribe, { type: 'StudentSubscribedToCourse', tags: ['student:s1', 'course:c1'] }],
    ['no seat', [defined(1), subscribed('s2')], subscribe, 'course is full'],
    ['a seat that was added', [defined(1), subscribed('s2'), courses.CourseCapacityChanged({ courseId: 'c1', newCapacity: 2 })], subscribe, { data: { studentId: 's1' } }],
    ['a seat that was taken away', [defined(2), subscribed('s2'), courses.CourseCapacityChanged({ courseId: 'c1', newCapacity: 1 })], subscribe, 'course is full'],
    ['twice in one course', [defined(2), subscribed('s1')], subscribe, 'subscribed already'],
    ['a tenth course', [defined(2), ...others(9)], subscribe, { data: { courseId: 'c1' } }],
    ['an eleventh course', [defined(2), ...others(10)], subscribe, 'student has too many courses'],
  ])('%s', async (...one) => check(one));

  test('a capacity is a whole number above 0', async () => {
    await expect(courses.defineCourse(openMemoryStore(), { courseId: 'c1', capacity: 0 })).rejects.toMatchObject({ code: 'INVALID_INPUT', path: 'CourseDefined.data.capacity' });
  });

  // goal: no order of commands, one after another or at once, breaks the rules.
  // method: random commands on few courses and students in random groups that run at once; the history is checked by a fold of its own.
  test('keep their rules under any commands', async () => {
    const courseId = fc.constantFrom('c1', 'c2', ...Array.from({ length: 10 }, (_, i) => `d${i}`));
    const studentId = fc.constantFrom('s1', 's2', 's3');
    const small = fc.integer({ min: 1, max: 3 });
    const command = fc.oneof(
      { weight: 2, arbitrary: fc.record({ courseId, capacity: small }).map((one) => (store: EventStore) => courses.defineCourse(store, one)) },
      { weight: 1, arbitrary: fc.record({ courseId, newCapacity: small }).map((one) => (store: EventStore) => courses.changeCourseCapacity(store, one)) },
      { weight: 4, arbitrary: fc.record({ courseId, studentId }).map((one) => (store: EventStore) => courses.subscribeStudentToCourse(store, one)) },
    );
    const seen = new Set<unknown>();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(command, { minLength: 1, maxLength: 4 }), { maxLength: 25, size: 'max' }), async (groups) => {
        const store = openMemoryStore();
        for (const group of groups) {
          const results = await Promise.all(group.map((run) => run(store)));
          for (const result of results) seen.add('rejected' in result ? result.rejected : result.outcome);
        }
        expect(courseRule(await store.read().toArray())).toEqual([]);
      }),
      { numRuns: 60 },
    );
    // Commands that are all refused for one reason would prove nothing.
    expect(seen.size).toBeGreaterThanOrEqual(5);
  });
});

describe('unique username', () => {
  const day = 24 * 60 * minute;
  const rules = { now: () => noon };
  const registered = (accountId: string, name: string): NewEvent => timed(username.AccountRegistered({ accountId, username: name }), noon - 9 * day);
  const changed = (age: number): NewEvent => timed(username.UsernameChanged({ accountId: 'a1', oldUsername: 'u1', newUsername: 'u2' }), noon - age);
  const closed = (age: number): NewEvent => timed(username.AccountClosed({ accountId: 'a1', username: 'u1' }), noon - age);
  const register = (name: string, more = {}) => (store: EventStore) => username.registerAccount(store, { accountId: 'a9', username: name }, { ...rules, ...more });
  const change = (newUsername: string) => (store: EventStore) => username.changeUsername(store, { accountId: 'a1', newUsername }, rules);
  const close = (store: EventStore) => username.closeAccount(store, { accountId: 'a1' }, rules);
  const taken = 'username is taken';
  const got = { type: 'AccountRegistered', data: { accountId: 'a9' } };

  test.each<Case>([
    ['a free username', [registered('a1', 'u1')], register('u2'), { ...got, tags: ['account:a9', 'username:u2'] }],
    ['a claimed username', [registered('a1', 'u1')], register('u1'), taken],
    ['in another spelling', [registered('a1', 'u1')], register('U1'), taken],
    ['an account that is there', [registered('a9', 'u1')], register('u2'), 'account exists already'],
    ['of an account closed lately', [registered('a1', 'u1'), closed(3 * day)], register('u1'), taken],
    ['of an account closed long ago', [registered('a1', 'u1'), closed(3 * day + 1)], register('u1'), got],
    ['changed lately', [registered('a1', 'u1'), changed(3 * day)], register('u1'), taken],
    ['changed long ago', [registered('a1', 'u1'), changed(3 * day + 1)], register('u1'), got],
    ['with another retention', [registered('a1', 'u1'), changed(5)], register('u1', { retentionMs: 4 }), got],
    ['that somebody changed to', [registered('a1', 'u1'), changed(9 * day)], register('u2'), taken],
    ['a change', [registered('a1', 'u1')], change('u2'), { type: 'UsernameChanged', tags: ['account:a1', 'username:u1', 'username:u2'] }],
    ['a change of spelling', [registered('a1', 'u1')], change('U1'), { data: { oldUsername: 'u1', newUsername: 'U1' }, tags: ['account:a1', 'username:u1'] }],
    ['a change to what it is', [registered('a1', 'u1')], change('u1'), 'that is the username already'],
    ['a change to what is taken', [registered('a1', 'u1'), registered('a2', 'u2')], change('u2'), taken],
    ['a change without account', [registered('a1', 'u1'), closed(day)], change('u2'), 'no such account'],
    ['an account is closed', [registered('a1', 'u1'), changed(day)], close, { type: 'AccountClosed', data: { accountId: 'a1', username: 'u2' } }],
    ['an account is closed once', [registered('a1', 'u1'), closed(day)], close, 'no such account'],
    ['a closed account comes back', [registered('a9', 'u1'), timed(username.AccountClosed({ accountId: 'a9', username: 'u1' }), noon - 9 * day)], register('u1'), 'account exists already'],
  ])('%s', async (...one) => check(one));
});

describe('invoice number', () => {
  const created = (invoiceNumber: number): NewEvent => invoice.InvoiceCreated({ invoiceNumber, customer: 'a', cents: 1 });
  const create = (store: EventStore) => invoice.createInvoice(store, { customer: 'b', cents: 2 });
  const fromLast = async (store: EventStore) => ({ outcome: 'appended', ...(await invoice.createInvoiceFromLast(store, { customer: 'b', cents: 2 })) });

  test.each<Case>([
    ['the first', [], create, { tags: ['invoice:1'], data: { invoiceNumber: 1, customer: 'b', cents: 2 } }],
    ['the next', [created(1), { type: 'Other', data: null }, created(2)], create, { data: { invoiceNumber: 3 } }],
    ['the first, from the last', [], fromLast, { data: { invoiceNumber: 1, customer: 'b', cents: 2 } }],
    ['the next, from the last', [created(1), created(2), { type: 'Other', data: null }], fromLast, { data: { invoiceNumber: 3 } }],
  ])('%s', async (...one) => check(one));

  test('many at once, in both ways', async () => {
    const store = openMemoryStore();
    const made = Array.from({ length: 6 }, (_, i) => (i % 2 ? fromLast : create)(store));
    await Promise.all(made);
    const history = await store.read().toArray();
    expect(history).toHaveLength(6);
    expect(invoiceRule(history)).toEqual([]);
  });
});

describe('dynamic product price', () => {
  const now = (): number => noon;
  const defined = (productId: string, cents: number): NewEvent => timed(price.ProductDefined({ productId, price: cents }), noon - 60 * minute);
  const changed = (newPrice: number, age: number): NewEvent => timed(price.ProductPriceChanged({ productId: 'p1', newPrice }), noon - age);
  const buy = (prices: Record<string, number>, more = {}) => (store: EventStore) =>
    price.orderProducts(store, { orderId: 'o1', items: Object.entries(prices).map(([productId, displayedPrice]) => ({ productId, displayedPrice })) }, { now, ...more });
  const define = (store: EventStore) => price.defineProduct(store, { productId: 'p1', price: 5 }, { now });
  const change = (store: EventStore) => price.changeProductPrice(store, { productId: 'p1', newPrice: 134 }, { now });
  const invalid = 'price is not valid';

  test.each<Case>([
    ['a product is defined', [], define, { type: 'ProductDefined', data: { productId: 'p1', price: 5 }, timestamp: '2026-01-31T12:00:00.000Z' }],
    ['a product is defined once', [defined('p1', 123)], define, 'product exists already'],
    ['a price changes', [defined('p1', 123)], change, { type: 'ProductPriceChanged', data: { newPrice: 134 } }],
    ['a price changes to what it is', [defined('p1', 123), changed(134, 5)], change, 'that is its price already'],
    ['a price of no product', [], change, 'no such product'],
    ['the first price', [defined('p1', 123)], buy({ p1: 123 }), { type: 'ProductsOrdered', tags: ['order:o1', 'product:p1'], data: { items: [{ productId: 'p1', price: 123 }] } }],
    ['a price that never was', [defined('p1', 123)], buy({ p1: 100 }), invalid],
    ['no product', [defined('p1', 123)], buy({ p1: 123, p9: 1 }), 'no such product'],
    ['a price changed ten minutes ago', [defined('p1', 123), changed(134, 10 * minute)], buy({ p1: 123 }), { data: { items: [{ price: 123 }] } }],
    ['a price changed longer ago', [defined('p1', 123), changed(134, 10 * minute + 1)], buy({ p1: 123 }), invalid],
    ['another grace period', [defined('p1', 123), changed(134, 2)], buy({ p1: 123 }, { graceMs: 1 }), invalid],
    ['the new price', [defined('p1', 123), changed(134, 1)], buy({ p1: 134 }), { data: { items: [{ price: 134 }] } }],
    ['two changes within the grace period', [defined('p1', 123), changed(134, 9 * minute), changed(145, minute)], buy({ p1: 123 }), { data: { items: [{ price: 123 }] } }],
    ['the price before the last, too old', [defined('p1', 123), changed(134, 20 * minute), changed(145, minute)], buy({ p1: 123 }), invalid],
    ['several products', [defined('p1', 123), changed(134, minute), defined('p2', 321)], buy({ p1: 123, p2: 321 }), { tags: ['order:o1', 'product:p1', 'product:p2'] }],
    ['several products, one at a wrong price', [defined('p1', 123), defined('p2', 321)], buy({ p1: 123, p2: 320 }), invalid],
  ])('%s', async (...one) => check(one));

  test('an order holds a product', async () => {
    await expect(buy({})(openMemoryStore())).rejects.toMatchObject({ code: 'INVALID_INPUT' });
  });
});

describe('event-sourced aggregate', () => {
  const tags = ['stream:course-c1'];
  const defined = (capacity: number): NewEvent => ({ ...aggregate.CourseDefined({ courseId: 'c1', title: 'A', capacity }), tags });
  const subscribed = (studentId: string): NewEvent => ({ ...aggregate.StudentSubscribedToCourse({ courseId: 'c1', studentId }), tags });
  const create = (store: EventStore) => aggregate.createCourse(store, { courseId: 'c1', title: 'B', capacity: 9 });
  const change = (store: EventStore) => aggregate.changeCapacity(store, { courseId: 'c1', newCapacity: 2 });
  const subscribe = (store: EventStore) => aggregate.subscribeStudent(store, { courseId: 'c1', studentId: 's1' });

  test.each<Case>([
    ['a course is created', [], create, { type: 'CourseDefined', tags, data: { courseId: 'c1', title: 'B', capacity: 9 } }],
    ['a course is created once', [defined(1)], create, 'course exists already'],
    ['the capacity changes', [defined(1)], change, { type: 'CourseCapacityChanged', tags, data: { newCapacity: 2 } }],
    ['the capacity stays', [defined(2)], change, 'that is its capacity already'],
    ['the capacity of no course', [], change, 'no such course'],
    ['the capacity falls to the number of students', [defined(3), subscribed('a'), subscribed('b')], change, { data: { newCapacity: 2 } }],
    ['the capacity falls below it', [defined(3), subscribed('a'), subscribed('b'), subscribed('c')], change, 'more students than that'],
    ['a seat', [defined(2), subscribed('a')], subscribe, { type: 'StudentSubscribedToCourse', tags, data: { studentId: 's1' } }],
    ['no seat', [defined(1), subscribed('a')], subscribe, 'course is full'],
    ['twice', [defined(2), subscribed('s1')], subscribe, 'subscribed already'],
    ['no course', [], subscribe, 'no such course'],
  ])('%s', async (...one) => check(one));

  test('is a stream with versions', async () => {
    const store = openMemoryStore();
    await create(store);
    await expect(subscribe(store)).resolves.toMatchObject({ version: 2 });
    expect((await stream(store, 'course-c1').read().toArray()).map(({ version }) => version)).toEqual([1, 2]);
  });
});

describe('opt-in token', () => {
  const sent = (emailAddress: string, code: string, age = 0): NewEvent => timed(token.SignUpInitiated({ emailAddress, token: code, name: 'A' }), noon - age);
  const used = (emailAddress: string, code: string): NewEvent => token.SignUpConfirmed({ emailAddress, token: code, name: 'A' });
  const initiate = (store: EventStore) => token.initiateSignUp(store, { emailAddress: 'a@x.org', token: '1', name: 'A' }, { now: () => noon });
  const confirm = (store: EventStore, more = {}) => token.confirmSignUp(store, { emailAddress: 'a@x.org', token: '1' }, { now: () => noon, ...more });
  const hour = 60 * minute;

  test.each<Case>([
    ['a token is given out', [sent('a@x.org', '2')], initiate, { type: 'SignUpInitiated', tags: ['email:a@x.org', 'token:1'] }],
    ['a token is given out once', [sent('a@x.org', '1', 3 * hour)], initiate, 'token was given out before'],
    ['an address signs up once', [sent('a@x.org', '2'), used('a@x.org', '2')], initiate, 'signed up already'],
    ['a token comes back', [sent('a@x.org', '1', hour)], confirm, { type: 'SignUpConfirmed', data: { emailAddress: 'a@x.org', token: '1', name: 'A' } }],
    ['to the address in another spelling', [sent('A@X.org', '1')], confirm, { type: 'SignUpConfirmed' }],
    ['a token that never was', [sent('a@x.org', '2')], confirm, 'no such sign-up'],
    ['a token of another address', [sent('b@x.org', '1')], confirm, 'no such sign-up'],
    ['a token that was used', [sent('a@x.org', '1'), used('a@x.org', '1')], confirm, 'token was used already'],
    ['a second token of one address', [sent('a@x.org', '1'), sent('a@x.org', '2'), used('a@x.org', '2')], confirm, 'signed up already'],
    ['a token that has expired', [sent('a@x.org', '1', hour + 1)], confirm, 'token has expired'],
    ['another lifetime', [sent('a@x.org', '1', 2)], (store) => confirm(store, { lifetimeMs: 1 }), 'token has expired'],
  ])('%s', async (...one) => check(one));
});

describe('prevent record duplication', () => {
  const placed = order.OrderPlaced({ orderId: 'o1', idempotencyToken: 't1', cents: 5 });
  const place = (orderId: string, idempotencyToken: string) => (store: EventStore) => order.placeOrder(store, { orderId, idempotencyToken, cents: 5 });

  test.each<Case>([
    ['a new token', [placed], place('o2', 't2'), { type: 'OrderPlaced', tags: ['order:o2', 'idempotency:t2'] }],
    ['a token that was used', [placed], place('o2', 't1'), 'order was placed already'],
    ['an order id that was used', [placed], place('o1', 't2'), 'order id is taken'],
  ])('%s', async (...one) => check(one));

  test('a repetition learns which order it repeats', async () => {
    const store = openMemoryStore();
    await store.append(placed);
    await expect(place('o2', 't1')(store)).resolves.toMatchObject({ outcome: 'rejected', state: { placedBefore: 'o1' } });
  });
});

describe('the programs', () => {
  test.each([
    ['course-subscriptions', courses, ['ada: subscribed', 'ada: subscribed already', 'ben: subscribed', 'cleo: course is full', 'one more seat', 'cleo: subscribed']],
    ['unique-username', username, ['a1 as Ada: registered', 'a2 as ada: username is taken', 'a1 is Lovelace now', 'a2 as ada: username is taken', 'three days later', 'a2 as ada: registered']],
    ['invoice-number', invoice, ['three invoices at once', 'the next one is number 4', 'all of them: 1, 2, 3, 4']],
    ['dynamic-product-price', price, ['o1: ordered', 'the tent costs more now', 'o2: ordered', 'ten minutes later', 'o3: price is not valid (tent)', 'o4: ordered']],
    ['event-sourced-aggregate', aggregate, ['create with 2 seats: version 1', 'create again: course exists already', 'subscribe ada: version 2', 'subscribe ben: version 3', 'subscribe cleo: course is full', 'change to 1 seat: more students than that', 'change to 3 seats: version 4', 'subscribe cleo: version 5']],
    ['opt-in-token', token, ['ben@example.com with 111111: no such sign-up', 'ada@example.com with 111111: signed up', 'ada@example.com with 111111: token was used already', 'an hour later', 'ben@example.com with 222222: token has expired']],
    ['prevent-record-duplication', order, ['form-1: placed as o1', 'form-1: order was placed already, as o1', 'form-2: placed as o3']],
  ])('%s prints what happens', async (_, { main }, expected) => {
    const lines: string[] = [];
    await main(openMemoryStore(), (line) => lines.push(line));
    expect(lines).toEqual(expected);
  });
});

// The folds that judge the races must be able to say no.
describe('the rules', () => {
  const seats = (id: string, capacity: number): NewEvent => ({ type: 'CourseDefined', data: { courseId: id, capacity }, tags: [`stream:course-${id}`] });
  const joins = (courseId: string, studentId: string): NewEvent => ({ type: 'StudentSubscribedToCourse', data: { courseId, studentId }, tags: [`stream:course-${courseId}`] });
  const named = (accountId: string, name: string): NewEvent => timed({ type: 'AccountRegistered', data: { accountId, username: name } }, noon);
  const closes = (accountId: string): NewEvent => timed({ type: 'AccountClosed', data: { accountId } }, noon);
  const number = (invoiceNumber: number): NewEvent => ({ type: 'InvoiceCreated', data: { invoiceNumber } });
  const orders = (cents: number): NewEvent => timed({ type: 'ProductsOrdered', data: { orderId: 'o', items: [{ productId: 'p', price: cents }] } }, noon + 2);
  const costs = (type: string, cents: number): NewEvent => timed({ type, data: type === 'ProductDefined' ? { productId: 'p', price: cents } : { productId: 'p', newPrice: cents } }, noon);
  const mail = (type: string, code: string, time = noon): NewEvent => timed({ type, data: { emailAddress: 'a@x.org', token: code } }, time);
  const places = (orderId: string, idempotencyToken: string): NewEvent => ({ type: 'OrderPlaced', data: { orderId, idempotencyToken } });

  test.each<[Rule, NewEvent[], string]>([
    [courseRule, [seats('c', 1), joins('c', 'a'), joins('c', 'b')], 'more students than seats'],
    [courseRule, [seats('c', 9), joins('c', 'a'), joins('c', 'a')], 'twice'],
    [courseRule, [seats('c', 9), seats('c', 9)], 'before'],
    [courseRule, Array.from({ length: 11 }, (_, i) => [seats(`c${i}`, 9), joins(`c${i}`, 'a')]).flat(), 'more than ten'],
    [usernameRule(5), [named('a', 'u'), named('b', 'U')], 'two owners'],
    [usernameRule(5), [named('a', 'u'), closes('a'), named('b', 'u')], 'too short'],
    [invoiceRule, [number(1), number(3)], 'number 3'],
    [invoiceRule, [number(1), number(1)], 'number 1'],
    [priceRule(() => 1), [costs('ProductDefined', 1), costs('ProductPriceChanged', 2), orders(1)], 'no price'],
    [priceRule(() => 1), [costs('ProductDefined', 1), orders(3)], 'no price'],
    [aggregateRule, [seats('c', 1), joins('c', 'a'), joins('c', 'b')], 'more students than seats'],
    [aggregateRule, [seats('c', 3), joins('c', 'a'), joins('c', 'a')], 'twice'],
    [tokenRule, [mail('SignUpInitiated', '1'), mail('SignUpConfirmed', '1'), mail('SignUpConfirmed', '1')], 'used twice'],
    [tokenRule, [mail('SignUpInitiated', '1'), mail('SignUpInitiated', '2'), mail('SignUpConfirmed', '1'), mail('SignUpConfirmed', '2')], 'signed up twice'],
    [tokenRule, [mail('SignUpInitiated', '1'), mail('SignUpConfirmed', '1', noon + 60 * minute + 1)], 'expired'],
    [tokenRule, [mail('SignUpConfirmed', '1')], 'never was'],
    [orderRule, [places('o1', 't1'), places('o2', 't1')], 'token t1'],
    [orderRule, [places('o1', 't1'), places('o1', 't2')], 'order o1'],
  ])('find what breaks them (%#)', async (rule, events, problem) => {
    const store = openMemoryStore();
    await store.append(events);
    const history: SequencedEvent[] = await store.read().toArray();
    expect(rule(history.slice(0, -1))).toEqual([]);
    expect(rule(history)).toEqual([expect.stringContaining(problem)]);
  });
});
