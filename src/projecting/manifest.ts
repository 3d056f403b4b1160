/*
 * The manifest names everything that a projection consists of, so saving it is what commits: segments that no manifest names do not
 * exist. It is saved with the version that was loaded, so of two processes that both believe to apply only one goes on.
 */
import { isOpossumError } from '../core/errors.js';
import type { JsonValue } from '../core/event.js';
import type { StateStore } from '../core/state-store.js';

/** The last event that was applied; position 0 and an empty id before the first. */
export type Checkpoint = { readonly position: number; readonly id: string };

/** A key and its state; without one the key was removed. */
export type SavedEntry = readonly [key: string] | readonly [key: string, state: JsonValue];

/** Changes after the shards: in a segment, or inline. Later ones go before earlier ones. */
export type Delta = { readonly bytes: number; readonly segment?: string; readonly entries?: readonly SavedEntry[] };

/** What was saved of one way of building the projection. */
export type Generation = {
  /** Another one whenever it is begun from nothing. */
  readonly id: string;
  /** Of the definition. */
  readonly version: number;
  readonly checkpoint: Checkpoint;
  /** 2^n shards of the key space, in order: segment and size; null where there is no key. */
  readonly shards: readonly (readonly [segment: string, bytes: number] | null)[];
  readonly deltas: readonly Delta[];
  /** What a reader found wrong with it. Whoever applies builds it anew. */
  readonly damaged?: string;
};

export type Manifest = {
  readonly format: 1;
  /** What reads are served from. */
  readonly live: Generation;
  /** What takes its place when it has caught up. */
  readonly next: Generation | null;
};

/** `version` is that of the state, for saving with `expected`; a `manifest` of undefined is not there, or `problem` says what is wrong with it. */
export type LoadedManifest = { readonly manifest: Manifest | undefined; readonly version: number | undefined; readonly problem?: string };

export const emptyGeneration = (id: string, version: number): Generation => ({ id, version, checkpoint: { position: 0, id: '' }, shards: [null], deltas: [] });

export const folderOf = (projection: string): string => `projections/${projection}`;
export const manifestName = (projection: string): string => `${folderOf(projection)}/manifest`;

export async function loadManifest(state: StateStore, projection: string): Promise<LoadedManifest> {
  try {
    const saved = await state.load(manifestName(projection));
    if (saved === undefined) return { manifest: undefined, version: 0 };
    if (isManifest(saved.value)) return { manifest: saved.value, version: saved.version };
    return { manifest: undefined, version: saved.version, problem: 'its manifest is of another format' };
  } catch (error) {
    if (!isOpossumError(error, 'STATE_DAMAGED')) throw error;
    return { manifest: undefined, version: undefined, problem: error.message };
  }
}

/**
 * Marks the generation that serves as damaged, unless it was replaced. Whoever applies cannot save over the mark: it loads the manifest
 * again, and finds it.
 */
export async function markDamaged(state: StateStore, projection: string, id: string, message: string): Promise<void> {
  const { manifest, version } = await loadManifest(state, projection);
  if (manifest === undefined || version === undefined || manifest.live.id !== id || manifest.live.damaged !== undefined) return;
  await state.save(manifestName(projection), { ...manifest, live: { ...manifest.live, damaged: message } }, { expected: version });
}

/** All segments that it names. */
export function segmentsIn({ live, next }: Manifest): Set<string> {
  const names = [live, next].flatMap((one) => (one === null ? [] : segmentsOf(one)));
  return new Set(names);
}

export function segmentsOf({ shards, deltas }: Generation): string[] {
  return [...shards.flatMap((shard) => (shard === null ? [] : [shard[0]])), ...deltas.flatMap(({ segment }) => (segment === undefined ? [] : [segment]))];
}

function isManifest(value: unknown): value is Manifest {
  return isObject(value) && value['format'] === 1 && isGeneration(value['live']) && (value['next'] === null || isGeneration(value['next']));
}

function isGeneration(value: unknown): value is Generation {
  if (!isObject(value)) return false;
  const { id, version, checkpoint, shards, deltas, damaged } = value;
  return (
    typeof id === 'string' &&
    (damaged === undefined || typeof damaged === 'string') &&
    isCount(version) &&
    isObject(checkpoint) &&
    isCount(checkpoint['position']) &&
    typeof checkpoint['id'] === 'string' &&
    Array.isArray(shards) &&
    Number.isInteger(Math.log2(shards.length)) &&
    shards.every((shard) => shard === null || (Array.isArray(shard) && typeof shard[0] === 'string' && isCount(shard[1]))) &&
    Array.isArray(deltas) &&
    deltas.every((delta) => isObject(delta) && isCount(delta['bytes']) && (typeof delta['segment'] === 'string' || isEntries(delta['entries'])))
  );
}

export function isEntries(value: unknown): value is readonly SavedEntry[] {
  return Array.isArray(value) && value.every((entry) => Array.isArray(entry) && typeof entry[0] === 'string');
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
