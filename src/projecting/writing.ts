/* Turns what a table took into segments. Nothing of it exists until a manifest names it, so it may be cut off anywhere. */
import type { JsonValue } from '../core/event.js';
import { bounds } from './bounds.js';
import { placeOf, shardOf } from './key-space.js';
import type { Delta, Generation, SavedEntry } from './manifest.js';
import type { Segments } from './segments.js';
import type { Change, Pending } from './table.js';

export type Written = {
  readonly generation: Generation;
  /** The keys of its new deltas. */
  readonly keys: ReadonlyMap<Delta, readonly string[]>;
};

type Changes = ReadonlyMap<string, Change>;

export async function writePending(segments: Segments, generation: Generation, pending: Pending): Promise<Written> {
  const { checkpoint, replaces, changes } = pending;
  if (replaces === undefined) {
    const shards = await writeShards(segments, generation, changes);
    return { generation: { ...generation, checkpoint, shards, deltas: [] }, keys: new Map() };
  }
  const keys = await writeDeltas(segments, changes);
  const kept = generation.deltas.slice(0, generation.deltas.length - replaces);
  return { generation: { ...generation, checkpoint, deltas: [...kept, ...keys.keys()] }, keys };
}

async function writeDeltas(segments: Segments, changes: Changes): Promise<Map<Delta, string[]>> {
  const written = new Map<Delta, string[]>();
  for (const { entries, bytes } of piecesOf(changes)) {
    const delta = bytes <= bounds.inlineBytes ? { bytes, entries } : { bytes, segment: await segments.save(entries) };
    written.set(delta, entries.map(([key]) => key));
  }
  return written;
}

function* piecesOf(changes: Changes): Generator<{ entries: SavedEntry[]; bytes: number }> {
  let entries: SavedEntry[] = [];
  let bytes = 0;
  for (const [key, change] of changes) {
    if (entries.length > 0 && bytes + change.bytes > bounds.pieceBytes) {
      yield { entries, bytes };
      entries = [];
      bytes = 0;
    }
    entries.push(change.value === undefined ? [key] : [key, change.value]);
    bytes += Math.ceil(change.bytes);
  }
  if (entries.length > 0) yield { entries, bytes };
}

/** The shards with all changes in them; more shards than before when they have grown. Those that nothing changes stay as they are. */
async function writeShards(segments: Segments, { shards, deltas }: Generation, changes: Changes): Promise<Generation['shards']> {
  const bytes = [...shards.map((shard) => shard?.[1] ?? 0), ...deltas.map((delta) => delta.bytes)].reduce((sum, one) => sum + one, 0);
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, bytes / bounds.shardBytes)));
  const split = Math.max(1, wanted / shards.length);
  const count = shards.length * split;
  const changesOf = new Map<number, (readonly [string, Change])[]>();
  for (const change of changes) {
    const at = shardOf(placeOf(change[0]), count);
    const others = changesOf.get(at);
    if (others) others.push(change);
    else changesOf.set(at, [change]);
  }
  const written: (readonly [string, number] | null)[] = [];
  for (const [i, shard] of shards.entries()) {
    const own = Array.from({ length: split }, (_, j) => changesOf.get(i * split + j) ?? []);
    if (split === 1 && own[0]!.length === 0) written.push(shard);
    else written.push(...(await writeParts(segments, shard, own, (key) => shardOf(placeOf(key), count) - i * split)));
  }
  return written;
}

/** Makes one or more shards of one. */
async function writeParts(
  segments: Segments,
  shard: Generation['shards'][number],
  changes: readonly (readonly (readonly [string, Change])[])[],
  partOf: (key: string) => number,
): Promise<Generation['shards']> {
  const parts = changes.map(() => new Map<string, JsonValue>());
  const before = shard && (await segments.shard(...shard));
  // Missing cannot be: whoever holds the lease alone removes segments. If it is, the events must tell it again.
  if (before === undefined) throw segments.missing(shard![0]);
  for (const [key, value] of before ?? []) parts[partOf(key)]!.set(key, value);
  const written: (readonly [string, number] | null)[] = [];
  for (const [i, part] of parts.entries()) {
    for (const [key, { value }] of changes[i]!) {
      if (value === undefined) part.delete(key);
      else part.set(key, value);
    }
    written.push(part.size === 0 ? null : await writeShard(segments, part));
  }
  return written;
}

async function writeShard(segments: Segments, shard: ReadonlyMap<string, JsonValue>): Promise<readonly [string, number]> {
  const entries = [...shard];
  const bytes = JSON.stringify(entries).length;
  const name = await segments.save(entries);
  segments.keep(name, shard, bytes);
  return [name, bytes];
}
