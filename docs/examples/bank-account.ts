/*
 * A bank account as a stream, for those who come from stream stores: appends that expect a version, retries that do nothing twice,
 * and an ordered feed of what happened. Nothing here knows where the events are kept: each function takes an `EventStore`, and
 * does the same on files and on Cosmos DB.
 */
import { consume, defineEvent, isOpossumError, stream, type Consumer, type EventStore, type SequencedEvent, type StreamAppendResult } from 'opossum-store';
import { z } from 'zod';

const amount = z.object({ cents: z.int().positive() });

export const AccountOpened = defineEvent('AccountOpened', z.object({ owner: z.string() }));
export const MoneyDeposited = defineEvent('MoneyDeposited', amount);
export const MoneyWithdrawn = defineEvent('MoneyWithdrawn', amount);

/** Whoever asks makes up the id, and gives the same one with every try: it becomes the id of the event. */
type Request = { accountId: string; requestId: string };
export type OpenAccount = Request & { owner: string };
export type MoveMoney = Request & { cents: number };

const accountStream = (store: EventStore, accountId: string) => stream(store, `account-${accountId}`);

/** Refused with WRONG_EXPECTED_VERSION when there is such an account, unless this very request opened it. */
export function openAccount(store: EventStore, { accountId, requestId, owner }: OpenAccount): Promise<StreamAppendResult> {
  return accountStream(store, accountId).append(AccountOpened({ owner }, { id: requestId }), { expectedVersion: 'none' });
}

/** Money is always welcome, so any version will do. */
export function deposit(store: EventStore, { accountId, requestId, cents }: MoveMoney): Promise<StreamAppendResult> {
  return accountStream(store, accountId).append(MoneyDeposited({ cents }, { id: requestId }), { expectedVersion: 'exists' });
}

/** Expects the version that it looked at, so that no two withdrawals rest on the same balance. */
export async function withdraw(store: EventStore, { accountId, requestId, cents }: MoveMoney): Promise<StreamAppendResult | 'not enough money'> {
  for (let attempt = 1; ; attempt++) {
    const { version, balance, requests } = await loadAccount(store, accountId);
    // What this request took is missing from the balance already when it comes a second time.
    if (!requests.has(requestId) && balance < cents) return 'not enough money';
    try {
      return await accountStream(store, accountId).append(MoneyWithdrawn({ cents }, { id: requestId }), { expectedVersion: version });
    } catch (error) {
      // Somebody else was faster. Only that is tried again, and not for ever.
      if (!isOpossumError(error, 'WRONG_EXPECTED_VERSION') || attempt === 50) throw error;
    }
  }
}

export async function loadAccount(store: EventStore, accountId: string) {
  const account = { version: 0, balance: 0, requests: new Set<string>() };
  for await (const event of accountStream(store, accountId).read()) {
    account.version = event.version;
    account.requests.add(event.id);
    if (MoneyDeposited.is(event)) account.balance += event.data.cents;
    if (MoneyWithdrawn.is(event)) account.balance -= event.data.cents;
  }
  return account;
}

/** The feed for work that must be done: each event of every account in order, from where the consumer of this name stopped. */
export function writeStatements(store: EventStore, print: (line: string) => void): Consumer {
  return consume(store, { name: 'statements', events: [AccountOpened, MoneyDeposited, MoneyWithdrawn], handle: (event) => print(described(event)) });
}

/** The feed for onlookers: what comes after a position, as it comes. Nothing is remembered but what the caller remembers. */
export async function watch(store: EventStore, { after, count }: { after: number; count: number }): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of store.subscribe('all', { after })) if (seen.push(described(event)) === count) break;
  return seen;
}

const described = ({ position, type, tags }: Pick<SequencedEvent, 'position' | 'type' | 'tags'>): string => `  #${position} ${type} ${tags.join()}`;

export async function main(store: EventStore, print: (line: string) => void): Promise<void> {
  const told = (result: StreamAppendResult | string): string =>
    typeof result === 'string' ? result : `version ${result.version}${result.duplicate ? ', done before' : ''}`;
  const refused = (error: unknown): string => {
    if (isOpossumError(error, 'WRONG_EXPECTED_VERSION')) return `refused, as it has version ${error.details['actual']} already`;
    throw error;
  };
  const accountId = 'ada';

  print(`open: ${told(await openAccount(store, { accountId, requestId: 'r1', owner: 'Ada' }))}`);
  print(`open again: ${await openAccount(store, { accountId, requestId: 'r2', owner: 'Ben' }).then(told, refused)}`);
  print(`deposit 100.00: ${told(await deposit(store, { accountId, requestId: 'r3', cents: 100_00 }))}`);
  print(`withdraw 60.00: ${told(await withdraw(store, { accountId, requestId: 'r4', cents: 60_00 }))}`);
  print(`the answer got lost, the same again: ${told(await withdraw(store, { accountId, requestId: 'r4', cents: 60_00 }))}`);

  print('statements:');
  const before = writeStatements(store, print);
  await before.waitFor(await store.head());
  await before.stop();

  const watching = watch(store, { after: await store.head(), count: 1 });
  const both = await Promise.all(['r5', 'r6'].map((requestId) => withdraw(store, { accountId, requestId, cents: 30_00 })));
  print(`withdraw 30.00 twice at once: ${both.map(told).sort().join(' and ')}`);
  print(`an onlooker saw:\n${(await watching).join('\n')}`);

  print('statements go on where they stopped:');
  const after = writeStatements(store, print);
  await after.waitFor(await store.head());
  await after.stop();

  const { version, balance } = await loadAccount(store, accountId);
  print(`in the end: ${(balance / 100).toFixed(2)} at version ${version}`);
}
