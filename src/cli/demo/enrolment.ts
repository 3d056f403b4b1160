/*
 * The demo's domain: students apply for courses. Pure; the same decision runs in every process. Two rules span several things
 * at once (a course's seats, a student's courses), which is what a dynamic consistency boundary is for.
 */
import type { NewEvent, Query, SequencedEvent } from '../../index.js';

export const school = { courses: 10, seats: 10, students: 200, applicationsEach: 3, coursesEach: 2 } as const;

/** What a student asks for. */
export type Application = { readonly student: string; readonly course: string };

export type Answer = 'enrolled' | 'course full' | 'student has enough courses';

const two = (n: number): string => String(n).padStart(2, '0');
export const courseNames: readonly string[] = Array.from({ length: school.courses }, (_, i) => `c${two(i + 1)}`);
const studentNames: readonly string[] = Array.from({ length: school.students }, (_, i) => `s${String(i + 1).padStart(3, '0')}`);

/** The events that everything begins with. */
export function openingEvents(): NewEvent[] {
  return [
    ...courseNames.map((course) => ({ type: 'CourseDefined', tags: [`course:${course}`], data: { course, seats: school.seats } })),
    ...studentNames.map((student) => ({ type: 'StudentRegistered', tags: [`student:${student}`], data: { student } })),
  ];
}

/** All applications in the order in which they come in: the same for the same seed. Some courses are more popular. */
export function makeApplications(seed: number): Application[] {
  const random = mulberry32(seed);
  const applications = studentNames.flatMap((student) => {
    const wanted = new Set<string>();
    while (wanted.size < school.applicationsEach) wanted.add(courseNames[Math.floor(random() ** 1.4 * school.courses)] ?? 'c01');
    return [...wanted].map((course) => ({ student, course }));
  });
  for (let i = applications.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [applications[i], applications[j]] = [applications[j]!, applications[i]!];
  }
  return applications;
}

/** All that the decision depends on: the course with its students, and the student's courses. */
export function decisionQuery({ student, course }: Application): Query {
  return {
    items: [
      { types: ['CourseDefined', 'StudentEnrolled'], tags: [`course:${course}`] },
      { types: ['StudentEnrolled'], tags: [`student:${student}`] },
    ],
  };
}

/** Decides on the events that `decisionQuery` selects. */
export function decide({ student, course }: Application, events: readonly SequencedEvent[]): Answer {
  const enrolled = events.filter(({ type }) => type === 'StudentEnrolled');
  const seats = events.filter(({ type }) => type === 'CourseDefined').map(({ data }) => (data as { seats: number }).seats)[0] ?? 0;
  if (enrolled.filter(({ tags }) => tags.includes(`course:${course}`)).length >= seats) return 'course full';
  if (enrolled.filter(({ tags }) => tags.includes(`student:${student}`)).length >= school.coursesEach) return 'student has enough courses';
  return 'enrolled';
}

export function answerEvent({ student, course }: Application, answer: Answer): NewEvent {
  const tags = [`course:${course}`, `student:${student}`];
  return answer === 'enrolled'
    ? { type: 'StudentEnrolled', tags, data: { student, course } }
    : { type: 'StudentTurnedAway', tags, data: { student, course, reason: answer } };
}

export type Audit = {
  readonly courses: readonly { readonly course: string; readonly taken: number; readonly turnedAway: number }[];
  readonly events: number;
  readonly rules: readonly { readonly rule: string; readonly broken: readonly string[] }[];
};

/** Checks the rules on what the store holds, whatever the processes claim to have done. `events`: all of them, in order. */
export function audit(events: readonly SequencedEvent[], applications: readonly Application[]): Audit {
  const enrolled = events.filter(({ type }) => type === 'StudentEnrolled').map(toPair);
  const turnedAway = events.filter(({ type }) => type === 'StudentTurnedAway').map(toPair);
  const perCourse = tally(enrolled.map(({ course }) => course));
  const awayPerCourse = tally(turnedAway.map(({ course }) => course));
  const perStudent = tally(enrolled.map(({ student }) => student));
  const answers = tally([...enrolled, ...turnedAway].map(toKey));
  const free = courseNames.filter((course) => (perCourse.get(course) ?? 0) < school.seats);
  return {
    courses: courseNames.map((course) => ({ course, taken: perCourse.get(course) ?? 0, turnedAway: awayPerCourse.get(course) ?? 0 })),
    events: events.length,
    rules: [
      { rule: `no course has more than ${school.seats} students`, broken: over(perCourse, school.seats) },
      { rule: `no student is in more than ${school.coursesEach} courses`, broken: over(perStudent, school.coursesEach) },
      { rule: 'nobody was turned away from a course that still has seats', broken: free.filter((course) => isUnfair(course, turnedAway, perStudent)) },
      {
        rule: `each of the ${applications.length} applications has exactly one answer`,
        broken: [...applications.map(toKey).filter((key) => answers.get(key) !== 1), ...[...answers.keys()].filter((key) => !applications.some((one) => toKey(one) === key))],
      },
      { rule: `positions run from 1 to ${events.length} without a gap`, broken: events.filter(({ position }, i) => position !== i + 1).map(({ position }) => `position ${position}`) },
    ],
  };
}

function isUnfair(course: string, turnedAway: readonly Application[], perStudent: ReadonlyMap<string, number>): boolean {
  return turnedAway.some((one) => one.course === course && (perStudent.get(one.student) ?? 0) < school.coursesEach);
}

function toPair({ data }: SequencedEvent): Application {
  return data as unknown as Application;
}

const toKey = ({ student, course }: Application): string => `${student} in ${course}`;

function tally(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function over(counts: ReadonlyMap<string, number>, most: number): string[] {
  return [...counts].filter(([, count]) => count > most).map(([key, count]) => `${key} has ${count}`);
}

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
