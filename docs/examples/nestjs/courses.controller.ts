import { Body, ConflictException, Controller, Param, ParseIntPipe, Put } from '@nestjs/common';
import { CoursesService } from './courses.service.js';

@Controller('courses')
export class CoursesController {
  constructor(private readonly courses: CoursesService) {}

  @Put(':courseId')
  async define(@Param('courseId') courseId: string, @Body('seats', ParseIntPipe) seats: number): Promise<void> {
    expectAgreement(await this.courses.define(courseId, seats));
  }

  @Put(':courseId/students/:studentId')
  async enrol(@Param('courseId') courseId: string, @Param('studentId') studentId: string): Promise<void> {
    expectAgreement(await this.courses.enrol(courseId, studentId));
  }
}

/** A rejection is an answer: to the caller it is a 409 with the reason. */
function expectAgreement(result: { outcome: string; rejected?: string }): void {
  if (result.rejected !== undefined) throw new ConflictException(result.rejected);
}
