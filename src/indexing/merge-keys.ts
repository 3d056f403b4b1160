/*
 * Makes of the types and tags of several blocks, one behind the other, one table, in which a key lies once with all its
 * slots. The same keys give the same table, in whatever order their blocks hold them.
 */
import { keyEntryHeadLength, maxInlineSlots } from './block-format.js';
import { KeyTable } from './key-table.js';

/** The types and tags of a block as its pages of keys hold them: entries one behind the other. */
export type KeySource = {
  readonly bytes: Buffer;
  /** The slots of a key that has a page of postings, by that page's number. */
  longList(page: number): ArrayLike<number>;
};

/** More keys than this, each counted once for each block that has it, are not merged: that would take too much memory. */
const maxEntries = 2 ** 19;
/** What is sorted at once, on average. */
const entriesPerPart = 1024;
/** An entry's number in the lower bits of a double, its hash above. */
const entryNumbers = 2 ** 20;

/** Undefined when there are too many keys. Yields after a millisecond's work or so. */
export function* mergeKeys(sources: readonly KeySource[], blockSize: number): Generator<void, KeyTable | undefined, undefined> {
  const count = sources.reduce((sum, { bytes }) => sum + countEntries(bytes), 0);
  if (count > maxEntries) return undefined;
  yield;
  const entries = yield* EntryList.of(sources, blockSize, count);
  const table = new KeyTable();
  for (const part of entries.parts()) {
    part.sort();
    for (let from = 0, to = 1; from < part.length; from = to++) {
      while (to < part.length && hashOf(part[to]!) === hashOf(part[from]!)) to++;
      entries.mergeInto(table, part.subarray(from, to));
    }
    yield;
  }
  return table;
}

/** Where the entries of several blocks lie. */
class EntryList {
  readonly #sources: readonly KeySource[];
  readonly #blockSize: number;
  readonly #sourceOf: Uint16Array;
  readonly #startOf: Uint32Array;
  /** Hash and number of each entry, in parts by hash. */
  readonly #order: Float64Array;
  /** Where each part begins, and where the last one ends. */
  readonly #partStarts: Uint32Array;
  readonly #slots: Uint16Array;

  static *of(sources: readonly KeySource[], blockSize: number, count: number): Generator<void, EntryList, undefined> {
    const list = new EntryList(sources, blockSize, count);
    const hashes = new Uint32Array(count);
    let entry = 0;
    for (const [source, { bytes }] of sources.entries()) {
      for (let at = 0; at < bytes.length; at = entryEnd(bytes, at)) {
        hashes[entry] = bytes.readUInt32LE(at);
        list.#sourceOf[entry] = source;
        list.#startOf[entry++] = at;
      }
      yield;
    }
    list.#sortIntoParts(hashes);
    yield;
    return list;
  }

  private constructor(sources: readonly KeySource[], blockSize: number, count: number) {
    this.#sources = sources;
    this.#blockSize = blockSize;
    this.#sourceOf = new Uint16Array(count);
    this.#startOf = new Uint32Array(count);
    this.#order = new Float64Array(count);
    this.#partStarts = new Uint32Array(2 ** Math.ceil(Math.log2(Math.max(1, count / entriesPerPart))) + 1);
    this.#slots = new Uint16Array(sources.length * blockSize);
  }

  *parts(): Generator<Float64Array, void, undefined> {
    for (let part = 0; part + 1 < this.#partStarts.length; part++) yield this.#order.subarray(this.#partStarts[part], this.#partStarts[part + 1]);
  }

  /** Adds the keys of entries with one hash, which are nearly always one key. They are in the order of their blocks. */
  mergeInto(table: KeyTable, entries: Float64Array): void {
    let same = 1;
    while (same < entries.length && this.#compare(entries[same]!, entries[0]!) === 0) same++;
    if (same === entries.length) return this.#addKey(table, entries);
    for (let left = entries; left.length > 0; ) {
      const lowest = left.reduce((low, entry) => (this.#compare(entry, low) < 0 ? entry : low));
      this.#addKey(table, left.filter((entry) => this.#compare(entry, lowest) === 0));
      left = left.filter((entry) => this.#compare(entry, lowest) !== 0);
    }
  }

  #sortIntoParts(hashes: Uint32Array): void {
    const starts = this.#partStarts;
    const share = (starts.length - 1) / 2 ** 32;
    for (const hash of hashes) starts[Math.floor(hash * share) + 1]!++;
    for (let part = 1; part < starts.length; part++) starts[part]! += starts[part - 1]!;
    const ends = starts.slice();
    for (let entry = 0; entry < hashes.length; entry++) {
      const hash = hashes[entry]!;
      this.#order[ends[Math.floor(hash * share)]!++] = hash * entryNumbers + entry;
    }
  }

  /** By kind, then by text, of entries as they are in the order. */
  #compare(a: number, b: number): number {
    if (a === b) return 0;
    const one = this.#sources[this.#sourceOf[a % entryNumbers]!]!.bytes;
    const other = this.#sources[this.#sourceOf[b % entryNumbers]!]!.bytes;
    const atOne = this.#startOf[a % entryNumbers]!;
    const atOther = this.#startOf[b % entryNumbers]!;
    return one[atOne + 4]! - other[atOther + 4]! || one.compare(other, textStart(atOther), textEnd(other, atOther), textStart(atOne), textEnd(one, atOne));
  }

  /** Adds the key that all these entries have. */
  #addKey(table: KeyTable, entries: Float64Array): void {
    let count = 0;
    for (let n = 0; n < entries.length; n++) {
      const entry = entries[n]! % entryNumbers;
      const source = this.#sourceOf[entry]!;
      const { bytes, longList } = this.#sources[source]!;
      const at = this.#startOf[entry]!;
      const base = source * this.#blockSize;
      const own = slotCount(bytes, at);
      const end = textEnd(bytes, at);
      const long = own > maxInlineSlots ? longList(bytes.readUInt32LE(end)) : undefined;
      for (let i = 0; i < own; i++) this.#slots[count++] = base + (long ? long[i]! : bytes.readUInt16LE(end + 2 * i));
    }
    const first = entries[0]! % entryNumbers;
    const { bytes } = this.#sources[this.#sourceOf[first]!]!;
    const at = this.#startOf[first]!;
    table.addEntry(bytes.subarray(at, textEnd(bytes, at)), this.#slots.subarray(0, count));
  }
}

const hashOf = (order: number): number => Math.floor(order / entryNumbers);
const textStart = (at: number): number => at + keyEntryHeadLength;
const textEnd = (bytes: Buffer, at: number): number => at + keyEntryHeadLength + bytes.readUInt16LE(at + 5);
const slotCount = (bytes: Buffer, at: number): number => bytes.readUInt16LE(at + 7);

function entryEnd(bytes: Buffer, at: number): number {
  const count = slotCount(bytes, at);
  return textEnd(bytes, at) + (count > maxInlineSlots ? 4 : count * 2);
}

function countEntries(bytes: Buffer): number {
  let count = 0;
  for (let at = 0; at < bytes.length; at = entryEnd(bytes, at)) count++;
  return count;
}
