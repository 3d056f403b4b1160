import { wholeNumber, withJson, withQuery, withStore, type Command } from './program.js';
import { readEvents, type ReadEventsOptions } from './read-events.js';
import type { Terminal } from './terminal.js';

/** `plainReading` knows these options, too. */
export function addReadCommand(program: Command, terminal: Terminal): void {
  withJson(withQuery(withStore(program.command('read').description('List events, in order of position.'))))
    .option('--after <position>', 'only events after this position', wholeNumber(0))
    .option('--before <position>', 'only events before this position', wholeNumber(1))
    .option('--limit <count>', 'at most so many events', wholeNumber(1))
    .option('--backwards', 'the last event first')
    .action((options: ReadEventsOptions) => readEvents(options, terminal));
}
