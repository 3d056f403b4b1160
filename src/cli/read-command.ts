import { EventListing } from './event-listing.js';
import { wholeNumber, withJson, withQuery, withStore, type Command, type StoreLocation } from './program.js';
import { toQuery, type QueryOptions } from './queries.js';
import { withReading } from './stores.js';
import type { Terminal } from './terminal.js';

type Options = StoreLocation & QueryOptions & { after?: number; before?: number; limit?: number; backwards?: boolean; json?: boolean };

export function addReadCommand(program: Command, terminal: Terminal): void {
  withJson(withQuery(withStore(program.command('read').description('List events, in order of position.'))))
    .option('--after <position>', 'only events after this position', wholeNumber(0))
    .option('--before <position>', 'only events before this position', wholeNumber(1))
    .option('--limit <count>', 'at most so many events', wholeNumber(1))
    .option('--backwards', 'the last event first')
    .action((options: Options) => read(options, terminal));
}

async function read({ after, before, limit, backwards, json = false, ...options }: Options, terminal: Terminal): Promise<void> {
  const query = toQuery(options);
  const signal = terminal.interruptible();
  await withReading(options, async (store) => {
    const events = store.read(query, {
      signal,
      ...(after === undefined ? {} : { after }),
      ...(before === undefined ? {} : { before }),
      ...(limit === undefined ? {} : { limit }),
      ...(backwards === undefined ? {} : { backwards }),
    });
    await new EventListing(terminal.out, json).writeAll(events);
  });
}
