/* What a race and its workers tell each other. */
import type { OpenStoreOptions } from '../../engine/open-store.js';
import type { RaceContext, RemoteError } from './options.js';

export type Task<Command = unknown> = { readonly index: number; readonly command: Command; readonly context: RaceContext };

export type Job = {
  /** Names the process in histories and messages. */
  readonly name: string;
  readonly storeOptions: OpenStoreOptions;
  /** URL of the handler's module. */
  readonly module: string;
  readonly exportName: string;
  /** Gets the history, line by line. */
  readonly historyPath: string;
  readonly atOnce: number;
  readonly tasks: readonly Task[];
};

export type ToWorker = { readonly kind: 'prepare'; readonly job: Job } | { readonly kind: 'begin' } | { readonly kind: 'leave' };

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'begun'; readonly index: number }
  | { readonly kind: 'fulfilled'; readonly index: number; readonly value: unknown }
  | { readonly kind: 'rejected'; readonly index: number; readonly reason: RemoteError }
  /** It cannot go on, and ends. */
  | { readonly kind: 'broken'; readonly problem: string };
