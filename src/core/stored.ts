/** What the storage rooms tell each other about events that are in the ledger. */
import type { AppendCondition } from './condition.js';
import type { SequencedEvent } from './event.js';

/** Names a frame of the chain: position of its last event, and its checksum. The header is position 0. */
export type ChainMark = { readonly position: number; readonly checksum: number };

/** A frame of the chain and where it lies: a scan can go on from here. `offset` is the byte where the frame begins. */
export type ChainPoint = ChainMark & { readonly offset: number };

/** Where an event's record lies in the ledger, in bytes. */
export type EventLocation = { readonly offset: number; readonly length: number };

/** What the index keeps of an event. */
export type IndexedEvent = EventLocation & {
  readonly position: number;
  readonly type: string;
  readonly tags: readonly string[];
  readonly id: string;
};

/** A committed batch, read back from its frame. Valid until the next one is read. */
export type StoredBatch = {
  readonly point: ChainPoint;
  /** Position of the first event. */
  readonly first: number;
  readonly count: number;
  /** When the frame was written, milliseconds since 1970. */
  readonly time: number;
  readonly condition: AppendCondition | undefined;
  /** The event at index 0 … count - 1. */
  event(index: number): SequencedEvent;
};
