/*
 * Unique username (https://dcb.events/examples/unique-username/).
 * A username belongs to one account at a time; `Ada` and `ada` are the same one. Accounts may change their username, and close.
 * A username that was given up stays out of reach for a while, so that nobody can pass for its last owner.
 */
import { decide, decisionModel, defineEvent, reject, tag, type EventStore } from 'opossum-store';
import { z } from 'zod';

/** What counts for uniqueness. Tags carry this form, data keeps the spelling that the user chose. */
const normal = (username: string): string => username.toLowerCase();

const ids = { accountId: z.string() };

export const AccountRegistered = defineEvent('AccountRegistered', z.object({ ...ids, username: z.string() }), {
  tags: ({ accountId, username }) => ({ account: accountId, username: normal(username) }),
});
export const UsernameChanged = defineEvent('UsernameChanged', z.object({ ...ids, oldUsername: z.string(), newUsername: z.string() }), {
  tags: ({ accountId, oldUsername, newUsername }) => ({ account: accountId, username: [normal(oldUsername), normal(newUsername)] }),
});
export const AccountClosed = defineEvent('AccountClosed', z.object({ ...ids, username: z.string() }), {
  tags: ({ accountId, username }) => ({ account: accountId, username: normal(username) }),
});

/** `now` in milliseconds since 1970: the time of what is decided, and of the events that come of it. */
export type Rules = { now: () => number; retentionMs?: number };

export const threeDays = 3 * 24 * 60 * 60 * 1000;

type Account = { username: string; isOpen: boolean };

export const accountOf = (accountId: string) =>
  decisionModel({
    events: [AccountRegistered, UsernameChanged, AccountClosed],
    tags: [tag('account', accountId)],
    initial: (): Account | undefined => undefined,
    handlers: {
      AccountRegistered: (_, { data }) => ({ username: data.username, isOpen: true }),
      UsernameChanged: (_, { data }) => ({ username: data.newUsername, isOpen: true }),
      AccountClosed: (_, { data }) => ({ username: data.username, isOpen: false }),
    },
  });

type Claim = { owner: string | undefined; releasedAt: number };

/** Who has the username, or else when it was given up. */
export const claimOn = (username: string) =>
  decisionModel({
    events: [AccountRegistered, UsernameChanged, AccountClosed],
    tags: [tag('username', normal(username))],
    initial: (): Claim => ({ owner: undefined, releasedAt: -Infinity }),
    handlers: {
      AccountRegistered: (claim, { data }) => ({ ...claim, owner: data.accountId }),
      UsernameChanged: (claim, { data, timestamp }) =>
        normal(data.newUsername) === normal(username) ? { ...claim, owner: data.accountId } : { owner: undefined, releasedAt: Date.parse(timestamp) },
      AccountClosed: (_, { timestamp }) => ({ owner: undefined, releasedAt: Date.parse(timestamp) }),
    },
  });

const isTaken = ({ owner, releasedAt }: Claim, time: number, retentionMs = threeDays): boolean => owner !== undefined || time - releasedAt <= retentionMs;
const at = (time: number): { timestamp: string } => ({ timestamp: new Date(time).toISOString() });

export type RegisterAccount = { accountId: string; username: string };
export type ChangeUsername = { accountId: string; newUsername: string };
export type CloseAccount = { accountId: string };

export async function registerAccount(store: EventStore, command: RegisterAccount, { now, retentionMs }: Rules) {
  return decide(store, { account: accountOf(command.accountId), claim: claimOn(command.username) }, ({ account, claim }) => {
    const time = now();
    if (account) return reject('account exists already');
    if (isTaken(claim, time, retentionMs)) return reject('username is taken');
    return AccountRegistered(command, at(time));
  });
}

export async function changeUsername(store: EventStore, { accountId, newUsername }: ChangeUsername, { now, retentionMs }: Rules) {
  return decide(store, { account: accountOf(accountId), claim: claimOn(newUsername) }, ({ account, claim }) => {
    const time = now();
    if (!account?.isOpen) return reject('no such account');
    if (account.username === newUsername) return reject('that is the username already');
    // Another spelling of one's own username is no new claim.
    if (claim.owner !== accountId && isTaken(claim, time, retentionMs)) return reject('username is taken');
    return UsernameChanged({ accountId, oldUsername: account.username, newUsername }, at(time));
  });
}

export async function closeAccount(store: EventStore, { accountId }: CloseAccount, { now }: Rules) {
  return decide(store, { account: accountOf(accountId) }, ({ account }) =>
    account?.isOpen ? AccountClosed({ accountId, username: account.username }, at(now())) : reject('no such account'),
  );
}

export async function main(store: EventStore, print: (line: string) => void): Promise<void> {
  let time = Date.parse('2026-01-31T12:00:00Z');
  const rules: Rules = { now: () => time };
  const register = async (accountId: string, username: string): Promise<void> => {
    const result = await registerAccount(store, { accountId, username }, rules);
    print(`${accountId} as ${username}: ${result.outcome === 'rejected' ? result.rejected : 'registered'}`);
  };
  await register('a1', 'Ada');
  await register('a2', 'ada');
  await changeUsername(store, { accountId: 'a1', newUsername: 'Lovelace' }, rules);
  print('a1 is Lovelace now');
  await register('a2', 'ada');
  time += threeDays + 1;
  print('three days later');
  await register('a2', 'ada');
}
