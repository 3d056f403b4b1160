/*
 * The events that every rival stores: courses and students, about 300 bytes of JSON each, two or three tags, Zipf.
 * The same size gives the same events in every process and on every machine, and some of them are planted, spread over the
 * whole store, so that a query's number of results is known beforehand.
 */

/** How often the planted tags occur. */
export const taggedEvents = 100;
export const twiceTaggedEvents = 10;
export const decisionEvents = 20;

/** A tenth of all events has this type. */
export const tenthType = 'StudentWaitlisted';
/** Occurs near the beginning of a store only, so that its last event lies far back. */
const earlyType = 'TermOpened';
const commonTypes = [
  ['StudentEnrolled', 50],
  ['LessonAttended', 24],
  ['GradeGiven', 12],
  ['StudentWithdrew', 8],
  ['CourseDefined', 4],
  ['CourseCapacityChanged', 2],
];

/** @param {number} size */
export const needleCount = (size) => Math.max(1, Math.min(10, Math.floor(size / 1000)));
/** @param {number} size */
export const decisionCount = (size) => Math.min(1500, Math.floor((size * 0.3) / decisionEvents));

/** @param {number} n */
export const needleTag = (n) => `course:needle-${n}`;
/** @param {number} n */
export const secondNeedleTag = (n) => `student:needle-${n}`;

/**
 * What decision `n` reads, and what its append must not conflict with: 20 events by two items.
 * @param {number} n
 */
export const decisionQuery = (n) => ({
  items: [
    { types: ['CourseDefined', 'StudentEnrolled'], tags: [`course:decision-${n}`] },
    { types: ['StudentEnrolled', 'StudentWithdrew'], tags: [`student:decision-${n}`] },
  ],
});

/**
 * The events of a store of this size, one after another: ten million of them at once would take more memory than there is.
 * @param {number} size at least 600
 */
export function* makeEvents(size) {
  const random = randomNumbers(20261121);
  const roles = assignRoles(size, random);
  const course = zipf(1000, random);
  const student = zipf(Math.max(100, size / 10), random);
  const type = weighted(commonTypes, random);
  for (let i = 0; i < size; i++) yield makeEvent(i, roles[i] ?? {}, { course: `c${course()}`, student: `s${student()}`, type: type() }, random);
}

/**
 * An event for stores that are filled while the clock runs: student `n` enrols, which nobody else does.
 * @param {string} student
 * @param {number} n
 */
export const enrolment = (student, n) => makeEvent(n, {}, { course: `c${n % 97}`, student, type: 'StudentEnrolled' }, () => 0.5);

/**
 * The condition that goes with `enrolment`: the student is not yet in that course.
 * @param {ReturnType<typeof enrolment>} event
 * @param {number} after
 */
export const notEnrolledYet = (event, after) => ({ failIfEventsMatch: { items: [{ types: ['StudentEnrolled'], tags: event.tags.slice(0, 2) }] }, after });

/** A number that depends on every part of the event, so that a lazily decoded one has to be decoded. @param {any} event */
export function touch(event) {
  const { data, metadata, tags } = event;
  let sum = event.position + event.type.length + event.id.length + event.timestamp.length + metadata.user.length + metadata.correlation.length;
  for (const tag of tags) sum += tag.length;
  return sum + data.course.length + data.student.length + data.term.length + data.seat + data.price.amount + data.reason.length + (data.online ? 1 : 0);
}

/**
 * @param {number} i
 * @param {{ type?: string, course?: string, student?: string }} role
 * @param {{ type: string, course: string, student: string }} drawn
 * @param {() => number} random
 */
function makeEvent(i, role, drawn, random) {
  const type = role.type ?? drawn.type;
  const course = role.course ?? drawn.course;
  const student = role.student ?? drawn.student;
  const tags = [`course:${course}`, `student:${student}`];
  if (i % 2 === 0) tags.push(`term:2026-${i % 4 === 0 ? 'autumn' : 'spring'}-${Math.floor(i / 500)}`);
  return {
    type,
    tags,
    data: {
      course,
      student,
      term: i % 4 === 0 ? '2026-autumn' : '2026-spring',
      seat: Math.floor(random() * 300),
      price: { amount: Math.floor(random() * 100_000) / 4, currency: 'EUR' },
      online: i % 3 === 0,
      reason: 'requested by the student in the portal',
    },
    metadata: { user: `advisor-${Math.floor(random() * 50)}`, correlation: `request-${i.toString(36).padStart(8, '0')}` },
  };
}

/**
 * Which places in the store hold planted events; the others are undefined.
 * @param {number} size
 * @param {() => number} random
 */
function assignRoles(size, random) {
  /** @type {({ type?: string, course?: string, student?: string } | undefined)[]} */
  const roles = new Array(size).fill(undefined);
  const places = shuffled(size, random);
  /** @param {number} count @param {{ type?: string, course?: string, student?: string }} role */
  const plant = (count, role) => {
    for (let i = 0; i < count; i++) {
      const place = places.pop();
      if (place === undefined) throw new Error(`${size} events are too few`);
      roles[place] = role;
    }
  };
  let tenth = Math.floor(size / 10);
  for (let n = 0; n < needleCount(size); n++) {
    plant(twiceTaggedEvents, { course: `needle-${n}`, student: `needle-${n}` });
    plant(taggedEvents - twiceTaggedEvents, { course: `needle-${n}` });
    plant(taggedEvents - twiceTaggedEvents, { student: `needle-${n}` });
  }
  for (let n = 0; n < decisionCount(size); n++) {
    plant(decisionEvents / 2, { type: 'StudentEnrolled', course: `decision-${n}` });
    plant(decisionEvents / 2, { type: 'StudentEnrolled', student: `decision-${n}` });
  }
  plant(tenth, { type: tenthType });
  for (let i = 0, early = 0; early < 10; i++) {
    if (roles[i]) continue;
    roles[i] = { type: earlyType };
    early++;
  }
  return roles;
}

/** @param {number} size @param {() => number} random */
function shuffled(size, random) {
  const places = Array.from({ length: size }, (_, i) => i);
  for (let i = size - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [places[i], places[j]] = [/** @type {number} */ (places[j]), /** @type {number} */ (places[i])];
  }
  return places;
}

/** Draws 0 … count - 1, the first ones far more often. @param {number} count @param {() => number} random */
function zipf(count, random) {
  const sums = new Float64Array(count);
  for (let i = 0, sum = 0; i < count; i++) sums[i] = sum += 1 / (i + 1);
  return () => {
    const wanted = random() * /** @type {number} */ (sums[sums.length - 1]);
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (/** @type {number} */ (sums[middle]) < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/** @param {(string | number)[][]} choices @param {() => number} random */
function weighted(choices, random) {
  const all = choices.flatMap(([name, weight]) => new Array(Number(weight)).fill(String(name)));
  return () => /** @type {string} */ (all[Math.floor(random() * all.length)]);
}

/** mulberry32. @param {number} seed */
function randomNumbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
