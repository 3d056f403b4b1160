import type { ChainPoint, EventLocation, IndexedEvent } from '../core/stored.js';
import { keyKind, type IndexKey } from './index-key.js';
import { ListedMatches, type Matches } from './matches.js';
import type { Segment } from './segment.js';

/** A block that is still being filled, or was rebuilt from the ledger. Filling it costs well below a microsecond an event. */
export class MemorySegment implements Segment {
  readonly first: number;
  /** How many events make it full. */
  readonly size: number;
  /** Slots by type and by tag, in the order in which the keys first came. */
  readonly types = new Map<string, number[]>();
  readonly tags = new Map<string, number[]>();
  readonly ids: string[] = [];
  readonly #offsets: Float64Array;
  readonly #lengths: Uint32Array;
  #end: ChainPoint | undefined;
  /** Slots by id, up to `#idsKnown` (exclusive): made when it is first asked for, since many stores never ask. */
  #slotsById = new Map<string, number | number[]>();
  #idsKnown = 0;

  constructor(first: number, size: number) {
    this.first = first;
    this.size = size;
    this.#offsets = new Float64Array(size);
    this.#lengths = new Uint32Array(size);
  }

  /** How many events it holds. */
  get count(): number {
    return this.ids.length;
  }

  /** The frame that holds the last event of the full segment, and maybe events behind it; undefined until it is full. */
  get end(): ChainPoint | undefined {
    return this.#end;
  }

  /** Adds the next event, which lies in the frame `point`. */
  add(event: IndexedEvent, point: ChainPoint): void {
    const slot = this.ids.length;
    if (event.position !== this.first + slot || slot === this.size) throw outOfOrder(event.position, this.first + slot);
    addSlot(this.types, event.type, slot);
    for (const tag of event.tags) addSlot(this.tags, tag, slot);
    this.ids.push(event.id);
    this.#offsets[slot] = event.offset;
    this.#lengths[slot] = event.length;
    if (slot + 1 === this.size) this.#end = point;
  }

  /** Takes back the events from slot `count` on. */
  truncate(count: number): void {
    if (count >= this.count) return;
    truncateSlots(this.types, count);
    truncateSlots(this.tags, count);
    this.ids.length = count;
    this.#slotsById.clear();
    this.#idsKnown = 0;
    this.#end = undefined;
  }

  matches(key: IndexKey): Matches | undefined {
    const slots = (key.kind === keyKind.type ? this.types : this.tags).get(key.text);
    return slots && new ListedMatches(slots);
  }

  location(slot: number): EventLocation {
    if (slot >= this.count) throw outOfOrder(this.first + slot, this.first + this.count);
    return { offset: this.#offsets[slot]!, length: this.#lengths[slot]! };
  }

  candidates(id: IndexKey): readonly number[] {
    for (; this.#idsKnown < this.ids.length; this.#idsKnown++) this.#noteId(this.ids[this.#idsKnown]!, this.#idsKnown);
    const slots = this.#slotsById.get(id.text);
    if (slots === undefined) return noSlots;
    return typeof slots === 'number' ? [slots] : slots;
  }

  #noteId(id: string, slot: number): void {
    const known = this.#slotsById.get(id);
    if (known === undefined) this.#slotsById.set(id, slot);
    else if (typeof known === 'number') this.#slotsById.set(id, [known, slot]);
    else known.push(slot);
  }
}

const noSlots: readonly number[] = Object.freeze([]);

function addSlot(lists: Map<string, number[]>, key: string, slot: number): void {
  const slots = lists.get(key);
  if (slots === undefined) lists.set(key, [slot]);
  else if (slots[slots.length - 1] !== slot) slots.push(slot);
}

function truncateSlots(lists: Map<string, number[]>, count: number): void {
  for (const [key, slots] of lists) {
    while (slots.length > 0 && slots[slots.length - 1]! >= count) slots.pop();
    if (slots.length === 0) lists.delete(key);
  }
}

function outOfOrder(position: number, expected: number): Error {
  return new Error(`Index: position ${position} came where ${expected} was expected.`);
}
