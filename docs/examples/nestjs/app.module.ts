import { Module } from '@nestjs/common';
import { CoursesController } from './courses.controller.js';
import { CoursesService } from './courses.service.js';
import { EventStoreModule } from './event-store.module.js';
import { eventStoreOptions } from './event-store.options.js';
import { Mailer, WelcomeMails } from './welcome-mails.js';

@Module({
  imports: [EventStoreModule.forRootAsync({ useFactory: () => eventStoreOptions(process.env) })],
  controllers: [CoursesController],
  providers: [CoursesService, Mailer, WelcomeMails],
})
export class AppModule {}
