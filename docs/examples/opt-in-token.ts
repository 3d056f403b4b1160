/*
 * Opt-in token (https://dcb.events/examples/opt-in-token/).
 * Who signs up gets a token by mail and must bring it back within an hour. A token works once, for the address that it was sent to,
 * and an address signs up once. There is no table of tokens: the event that gave one out says all that there is to know of it.
 */
import { decide, decisionModel, defineEvent, reject, tag, type EventStore } from 'opossum-store';
import { z } from 'zod';

/** Addresses that differ in case only are one. */
const normal = (emailAddress: string): string => emailAddress.toLowerCase();

const signUp = z.object({ emailAddress: z.email(), token: z.string().min(1), name: z.string() });

export const SignUpInitiated = defineEvent('SignUpInitiated', signUp, {
  tags: ({ emailAddress, token }) => ({ email: normal(emailAddress), token }),
});
export const SignUpConfirmed = defineEvent('SignUpConfirmed', signUp, {
  tags: ({ emailAddress, token }) => ({ email: normal(emailAddress), token }),
});

/** `now` in milliseconds since 1970: the time of what is decided, and of the events that come of it. */
export type Rules = { now: () => number; lifetimeMs?: number };

export const oneHour = 60 * 60 * 1000;

type SignUp = { name: string; initiatedAt: number; isUsed: boolean };

/** The sign-up that this token was sent for. Both tags must match: another address knows nothing of it. */
export const signUpWith = (emailAddress: string, token: string) =>
  decisionModel({
    events: [SignUpInitiated, SignUpConfirmed],
    tags: [tag('email', normal(emailAddress)), tag('token', token)],
    initial: (): SignUp | undefined => undefined,
    handlers: {
      SignUpInitiated: (_, { data, timestamp }) => ({ name: data.name, initiatedAt: Date.parse(timestamp), isUsed: false }),
      SignUpConfirmed: (state) => state && { ...state, isUsed: true },
    },
  });

export const isSignedUp = (emailAddress: string) =>
  decisionModel({ events: [SignUpConfirmed], tags: [tag('email', normal(emailAddress))], initial: false, handlers: { SignUpConfirmed: () => true } });

const at = (time: number): { timestamp: string } => ({ timestamp: new Date(time).toISOString() });

/** The token is made by who issues the command, say with `crypto.randomInt`, so that the handler gives the same each time. */
export type InitiateSignUp = { emailAddress: string; name: string; token: string };
export type ConfirmSignUp = { emailAddress: string; token: string };

export async function initiateSignUp(store: EventStore, command: InitiateSignUp, { now }: Rules) {
  const models = { signUp: signUpWith(command.emailAddress, command.token), signedUp: isSignedUp(command.emailAddress) };
  return decide(store, models, ({ signUp, signedUp }) => {
    if (signedUp) return reject('signed up already');
    // Given out a second time, it would be good for another hour.
    if (signUp) return reject('token was given out before');
    return SignUpInitiated(command, at(now()));
  });
}

export async function confirmSignUp(store: EventStore, { emailAddress, token }: ConfirmSignUp, { now, lifetimeMs = oneHour }: Rules) {
  const models = { signUp: signUpWith(emailAddress, token), signedUp: isSignedUp(emailAddress) };
  return decide(store, models, ({ signUp, signedUp }) => {
    const time = now();
    if (!signUp) return reject('no such sign-up');
    if (signUp.isUsed) return reject('token was used already');
    if (signedUp) return reject('signed up already');
    if (time - signUp.initiatedAt > lifetimeMs) return reject('token has expired');
    return SignUpConfirmed({ emailAddress, token, name: signUp.name }, at(time));
  });
}

export async function main(store: EventStore, print: (line: string) => void): Promise<void> {
  let time = Date.parse('2026-01-31T12:00:00Z');
  const rules: Rules = { now: () => time };
  const confirm = async (emailAddress: string, token: string): Promise<void> => {
    const result = await confirmSignUp(store, { emailAddress, token }, rules);
    print(`${emailAddress} with ${token}: ${result.outcome === 'rejected' ? result.rejected : 'signed up'}`);
  };
  await initiateSignUp(store, { emailAddress: 'ada@example.com', name: 'Ada', token: '111111' }, rules);
  await initiateSignUp(store, { emailAddress: 'ben@example.com', name: 'Ben', token: '222222' }, rules);
  await confirm('ben@example.com', '111111');
  await confirm('ada@example.com', '111111');
  await confirm('ada@example.com', '111111');
  time += oneHour + 1;
  print('an hour later');
  await confirm('ben@example.com', '222222');
}
