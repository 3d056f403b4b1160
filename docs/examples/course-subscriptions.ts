/*
 * Course subscriptions (https://dcb.events/examples/course-subscriptions/).
 * A course has a number of seats, which may change. No course takes more students than it has seats, no student joins a course
 * twice, and nobody is in more than ten courses. The last rule is about the student, the others are about the course: no single
 * aggregate could keep them all. Here one decision looks at both, and at nothing else.
 */
import { decide, decisionModel, defineEvent, reject, tag, type EventStore } from 'opossum-store';
import { z } from 'zod';

const capacity = z.int().positive();

export const CourseDefined = defineEvent('CourseDefined', z.object({ courseId: z.string(), capacity }), {
  tags: ({ courseId }) => ({ course: courseId }),
});
export const CourseCapacityChanged = defineEvent('CourseCapacityChanged', z.object({ courseId: z.string(), newCapacity: capacity }), {
  tags: ({ courseId }) => ({ course: courseId }),
});
export const StudentSubscribedToCourse = defineEvent('StudentSubscribedToCourse', z.object({ studentId: z.string(), courseId: z.string() }), {
  tags: ({ studentId, courseId }) => ({ student: studentId, course: courseId }),
});

export const coursesPerStudent = 10;

// What decisions ask. Each is a fold over the few events that its tags select.

/** How many seats the course has; undefined when there is no such course. */
export const capacityOf = (courseId: string) =>
  decisionModel({
    events: [CourseDefined, CourseCapacityChanged],
    tags: [tag('course', courseId)],
    initial: (): number | undefined => undefined,
    handlers: {
      CourseDefined: (_, { data }) => data.capacity,
      CourseCapacityChanged: (_, { data }) => data.newCapacity,
    },
  });

export const studentsIn = (courseId: string) =>
  decisionModel({
    events: [StudentSubscribedToCourse],
    tags: [tag('course', courseId)],
    initial: 0,
    handlers: { StudentSubscribedToCourse: (count) => count + 1 },
  });

export const coursesOf = (studentId: string) =>
  decisionModel({
    events: [StudentSubscribedToCourse],
    tags: [tag('student', studentId)],
    initial: (): string[] => [],
    handlers: { StudentSubscribedToCourse: (courses, { data }) => [...courses, data.courseId] },
  });

// The commands.

export type DefineCourse = { courseId: string; capacity: number };
export type ChangeCourseCapacity = { courseId: string; newCapacity: number };
export type SubscribeStudentToCourse = { studentId: string; courseId: string };

export async function defineCourse(store: EventStore, command: DefineCourse) {
  return decide(store, { current: capacityOf(command.courseId) }, ({ current }) =>
    current === undefined ? CourseDefined(command) : reject('course exists already'),
  );
}

/** May go below the number of students: then nobody is sent away, and nobody else gets in. */
export async function changeCourseCapacity(store: EventStore, command: ChangeCourseCapacity) {
  return decide(store, { current: capacityOf(command.courseId) }, ({ current }) => {
    if (current === undefined) return reject('no such course');
    if (current === command.newCapacity) return reject('that is its capacity already');
    return CourseCapacityChanged(command);
  });
}

export async function subscribeStudentToCourse(store: EventStore, { studentId, courseId }: SubscribeStudentToCourse) {
  const models = { seats: capacityOf(courseId), taken: studentsIn(courseId), courses: coursesOf(studentId) };
  return decide(store, models, ({ seats, taken, courses }) => {
    if (seats === undefined) return reject('no such course');
    if (courses.includes(courseId)) return reject('subscribed already');
    if (taken >= seats) return reject('course is full');
    if (courses.length >= coursesPerStudent) return reject('student has too many courses');
    return StudentSubscribedToCourse({ studentId, courseId });
  });
}

export async function main(store: EventStore, print: (line: string) => void): Promise<void> {
  await defineCourse(store, { courseId: 'marsupials', capacity: 2 });
  const subscribe = async (studentId: string): Promise<void> => {
    const result = await subscribeStudentToCourse(store, { studentId, courseId: 'marsupials' });
    print(`${studentId}: ${result.outcome === 'rejected' ? result.rejected : 'subscribed'}`);
  };
  await subscribe('ada');
  await subscribe('ada');
  await subscribe('ben');
  await subscribe('cleo');
  await changeCourseCapacity(store, { courseId: 'marsupials', newCapacity: 3 });
  print('one more seat');
  await subscribe('cleo');
}
