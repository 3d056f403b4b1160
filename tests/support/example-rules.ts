/*
 * The rules of the examples, checked on a history by plain folds that share nothing with the examples' models.
 * Each returns what is wrong, in words; an empty list when the rule was kept.
 */
import type { SequencedEvent } from '../../src/index.js';

export type Rule = (history: readonly SequencedEvent[]) => string[];

type Data = Record<string, unknown>;

/** Walks through the events in order; `look` says what is wrong with one. */
const walk = (look: (event: SequencedEvent, data: Data, time: number) => string | false | undefined): Rule => {
  return (history) =>
    history.flatMap((event) => {
      const problem = look(event, event.data as Data, Date.parse(event.timestamp));
      return problem ? [`event ${event.position}: ${problem}`] : [];
    });
};

/** For a rule that needs memory: a fresh one for each history. */
const remembering = (begin: () => Rule): Rule => (history) => begin()(history);

export const courseRule = remembering(() => {
  const seats = new Map<unknown, number>();
  const studentsOf = new Map<unknown, unknown[]>();
  const coursesOf = new Map<unknown, number>();
  return walk(({ type }, { courseId, studentId, capacity, newCapacity }) => {
    if (type === 'CourseDefined') {
      if (seats.has(courseId)) return 'the course was defined before';
      seats.set(courseId, Number(capacity));
    } else if (type === 'CourseCapacityChanged') {
      if (!seats.has(courseId) || seats.get(courseId) === newCapacity) return 'no change of a course';
      seats.set(courseId, Number(newCapacity));
    } else {
      const students = studentsOf.get(courseId) ?? [];
      const courses = (coursesOf.get(studentId) ?? 0) + 1;
      if (students.includes(studentId)) return 'the student is in the course twice';
      if (students.length + 1 > (seats.get(courseId) ?? 0)) return 'more students than seats';
      if (courses > 10) return 'more than ten courses';
      studentsOf.set(courseId, [...students, studentId]);
      coursesOf.set(studentId, courses);
    }
    return undefined;
  });
});

export const usernameRule = (retentionMs: number): Rule =>
  remembering(() => {
    const owners = new Map<string, unknown>();
    const freeFrom = new Map<string, number>();
    const nameOf = new Map<unknown, string>();
    const give = (name: string, time: number): void => void (owners.delete(name), freeFrom.set(name, time + retentionMs));
    return walk(({ type }, data, time) => {
      const { accountId } = data;
      const old = nameOf.get(accountId);
      if (type === 'AccountClosed') {
        if (old === undefined) return 'no such account';
        give(old, time);
        nameOf.delete(accountId);
        return undefined;
      }
      const name = String(type === 'UsernameChanged' ? data['newUsername'] : data['username']).toLowerCase();
      if ((type === 'UsernameChanged') !== (old !== undefined)) return 'the account is not what it must be';
      if (owners.has(name) && owners.get(name) !== accountId) return `two owners of ${name}`;
      if (!owners.has(name) && time <= (freeFrom.get(name) ?? -Infinity)) return `${name} was given up too short a time ago`;
      if (old !== undefined && old !== name) give(old, time);
      owners.set(name, accountId);
      nameOf.set(accountId, name);
      return undefined;
    });
  });

export const invoiceRule = remembering(() => {
  let count = 0;
  return walk((_, { invoiceNumber }) => invoiceNumber !== ++count && `number ${invoiceNumber} in place ${count}`);
});

/** `graceMsOf` says how long old prices hold for an order, by its id. */
export const priceRule = (graceMsOf: (orderId: string) => number): Rule =>
  remembering(() => {
    const prices = new Map<unknown, { price: unknown; until: number }[]>();
    return walk(({ type }, data, time) => {
      if (type !== 'ProductsOrdered') {
        const before = prices.get(data['productId']) ?? [];
        if ((before.length === 0) !== (type === 'ProductDefined')) return 'the product is not what it must be';
        const last = before.at(-1);
        if (last) last.until = time;
        prices.set(data['productId'], [...before, { price: data['price'] ?? data['newPrice'], until: Infinity }]);
        return undefined;
      }
      const graceMs = graceMsOf(String(data['orderId']));
      const wrong = (data['items'] as { productId: string; price: number }[]).find(
        (item) => !(prices.get(item.productId) ?? []).some(({ price, until }) => price === item.price && time <= until + graceMs),
      );
      return wrong && `${wrong.price} is no price of ${wrong.productId}`;
    });
  });

export const aggregateRule = remembering(() => {
  const courses = new Map<unknown, { seats: number; students: unknown[] }>();
  return walk(({ type, tags }, { courseId, capacity, newCapacity, studentId }) => {
    if (tags.join() !== `stream:course-${String(courseId)}`) return 'not in the stream of its course';
    const course = courses.get(courseId);
    if ((course === undefined) !== (type === 'CourseDefined')) return 'the course is not what it must be';
    const { seats, students } = course ?? { seats: Number(capacity), students: [] };
    if (type === 'StudentSubscribedToCourse' && students.includes(studentId)) return 'the student is in the course twice';
    const next = type === 'StudentSubscribedToCourse' ? { seats, students: [...students, studentId] } : { seats: Number(newCapacity ?? seats), students };
    courses.set(courseId, next);
    return next.students.length > next.seats && 'more students than seats';
  });
});

export const tokenRule = remembering(() => {
  const sent = new Map<string, number>();
  const used = new Set<string>();
  const signedUp = new Set<string>();
  return walk(({ type }, { emailAddress, token }, time) => {
    const address = String(emailAddress).toLowerCase();
    const key = `${address} ${String(token)}`;
    if (type === 'SignUpInitiated') {
      if (sent.has(key)) return 'the token was given out twice';
      sent.set(key, time);
      return undefined;
    }
    if (used.has(key)) return 'the token was used twice';
    if (signedUp.has(address)) return 'the address signed up twice';
    used.add(key);
    signedUp.add(address);
    return !(time - (sent.get(key) ?? -Infinity) <= 60 * 60 * 1000) && 'the token had expired, or never was';
  });
});

export const orderRule = remembering(() => {
  const seen = new Set<string>();
  return walk((_, { orderId, idempotencyToken }) => {
    const keys = [`order ${String(orderId)}`, `token ${String(idempotencyToken)}`];
    const double = keys.find((key) => seen.has(key));
    for (const key of keys) seen.add(key);
    return double && `${double} is there twice`;
  });
});
