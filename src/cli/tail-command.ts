import { EventListing } from './event-listing.js';
import { wholeNumber, withJson, withQuery, withStore, type Command, type StoreLocation } from './program.js';
import { toQuery, type QueryOptions } from './queries.js';
import { withReading } from './stores.js';
import type { Terminal } from './terminal.js';

type Options = StoreLocation & QueryOptions & { lines: number; follow?: boolean; json?: boolean };

export function addTailCommand(program: Command, terminal: Terminal): void {
  withJson(withQuery(withStore(program.command('tail').description('List the last events, and those to come with --follow.'))))
    .option('-n, --lines <count>', 'how many of the last events', wholeNumber(0), 10)
    .option('-f, --follow', 'go on with every new event, whichever process appends it; ends on Ctrl-C')
    .action((options: Options) => tail(options, terminal));
}

async function tail({ lines, follow = false, json = false, ...options }: Options, terminal: Terminal): Promise<void> {
  const query = toQuery(options);
  const signal = terminal.interruptible();
  await withReading(options, async (store) => {
    const listing = new EventListing(terminal.out, json);
    // The head is taken first and bounds the list, so that no event falls between the list and what follows.
    const head = await store.read(query, { signal }).head();
    const last = lines === 0 ? [] : await store.read(query, { backwards: true, limit: lines, before: head + 1, signal }).toArray();
    await listing.write(last.reverse());
    if (!follow) return;
    for await (const event of store.subscribe(query, { after: head, signal })) await listing.write([event]);
    signal.throwIfAborted();
  });
}
