/*
 * Makes of the types and tags of files, one behind the other, one table, in which a key lies once with all its slots. The
 * same keys give the same table, whatever files hold them. All is done by parts of the hashes, so that memory is taken for
 * what comes out, and hardly for what goes in.
 */
import { entryEnd, isLong, keyEnd, keyStart, slotCount, type KeySource } from './key-pages.js';
import { KeyTable } from './key-table.js';
import { decodeSlots, readSlots, slotFormat, type SlotFormat } from './slots.js';

/** Keys that would take more memory than this are not merged. */
const maxTableBytes = 32 * 1024 * 1024;
/** What is read and sorted at once, on average: half a millisecond's work. */
const partBytes = 64 * 1024;
/** Each is a read or two. */
const sourcesPerPause = 16;
/** An entry's number in the lower bits of a double, its hash above. */
const entryNumbers = 2 ** 20;

export type MergedRange = { readonly first: number; readonly count: number };

/** Undefined when there are too many keys. Lets others run after a millisecond's work or so. */
export async function mergeKeys(sources: readonly KeySource[], range: MergedRange, yieldTurn: () => Promise<void>): Promise<KeyTable | undefined> {
  const bytes = sources.reduce((sum, { length }) => sum + length, 0);
  const table = new KeyTable(slotFormat('keys', range.count), Math.min(bytes, maxTableBytes));
  const slots = new Uint32Array(range.count);
  const parts = 2 ** Math.max(0, Math.ceil(Math.log2(bytes / partBytes)));
  const hashesOfPart = 2 ** 32 / parts;
  for (let low = 0; low < 2 ** 32; low += hashesOfPart) {
    const part = new MergedPart(low, low + hashesOfPart - 1);
    for (const [i, source] of sources.entries()) {
      await part.add(source, source.first - range.first);
      if ((i + 1) % sourcesPerPause === 0) await yieldTurn();
    }
    part.mergeInto(table, slots);
    if (table.length > maxTableBytes) return undefined;
    await yieldTurn();
  }
  return table;
}

type PartSource = { readonly entries: Buffer; readonly format: SlotFormat; readonly base: number };

/** The entries of several files whose hash is from `low` to `high` (inclusive). */
class MergedPart {
  readonly #low: number;
  readonly #high: number;
  readonly #sourceOf: PartSource[] = [];
  readonly #startOf: number[] = [];
  /** Pages of postings by entry. */
  readonly #longLists = new Map<number, Buffer>();
  /** Hash and number of each entry. */
  readonly #order: number[] = [];

  constructor(low: number, high: number) {
    this.#low = low;
    this.#high = high;
  }

  /** `base` is what its slots count from. */
  async add(pages: KeySource, base: number): Promise<void> {
    const entries = await pages.entries(this.#low, this.#high);
    const source = { entries, format: pages.format, base };
    for (let at = 0; at < entries.length; at = entryEnd(entries, at, source.format)) {
      const hash = entries.readUInt32LE(at);
      if (hash < this.#low || hash > this.#high) continue;
      const entry = this.#startOf.push(at) - 1;
      this.#sourceOf.push(source);
      this.#order.push(hash * entryNumbers + entry);
      if (isLong(slotCount(entries, at))) this.#longLists.set(entry, await pages.longList(entries.readUInt32LE(keyEnd(entries, at))));
    }
  }

  /** Adds the keys to the table, by hash; `slots` has room for those of a key. */
  mergeInto(table: KeyTable, slots: Uint32Array): void {
    const order = Float64Array.from(this.#order).sort();
    for (let from = 0, to = 1; from < order.length; from = to++) {
      const hash = hashOf(order[from]!);
      while (to < order.length && hashOf(order[to]!) === hash) to++;
      this.#addHash(table, order.subarray(from, to), slots);
    }
  }

  /** Adds the keys of entries with one hash, which are nearly always one key. They are in the order of their files. */
  #addHash(table: KeyTable, entries: Float64Array, slots: Uint32Array): void {
    let same = 1;
    while (same < entries.length && this.#compare(entries[same]!, entries[0]!) === 0) same++;
    if (same === entries.length) return this.#addKey(table, entries, slots);
    for (let left = entries; left.length > 0; ) {
      const lowest = left.reduce((low, entry) => (this.#compare(entry, low) < 0 ? entry : low));
      this.#addKey(table, left.filter((entry) => this.#compare(entry, lowest) === 0), slots);
      left = left.filter((entry) => this.#compare(entry, lowest) !== 0);
    }
  }

  /** By kind, then by text. */
  #compare(a: number, b: number): number {
    if (a === b) return 0;
    const { entries: one } = this.#sourceOf[a % entryNumbers]!;
    const { entries: other } = this.#sourceOf[b % entryNumbers]!;
    const atOne = this.#startOf[a % entryNumbers]!;
    const atOther = this.#startOf[b % entryNumbers]!;
    return one[atOne + 4]! - other[atOther + 4]! || one.compare(other, keyStart(atOther), keyEnd(other, atOther), keyStart(atOne), keyEnd(one, atOne));
  }

  /** Adds the key that all these entries have. */
  #addKey(table: KeyTable, numbered: Float64Array, slots: Uint32Array): void {
    let count = 0;
    for (let n = 0; n < numbered.length; n++) {
      const entry = numbered[n]! % entryNumbers;
      const { entries, format, base } = this.#sourceOf[entry]!;
      const at = this.#startOf[entry]!;
      const long = this.#longLists.get(entry);
      count = long ? decodeSlots(long, format, base, slots, count) : readSlots(entries, keyEnd(entries, at), slotCount(entries, at), format, base, slots, count);
    }
    const first = numbered[0]! % entryNumbers;
    const { entries } = this.#sourceOf[first]!;
    const at = this.#startOf[first]!;
    table.addEntry(entries.subarray(at, keyEnd(entries, at)), slots.subarray(0, count));
  }
}

const hashOf = (order: number): number => Math.floor(order / entryNumbers);
