/** Courses with a limited number of seats: the domain of the tests about decisions. */
import { z } from 'zod';
import { decisionModel, defineEvent, openMemoryStore, openStore, tag, type EventStore } from '../../src/index.js';
import { fastFolder } from './folder.js';

export const CourseDefined = defineEvent('CourseDefined', z.object({ courseId: z.string(), seats: z.int() }), { tags: (data) => ({ course: data.courseId }) });
export const SeatTaken = defineEvent('SeatTaken', z.object({ courseId: z.string(), studentId: z.string() }), {
  tags: (data) => ({ course: data.courseId, student: data.studentId }),
});

export const seatsOf = (courseId: string) =>
  decisionModel({ events: [CourseDefined], tags: [tag('course', courseId)], initial: 0, handlers: { CourseDefined: (_, { data }) => data.seats } });

export const takenIn = (courseId: string) =>
  decisionModel({ name: 'seats taken', events: [SeatTaken], tags: [tag('course', courseId)], initial: 0, handlers: { SeatTaken: (taken) => taken + 1 } });

export const coursesOf = (studentId: string) =>
  decisionModel({
    events: [SeatTaken],
    tags: [tag('student', studentId)],
    initial: (): string[] => [],
    handlers: { SeatTaken: (courses, { data }) => [...courses, data.courseId] },
  });

/** A fresh store of each kind. */
export const freshStores: [name: string, open: () => Promise<EventStore>][] = [
  ['memory', async () => openMemoryStore()],
  ['files', () => openStore({ directory: fastFolder(), durability: 'os' })],
];
