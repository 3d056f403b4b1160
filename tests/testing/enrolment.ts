/*
 * Handlers that enrol a student in a course with ten seats, written against the bare store: right ones, and wrong ones as people
 * write them. Each command is one student's; nobody may be enrolled twice, and no course overbooked.
 */
import { isOpossumError, matchesQuery, stream, type EventStore, type NewEvent, type Query, type SequencedEvent } from '../../src/index.js';
import type { ActContext } from '../../src/testing/index.js';

export type Enrol = { readonly student: string; readonly request: string };
export type Handler = (store: EventStore, command: Enrol, context: ActContext) => Promise<string>;

const seats = 10;
const course = 'course:c1';

export const enrolled = (student: string, id?: string): NewEvent => ({ type: 'Enrolled', tags: [course, `student:${student}`], data: { student }, ...(id && { id }) });

/** One seat is left. */
export const almostFull: readonly NewEvent[] = [
  { type: 'CourseDefined', tags: [course], data: { seats } },
  ...Array.from({ length: seats - 1 }, (_, i) => enrolled(`early-${i}`)),
].map((event) => ({ ...event, tags: [...(event.tags ?? []), 'stream:c1'] }));

export const ofCourse: Query = { items: [{ types: ['CourseDefined', 'Enrolled'], tags: [course] }] };
const twice = (student: string): Query => ({ items: [{ types: ['Enrolled'], tags: [course, `student:${student}`] }] });

const taken = (events: readonly SequencedEvent[]): number => events.filter(({ type }) => type === 'Enrolled').length;
const isIn = (events: readonly SequencedEvent[], student: string): boolean => events.some((event) => matchesQuery(twice(student), event));
const mayEnrol = (events: readonly SequencedEvent[], student: string): boolean => taken(events) < seats && !isIn(events, student);

const isConflict = (error: unknown): boolean => isOpossumError(error, 'APPEND_CONDITION_FAILED') || isOpossumError(error, 'WRONG_EXPECTED_VERSION');

async function again(attempt: (number: number) => Promise<string>, { sleep, random }: ActContext): Promise<string> {
  for (let number = 1; ; number++) {
    try {
      return await attempt(number);
    } catch (error) {
      if (!isConflict(error) || number === 10) throw error;
      await sleep(random() * 1000 * 2 ** number);
    }
  }
}

export const rightHandlers: Record<string, Handler> = {
  'reads, and appends if nothing came after': (store, { student }, context) =>
    again(async () => {
      const read = store.read(ofCourse);
      if (!mayEnrol(await read.toArray(), student)) return 'no';
      await store.append(enrolled(student), { failIfEventsMatch: ofCourse, after: await read.head() });
      return 'yes';
    }, context),

  'takes the head before it reads': async (store, { student }) => {
    const head = await store.head();
    if (!mayEnrol(await store.read(ofCourse).toArray(), student)) return 'no';
    await store.append(enrolled(student), { failIfEventsMatch: ofCourse, after: head });
    return 'yes';
  },

  'appends under the key of its request': (store, { student, request }, context) =>
    again(async () => {
      const read = store.read(ofCourse);
      if (taken(await read.toArray()) >= seats) return 'no';
      await store.append(enrolled(student, request), { failIfEventsMatch: ofCourse, after: await read.head() });
      return 'yes';
    }, context),

  'appends to the version that it read': (store, { student }, context) =>
    again(async () => {
      const target = stream(store, 'c1');
      const events = await target.read().toArray();
      if (taken(events) >= seats || isIn(events, student)) return 'no';
      await target.append(enrolled(student), { expectedVersion: events.at(-1)?.version ?? 0 });
      return 'yes';
    }, context),
};

export const wrongHandlers: Record<string, Handler> = {
  'no condition at all': async (store, { student }) => {
    if (!mayEnrol(await store.read(ofCourse).toArray(), student)) return 'no';
    await store.append(enrolled(student));
    return 'yes';
  },

  'a condition with a narrower query than was read': (store, { student }, context) =>
    again(async () => {
      const read = store.read(ofCourse);
      if (!mayEnrol(await read.toArray(), student)) return 'no';
      await store.append(enrolled(student), { failIfEventsMatch: twice(student), after: await read.head() });
      return 'yes';
    }, context),

  '"after" from the last event of another query': (store, { student }, context) =>
    again(async () => {
      if (!mayEnrol(await store.read(ofCourse).toArray(), student)) return 'no';
      const last = await store.read({ items: [{ types: ['Enrolled'] }] }, { backwards: true, limit: 1 }).first();
      await store.append(enrolled(student), { failIfEventsMatch: ofCourse, after: last?.position ?? 0 });
      return 'yes';
    }, context),

  'the position read after the events': (store, { student }, context) =>
    again(async () => {
      if (!mayEnrol(await store.read(ofCourse).toArray(), student)) return 'no';
      await store.append(enrolled(student), { failIfEventsMatch: ofCourse, after: await store.head() });
      return 'yes';
    }, context),

  'a retry that does not read afresh': async (store, { student }, context) => {
    const events = await store.read(ofCourse).toArray();
    if (!mayEnrol(events, student)) return 'no';
    let after = events.at(-1)?.position ?? 0;
    return again(async () => {
      try {
        await store.append(enrolled(student), { failIfEventsMatch: ofCourse, after });
      } catch (error) {
        after = await store.head();
        throw error;
      }
      return 'yes';
    }, context);
  },

  'a uniqueness check without a condition': (store, { student }, context) =>
    again(async () => {
      if (await store.read(twice(student)).first()) return 'no';
      const read = store.read(ofCourse);
      if (taken(await read.toArray()) >= seats) return 'no';
      await store.append(enrolled(student));
      return 'yes';
    }, context),

  'check and append in two batches': (store, { student }, context) =>
    again(async () => {
      const read = store.read(ofCourse);
      if (!mayEnrol(await read.toArray(), student)) return 'no';
      await store.append({ type: 'SeatChecked', tags: [course], data: null }, { failIfEventsMatch: ofCourse, after: await read.head() });
      await store.append(enrolled(student));
      return 'yes';
    }, context),

  "a stream append with expectedVersion 'any'": (store, { student }, context) =>
    again(async () => {
      const target = stream(store, 'c1');
      const events = await target.read().toArray();
      if (taken(events) >= seats || isIn(events, student)) return 'no';
      await target.append(enrolled(student), { expectedVersion: 'any' });
      return 'yes';
    }, context),

  // A request that comes a second time is a retry too: whoever sent it did not hear of the first.
  'an idempotency key made anew on each retry': (store, { student }, context) =>
    again(async () => {
      const read = store.read(ofCourse);
      if (taken(await read.toArray()) >= seats) return 'no';
      await store.append(enrolled(student, context.newId()), { failIfEventsMatch: ofCourse, after: await read.head() });
      return 'yes';
    }, context),
};

/** What must hold, in the words of the domain. */
export function broken(history: readonly SequencedEvent[]): string | undefined {
  const students = history.filter(({ type }) => type === 'Enrolled').map(({ data }) => (data as { student: string }).student);
  const double = students.find((student, i) => students.indexOf(student) < i);
  if (double !== undefined) return `${double} is enrolled twice`;
  return students.length > seats ? `${students.length} of ${seats} seats taken` : undefined;
}
