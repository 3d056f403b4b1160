import type { ChainPoint, EventKeys, EventLocation, IndexedEvent, UnreadFrame } from '../core/stored.js';
import { idFilterBytes } from './block-format.js';
import { encodeBlockSync } from './encode-block.js';
import { addToFilter, hashText } from './hash.js';
import { keyKind, type IndexKey } from './index-key.js';
import { keysIn, type KeySource } from './key-pages.js';
import { ListedMatches, type Matches } from './matches.js';
import type { Segment } from './segment.js';
import { UnreadFrames } from './unread-frames.js';

/** Rising slots by key: a number where there is one only, which is most frequent and needs no array. */
export type SlotLists = Map<string, number | number[]>;

/**
 * A block that is still being filled, or was rebuilt from the ledger. Filling it costs well below a microsecond an event.
 * Frames that were found in the ledger may stay unread in it until more is asked than a search in their bytes can tell.
 */
export class MemorySegment implements Segment {
  readonly first: number;
  /** How many events make it full. */
  readonly size: number;
  /** Where records lie in the ledger, by slot. */
  readonly offsets: Float64Array;
  readonly lengths: Uint32Array;
  readonly #types: SlotLists = new Map();
  readonly #tags: SlotLists = new Map();
  readonly #ids: string[] = [];
  #count = 0;
  /** The events of the first slots, as long as there are no others. */
  #unread: UnreadFrames | undefined;
  #end: ChainPoint | undefined;
  /** Slots by id, up to `#idsKnown` (exclusive): made when it is first asked for, since many stores never ask. */
  readonly #slotsById: SlotLists = new Map();
  #idsKnown = 0;

  constructor(first: number, size: number) {
    this.first = first;
    this.size = size;
    this.offsets = new Float64Array(size);
    this.lengths = new Uint32Array(size);
  }

  /** How many events it holds. */
  get count(): number {
    return this.#count;
  }

  /** The frame that holds the last event of the full segment, and maybe events behind it; undefined until it is full. */
  get end(): ChainPoint | undefined {
    return this.#end;
  }

  /** Slots by type, in the order in which the types first came. */
  get types(): SlotLists {
    this.readAll();
    return this.#types;
  }

  /** Slots by tag, in the order in which the tags first came. */
  get tags(): SlotLists {
    this.readAll();
    return this.#tags;
  }

  get ids(): readonly string[] {
    this.readAll();
    return this.#ids;
  }

  /** Adds the next event, which lies in the frame `point`. */
  add(event: IndexedEvent, point: ChainPoint): void {
    this.readAll();
    const slot = this.#place(event.position, event.offset, event.length, point);
    this.#addKeys(event, slot);
  }

  /** Adds the events `from` to `to` (exclusive) of the frame `point`. */
  addUnread(frame: UnreadFrame, from: number, to: number, point: ChainPoint): void {
    const { records, bytesAt } = frame;
    const isKept = this.#count === (this.#unread?.count ?? 0) && (this.#unread ??= new UnreadFrames()).add(frame, from, to);
    if (!isKept) this.readAll();
    for (let i = from; i < to; i++) {
      const slot = this.#place(frame.first + i, bytesAt + records[i]!, records[i + 1]! - records[i]!, point);
      if (!isKept) this.#addKeys(frame.keys(records[i]!), slot);
    }
  }

  /** Reads what is unread. */
  readAll(): void {
    const unread = this.#unread;
    if (!unread) return;
    this.#unread = undefined;
    let slot = 0;
    for (const keys of unread.read()) this.#addKeys(keys, slot++);
  }

  /** Takes back the events from slot `count` on. */
  truncate(count: number): void {
    if (count >= this.#count) return;
    this.readAll();
    truncateSlots(this.#types, count);
    truncateSlots(this.#tags, count);
    this.#ids.length = count;
    this.#count = count;
    this.#slotsById.clear();
    this.#idsKnown = 0;
    this.#end = undefined;
  }

  matches(key: IndexKey): Matches | undefined {
    const found = this.#unread?.find(key);
    if (found) return found.length > 0 ? new ListedMatches(found) : undefined;
    const slots = (key.kind === keyKind.type ? this.types : this.tags).get(key.text);
    return slots === undefined ? undefined : new ListedMatches(typeof slots === 'number' ? [slots] : slots);
  }

  location(slot: number): EventLocation {
    if (slot >= this.#count) throw outOfOrder(this.first + slot, this.first + this.#count);
    return { offset: this.offsets[slot]!, length: this.lengths[slot]! };
  }

  keys(): KeySource {
    return keysIn(encodeBlockSync(this, noLedger), { kind: 'block', ledgerId: noLedger, first: this.first, count: this.size });
  }

  candidates(id: IndexKey): readonly number[] {
    const { ids } = this;
    for (; this.#idsKnown < ids.length; this.#idsKnown++) addSlot(this.#slotsById, ids[this.#idsKnown]!, this.#idsKnown);
    const slots = this.#slotsById.get(id.text);
    if (slots === undefined) return noSlots;
    return typeof slots === 'number' ? [slots] : slots;
  }

  idFilter(): Uint8Array {
    const filter = new Uint8Array(idFilterBytes(this.size));
    for (const id of this.ids) addToFilter(filter, hashText(id, keyKind.id));
    return filter;
  }

  /** Takes the next slot. */
  #place(position: number, offset: number, length: number, point: ChainPoint): number {
    const slot = this.#count;
    if (position !== this.first + slot || slot === this.size) throw outOfOrder(position, this.first + slot);
    this.offsets[slot] = offset;
    this.lengths[slot] = length;
    this.#count = slot + 1;
    if (slot + 1 === this.size) this.#end = point;
    return slot;
  }

  #addKeys({ type, tags, id }: EventKeys, slot: number): void {
    addSlot(this.#types, type, slot);
    for (const tag of tags) addSlot(this.#tags, tag, slot);
    this.#ids.push(id);
  }
}

/** Of bytes that stay in memory it does not matter whose they are. */
const noLedger = Buffer.alloc(16);
const noSlots: readonly number[] = Object.freeze([]);

function addSlot(lists: SlotLists, key: string, slot: number): void {
  const slots = lists.get(key);
  if (slots === undefined) lists.set(key, slot);
  else if (typeof slots === 'number') {
    if (slots !== slot) lists.set(key, [slots, slot]);
  } else if (slots[slots.length - 1] !== slot) slots.push(slot);
}

function truncateSlots(lists: SlotLists, count: number): void {
  for (const [key, slots] of lists) {
    if (typeof slots === 'number') {
      if (slots >= count) lists.delete(key);
      continue;
    }
    while (slots.length > 0 && slots[slots.length - 1]! >= count) slots.pop();
    if (slots.length === 0) lists.delete(key);
  }
}

function outOfOrder(position: number, expected: number): Error {
  return new Error(`Index: position ${position} came where ${expected} was expected.`);
}
