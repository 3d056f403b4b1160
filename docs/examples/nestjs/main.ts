import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule);
// Without it SIGTERM ends the process at once, and no module is asked to shut down.
app.enableShutdownHooks();
await app.listen(process.env['PORT'] ?? 3000);
