import type { NewEvent } from '../core/event.js';

/** An event read from a source, and where it was found there. */
export type ImportedEvent = {
  readonly event: NewEvent;
  /** For messages, such as `permits.ndjson:17`. */
  readonly where: string;
  /** Roughly how much it takes as JSON. */
  readonly bytes: number;
  /** True for an event that describes the log rather than being one of its events; it gets a batch of its own. */
  readonly description: boolean;
};
