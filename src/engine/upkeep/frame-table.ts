import { ledgerIdLength } from '../../ledger/format.js';
import type { FrameHead } from '../../ledger/frame.js';

/** A frame whose head is undamaged. */
export type KnownFrame = {
  /** Its number in the table. */
  readonly index: number;
  readonly offset: number;
  readonly first: number;
  readonly count: number;
  readonly time: number;
  readonly previous: number;
  readonly checksum: number;
  readonly conditionLength: number;
  readonly bodyLength: number;
  /** Whether the body is undamaged too. */
  readonly isWhole: boolean;
};

/** So many frames are looked at between two breaths. */
export const framesABreath = 1024;

const wholeFlag = 1;
/** It lies where its writer believed the file to end. */
const placedFlag = 2;
const floats = ['offset', 'first', 'time', 'basePosition'] as const;
const words = ['count', 'previous', 'checksum', 'conditionLength', 'bodyLength', 'baseChecksum', 'ledger', 'flags'] as const;
type FloatColumn = (typeof floats)[number];
type WordColumn = (typeof words)[number];

/** Heads of frames, in the order in which they were added, kept as columns of numbers: as objects, a million would take a gigabyte. */
export class FrameTable {
  #floats = columns(floats, () => new Float64Array(1024));
  #words = columns(words, () => new Uint32Array(1024));
  #length = 0;
  /** Ids that heads name, by their number in the column. */
  readonly #ledgers: Buffer[] = [];
  #wanted = -1;

  get length(): number {
    return this.#length;
  }

  add(head: FrameHead, offset: number, isWhole: boolean): void {
    if (this.#length === this.#words.count.length) this.#grow();
    const { first, count, time, previous, checksum, conditionLength, bodyLength, base } = head;
    const flags = (isWhole ? wholeFlag : 0) | (head.writtenAt === offset ? placedFlag : 0);
    const i = this.#length++;
    const [f, w] = [this.#floats, this.#words];
    [f.offset[i], f.first[i], f.time[i], f.basePosition[i]] = [offset, first, time, base.position];
    [w.count[i], w.previous[i], w.checksum[i], w.conditionLength[i], w.bodyLength[i]] = [count, previous, checksum, conditionLength, bodyLength];
    [w.baseChecksum[i], w.ledger[i], w.flags[i]] = [base.checksum, this.#ledgerNumber(head.ledgerId), flags];
  }

  get(index: number): KnownFrame {
    const [f, w] = [this.#floats, this.#words];
    return {
      index,
      offset: f.offset[index]!,
      first: f.first[index]!,
      count: w.count[index]!,
      time: f.time[index]!,
      previous: w.previous[index]!,
      checksum: w.checksum[index]!,
      conditionLength: w.conditionLength[index]!,
      bodyLength: w.bodyLength[index]!,
      isWhole: this.isWhole(index),
    };
  }

  offsetOf(index: number): number {
    return this.#floats.offset[index]!;
  }

  firstOf(index: number): number {
    return this.#floats.first[index]!;
  }

  /** Position of the frame's last event. */
  lastOf(index: number): number {
    return this.#floats.first[index]! + this.#words.count[index]! - 1;
  }

  checksumOf(index: number): number {
    return this.#words.checksum[index]!;
  }

  previousOf(index: number): number {
    return this.#words.previous[index]!;
  }

  isWhole(index: number): boolean {
    return (this.#words.flags[index]! & wholeFlag) !== 0;
  }

  baseOf(index: number): { position: number; checksum: number } {
    return { position: this.#floats.basePosition[index]!, checksum: this.#words.baseChecksum[index]! };
  }

  /** Says which ledger this is about; frames of others are none of it. */
  choose(ledgerId: Buffer): void {
    this.#wanted = this.#ledgers.findIndex((id) => id.equals(ledgerId));
  }

  /** Whether a frame says that it is of the chosen ledger. */
  isOurs(index: number): boolean {
    return this.#words.ledger[index] === this.#wanted;
  }

  /** Whether it also lies where it says. */
  isKnown(index: number): boolean {
    return this.isOurs(index) && (this.#words.flags[index]! & placedFlag) !== 0;
  }

  /** The id that most heads name. */
  mostFrequentLedger(): Buffer | undefined {
    const counts = this.#ledgers.map(() => 0);
    for (let i = 0; i < this.#length; i++) counts[this.#words.ledger[i]!]!++;
    return this.#ledgers[counts.indexOf(Math.max(...counts))];
  }

  has(ledgerId: Buffer): boolean {
    return this.#ledgers.some((id) => id.equals(ledgerId));
  }

  #ledgerNumber(ledgerId: Buffer): number {
    const known = this.#ledgers.findIndex((id) => id.equals(ledgerId));
    // A copy: the head's is a part of what was read.
    return known >= 0 ? known : this.#ledgers.push(Buffer.from(ledgerId.subarray(0, ledgerIdLength))) - 1;
  }

  #grow(): void {
    const length = this.#length * 2;
    const [f, w] = [this.#floats, this.#words];
    this.#floats = columns(floats, (name) => grown(new Float64Array(length), f[name]));
    this.#words = columns(words, (name) => grown(new Uint32Array(length), w[name]));
  }
}

function columns<Name extends FloatColumn | WordColumn, Column>(names: readonly Name[], make: (name: Name) => Column): Record<Name, Column> {
  return Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, Column>;
}

function grown<Column extends Float64Array | Uint32Array>(column: Column, before: Column): Column {
  column.set(before);
  return column;
}

/** Finds numbers of frames by a position that several may have, in the order of their numbers. */
export class PositionIndex {
  readonly #heads: Int32Array;
  readonly #next: Int32Array;

  /** Numbers up to `length`, exclusive. Add them falling. */
  constructor(length: number) {
    this.#heads = new Int32Array(2 ** Math.ceil(Math.log2(length + 2))).fill(-1);
    this.#next = new Int32Array(length);
  }

  add(position: number, index: number): void {
    const slot = this.#slot(position);
    this.#next[index] = this.#heads[slot]!;
    this.#heads[slot] = index;
  }

  /** All that were added under this position, and some others. */
  *at(position: number): Generator<number, void, undefined> {
    for (let index = this.#heads[this.#slot(position)]!; index >= 0; index = this.#next[index]!) yield index;
  }

  #slot(position: number): number {
    return position % this.#heads.length;
  }
}
