import { Inject, Injectable } from '@nestjs/common';
import { decide, decisionModel, defineEvent, reject, tag, type EventStore } from 'opossum-store';
import { z } from 'zod';
import { REQUEST_STORE } from './event-store.module.js';

const name = z.string().min(1).max(100);

export const CourseDefined = defineEvent('CourseDefined', z.object({ courseId: name, seats: z.int().positive() }), {
  tags: ({ courseId }) => ({ course: courseId }),
});
export const StudentEnrolled = defineEvent('StudentEnrolled', z.object({ courseId: name, studentId: name }), {
  tags: ({ courseId, studentId }) => ({ course: courseId, student: studentId }),
});

const courseModel = (courseId: string) =>
  decisionModel({
    events: [CourseDefined, StudentEnrolled],
    tags: [tag('course', courseId)],
    initial: { isDefined: false, seats: 0, students: [] as readonly string[] },
    handlers: {
      CourseDefined: (course, { data }) => ({ ...course, isDefined: true, seats: data.seats }),
      StudentEnrolled: (course, { data }) => ({ ...course, students: [...course.students, data.studentId] }),
    },
  });

/** Any number of instances of the service may decide at the same time: the store lets none of them rest on an old state. */
@Injectable()
export class CoursesService {
  constructor(@Inject(REQUEST_STORE) private readonly store: EventStore) {}

  async define(courseId: string, seats: number) {
    return decide(this.store, { course: courseModel(courseId) }, ({ course }) => (course.isDefined ? reject('course exists already') : CourseDefined({ courseId, seats })));
  }

  async enrol(courseId: string, studentId: string) {
    return decide(this.store, { course: courseModel(courseId) }, ({ course }) => {
      if (!course.isDefined) return reject('no such course');
      if (course.students.includes(studentId)) return reject('enrolled already');
      if (course.students.length >= course.seats) return reject('course is full');
      return StudentEnrolled({ courseId, studentId });
    });
  }
}
