import type { Application } from './enrolment.js';

/** What the demo tells a worker process: what to do, and then, when all are ready, to begin. */
export type ToWorker = { readonly kind: 'prepare'; readonly directory: string; readonly context: string; readonly applications: readonly Application[] } | { readonly kind: 'begin' };

/** What a worker process tells the demo. */
export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly tally: Tally }
  | { readonly kind: 'done'; readonly tally: Tally; readonly latenciesMs: readonly number[] }
  | { readonly kind: 'failed'; readonly message: string; readonly code: string | undefined };

export type Tally = {
  readonly decided: number;
  readonly enrolled: number;
  /** Appends refused because another process had been faster. Each was followed by a retry. */
  readonly conflicts: number;
  /** Most tries that one application took. */
  readonly triesMax: number;
};
