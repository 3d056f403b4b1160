import { addToFilter, bucketOf } from './hash.js';
import { viewOf, type KeyTable } from './key-table.js';

/** Hashes or keys handled between two pauses: well below a millisecond's work. */
const hashesPerPause = 8192;

/** Lays pages one behind the other. */
export class PageWriter {
  readonly file: Buffer;
  readonly view: DataView;
  /** Where each page begins; behind the last, where it ends. */
  readonly starts: Float64Array;
  #page = 0;

  constructor(headLength: number, pages: number, bodyLength: number) {
    const length = headLength + bodyLength;
    if (length > 0xffff_ffff) throw new Error(`Index: a block of ${length} bytes is too large.`);
    this.file = Buffer.allocUnsafeSlow(length);
    this.view = viewOf(this.file);
    this.starts = new Float64Array(pages + 1);
    this.starts[0] = headLength;
  }

  /** Adds a page; returns where it begins. */
  add(length: number): number {
    const start = this.starts[this.#page]!;
    this.starts[++this.#page] = start + length;
    return start;
  }

  /** Adds a page for each bucket; returns where they begin. */
  addBuckets(lengths: Float64Array): Float64Array {
    return lengths.map((length) => this.add(length));
  }
}

export function* writeFilter(pages: PageWriter, length: number, hashes: readonly number[]): Generator<void, void, undefined> {
  const start = pages.add(length);
  const filter = pages.file.subarray(start, start + length).fill(0);
  for (let i = 0; i < hashes.length; i++) {
    addToFilter(filter, hashes[i]!);
    if ((i + 1) % hashesPerPause === 0) yield;
  }
}

export function* writeKeys(pages: PageWriter, { bytes, hashes, ends }: KeyTable, buckets: number): Generator<void, void, undefined> {
  const lengths = new Float64Array(buckets);
  let start = 0;
  for (let i = 0; i < hashes.length; i++) {
    lengths[bucketOf(hashes[i]!, buckets)]! += ends[i]! - start;
    start = ends[i]!;
    if ((i + 1) % (hashesPerPause * 8) === 0) yield;
  }
  const targets = pages.addBuckets(lengths);
  start = 0;
  for (let i = 0; i < hashes.length; i++) {
    const end = ends[i]!;
    const bucket = bucketOf(hashes[i]!, buckets);
    let target = targets[bucket]!;
    while (start < end) pages.file[target++] = bytes[start++]!;
    targets[bucket] = target;
    if ((i + 1) % hashesPerPause === 0) yield;
  }
}

export function* writeLongLists(pages: PageWriter, lists: readonly Uint8Array[]): Generator<void, void, undefined> {
  let bytesWritten = 0;
  for (const list of lists) {
    pages.file.set(list, pages.add(list.length));
    bytesWritten += list.length;
    if (bytesWritten < hashesPerPause * 64) continue;
    bytesWritten = 0;
    yield;
  }
}
