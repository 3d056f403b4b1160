import { Inject, Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { consume, type Consumer, type EventStore } from 'opossum-store';
import { StudentEnrolled } from './courses.service.js';
import { EVENT_STORE } from './event-store.module.js';

@Injectable()
export class Mailer {
  private readonly logger = new Logger(Mailer.name);

  /** A mail with a key that was sent before is not sent again. */
  async send(to: string, text: string, key: string): Promise<void> {
    this.logger.log(`${key}: to ${to}: ${text}`);
  }
}

/** Welcomes everybody who enrolled, at least once. Of several instances of the service one does it at a time. */
@Injectable()
export class WelcomeMails implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(WelcomeMails.name);
  private consumer?: Consumer;

  constructor(
    @Inject(EVENT_STORE) private readonly store: EventStore,
    private readonly mailer: Mailer,
  ) {}

  onApplicationBootstrap(): void {
    this.consumer = consume(this.store, {
      name: 'welcome-mails',
      events: [StudentEnrolled],
      handle: ({ id, data }) => this.mailer.send(data.studentId, `Welcome to ${data.courseId}`, id),
      onParked: ({ position, error }) => this.logger.warn(`Nobody was welcomed for event ${position}: ${error}`),
      onError: (error) => this.logger.error(error),
    });
  }

  /** Before the store is closed, so that the checkpoint is saved behind the last mail. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.consumer?.stop();
  }
}
