/*
 * Event-sourced aggregate (https://dcb.events/examples/event-sourced-aggregate/).
 * The course again, the way it is done where every rule is about one thing: a stream of its own, loaded whole, and saved if nobody
 * else saved meanwhile. A course has no more students than seats, and never fewer seats than students.
 */
import { defineEvent, reject, repository, type EventStore } from 'opossum-store';
import { z } from 'zod';

const seats = z.int().positive();

// No tags of their own: the stream's tag is all that an aggregate needs.
export const CourseDefined = defineEvent('CourseDefined', z.object({ courseId: z.string(), title: z.string(), capacity: seats }));
export const CourseCapacityChanged = defineEvent('CourseCapacityChanged', z.object({ courseId: z.string(), newCapacity: seats }));
export const StudentSubscribedToCourse = defineEvent('StudentSubscribedToCourse', z.object({ courseId: z.string(), studentId: z.string() }));

type Course = { isDefined: boolean; capacity: number; students: readonly string[] };

export const coursesIn = (store: EventStore) =>
  repository({
    store,
    streamOf: (courseId) => `course-${courseId}`,
    events: [CourseDefined, CourseCapacityChanged, StudentSubscribedToCourse],
    initial: (): Course => ({ isDefined: false, capacity: 0, students: [] }),
    evolve: (course, event) => {
      switch (event.type) {
        case 'CourseDefined':
          return { ...course, isDefined: true, capacity: event.data.capacity };
        case 'CourseCapacityChanged':
          return { ...course, capacity: event.data.newCapacity };
        case 'StudentSubscribedToCourse':
          return { ...course, students: [...course.students, event.data.studentId] };
      }
    },
  });

export type CreateCourse = { courseId: string; title: string; capacity: number };
export type ChangeCapacity = { courseId: string; newCapacity: number };
export type SubscribeStudent = { courseId: string; studentId: string };

export async function createCourse(store: EventStore, command: CreateCourse) {
  return coursesIn(store).update(command.courseId, (course) => (course.isDefined ? reject('course exists already') : CourseDefined(command)));
}

export async function changeCapacity(store: EventStore, command: ChangeCapacity) {
  return coursesIn(store).update(command.courseId, (course) => {
    if (!course.isDefined) return reject('no such course');
    if (course.capacity === command.newCapacity) return reject('that is its capacity already');
    if (course.students.length > command.newCapacity) return reject('more students than that');
    return CourseCapacityChanged(command);
  });
}

export async function subscribeStudent(store: EventStore, command: SubscribeStudent) {
  return coursesIn(store).update(command.courseId, (course) => {
    if (!course.isDefined) return reject('no such course');
    if (course.students.includes(command.studentId)) return reject('subscribed already');
    if (course.students.length >= course.capacity) return reject('course is full');
    return StudentSubscribedToCourse(command);
  });
}

export async function main(store: EventStore, print: (line: string) => void): Promise<void> {
  const told = (result: { outcome: string; rejected?: string; version: number }): string => result.rejected ?? `version ${result.version}`;
  const courseId = 'c1';
  print(`create with 2 seats: ${told(await createCourse(store, { courseId, title: 'Marsupials', capacity: 2 }))}`);
  print(`create again: ${told(await createCourse(store, { courseId, title: 'Monotremes', capacity: 9 }))}`);
  for (const studentId of ['ada', 'ben', 'cleo']) print(`subscribe ${studentId}: ${told(await subscribeStudent(store, { courseId, studentId }))}`);
  print(`change to 1 seat: ${told(await changeCapacity(store, { courseId, newCapacity: 1 }))}`);
  print(`change to 3 seats: ${told(await changeCapacity(store, { courseId, newCapacity: 3 }))}`);
  print(`subscribe cleo: ${told(await subscribeStudent(store, { courseId, studentId: 'cleo' }))}`);
}
