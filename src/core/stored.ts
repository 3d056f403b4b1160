/** What the storage rooms tell each other about events that are in the ledger. */
import type { AppendCondition } from './condition.js';
import type { SequencedEvent } from './event.js';

/** Names a frame of the chain: position of its last event, and its checksum. The header is position 0. */
export type ChainMark = { readonly position: number; readonly checksum: number };

/** A frame of the chain and where it lies: a scan can go on from here. `offset` is the byte where the frame begins. */
export type ChainPoint = ChainMark & { readonly offset: number };

/** Where an event's record lies in the ledger, in bytes. */
export type EventLocation = { readonly offset: number; readonly length: number };

/** What an event is found by. */
export type EventKeys = { readonly type: string; readonly tags: readonly string[]; readonly id: string };

/** What the index keeps of an event. */
export type IndexedEvent = EventLocation & EventKeys & { readonly position: number };

/** The events of a frame, whose keys are decoded when somebody needs them. `bytes` is not changed any more. */
export type UnreadFrame = {
  /** Position of the first event. */
  readonly first: number;
  /** Where each record begins in `bytes`, and behind them where the last ends. */
  readonly records: Float64Array;
  readonly bytes: Buffer;
  /** Where `bytes` begin in the ledger. */
  readonly bytesAt: number;
  /** The keys of the record that begins at this offset of `bytes`. */
  keys(offset: number): EventKeys;
  /** How a type or a tag stands in a record, unless it is spelled in another way. */
  spelling(text: string): Buffer;
  /** Where one of these is in the keys of a record, a text there may be spelled in another way. */
  readonly otherSpellings: readonly Buffer[];
  /** Whether this offset of `bytes` lies in the keys of the record that begins at `record`. */
  isInKeys(record: number, offset: number): boolean;
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
