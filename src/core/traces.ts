/*
 * Tracing channels of `node:diagnostics_channel`: what a program may watch without being told by a call, such as a bridge to
 * OpenTelemetry. One message object accompanies an operation from its start to its end. While nobody listens nothing is made:
 * an operation costs one look at the channel more.
 */
import { tracingChannel, type TracingChannel } from 'node:diagnostics_channel';
import type { AppendCondition } from './condition.js';
import type { AppendResult, ReadOptions } from './event-store.js';
import type { EventSource } from './event-stream.js';
import type { NewEvent } from './event.js';
import type { Query } from './query.js';

/** What every message may come to hold when its operation failed. */
type Failed = { readonly error?: unknown };

/** One call of `append`, on `opossum:append`. */
export type AppendTrace = Failed & {
  /** Folder of the context; absent for stores without one. */
  readonly directory?: string;
  /** As given by the caller, before it was checked. */
  readonly events: NewEvent | readonly NewEvent[];
  readonly condition: AppendCondition | undefined;
  /** Set when it succeeded. */
  readonly result?: AppendResult;
};

/** One pass through the events of a `read`, on `opossum:read`: from when its first events are asked for until it is closed. */
export type ReadTrace = Failed & {
  readonly directory?: string;
  readonly query: Query;
  readonly options: ReadOptions;
  /** How many events were handed out so far. */
  events: number;
};

/** One call of `decide`, on `opossum:decide`: its reads and appends lie within. */
export type DecideTrace = Failed & {
  /** Names of the models. */
  readonly models: readonly string[];
  /** The attempt under way, from 1; in the end how many there were. */
  attempts: number;
  /** The conflicting position of each attempt that lost a race. */
  readonly conflicts: number[];
  /** The result of `decide`, set when it succeeded. */
  readonly result?: { readonly outcome: 'appended' | 'rejected' | 'nothing' };
};

/** One call of a consumer's handler, on `opossum:consume`: what the handler does lies within. */
export type ConsumeTrace = Failed & {
  readonly consumer: string;
  /** Positions of the events handed over: one, or those of a batch. */
  readonly positions: readonly number[];
  /** Type of the first of them, and its metadata, where `correlationId` is. */
  readonly type: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** From 1. */
  readonly attempt: number;
};

/** Events that a projection applies and saves together, on `opossum:project`. */
export type ProjectTrace = Failed & {
  readonly projection: string;
  readonly version: number;
  /** Position of the last event applied, inclusive. */
  position: number;
  /** How many events, and how many keys they changed. */
  events: number;
  keys: number;
};

export const traces = {
  append: tracingChannel<unknown, AppendTrace>('opossum:append'),
  read: tracingChannel<unknown, ReadTrace>('opossum:read'),
  decide: tracingChannel<unknown, DecideTrace>('opossum:decide'),
  consume: tracingChannel<unknown, ConsumeTrace>('opossum:consume'),
  project: tracingChannel<unknown, ProjectTrace>('opossum:project'),
} as const;

/** Runs `operation` within a trace if somebody listens. The message is given to it, so that it can fill in what it learns. */
export function traced<Message extends object, T>(
  channel: TracingChannel<unknown, Message>,
  makeMessage: () => Message,
  operation: (message: Message | undefined) => Promise<T>,
): Promise<T> {
  if (!isHeard(channel)) return operation(undefined);
  const message = makeMessage();
  return channel.tracePromise(() => operation(message), message);
}

/** The same source, its pass traced if somebody listens when it begins. */
export function traceRead(source: EventSource, makeMessage: () => ReadTrace): EventSource {
  if (!isHeard(traces.read)) return source;
  const { start, end, error: failed, asyncStart, asyncEnd } = traces.read;
  const message = makeMessage();
  let state: 'new' | 'open' | 'ended' = 'new';
  const begin = (): void => {
    if (state !== 'new') return;
    state = 'open';
    // Not `publish`, which would pass by those who bind an AsyncLocalStorage to the channel.
    start.runStores(message, () => end.publish(message));
  };
  const finish = (): void => {
    if (state !== 'open') return;
    state = 'ended';
    asyncStart.publish(message);
    asyncEnd.publish(message);
  };
  const fail = (error: unknown): never => {
    (message as { error?: unknown }).error = error;
    failed.publish(message as ReadTrace & { error: unknown });
    throw error;
  };
  return {
    // Not a pass through events: a decision asks for the head of what it has just read.
    head: () => source.head(),
    async next(max) {
      begin();
      try {
        const events = await source.next(max);
        message.events += events.length;
        return events;
      } catch (error) {
        return fail(error);
      }
    },
    close() {
      source.close();
      finish();
    },
  };
}

function isHeard(channel: { readonly hasSubscribers?: boolean }): boolean {
  return channel.hasSubscribers === true;
}
