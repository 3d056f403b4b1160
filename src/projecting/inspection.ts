/* Looks at what is saved before anything rests on it: a state that does not belong to these events must never be served. */
import { InvalidInputError, isOpossumError } from '../core/errors.js';
import type { EventStore } from '../core/event-store.js';
import type { StateStore } from '../core/state-store.js';
import { loadManifest, type Checkpoint, type Manifest } from './manifest.js';
import type { ProjectionRules } from './rules.js';

/** Why a projection is built anew although it was saved. */
export type RebuildReason = 'version' | 'damaged' | 'other-events';

export type Trouble = { readonly reason: RebuildReason; readonly message: string };

export type Inspected = {
  /** What may be used; undefined when there is nothing. */
  readonly manifest: Manifest | undefined;
  /** For saving with `expected`; undefined when what is saved is damaged, and to be written over. */
  readonly version: number | undefined;
  /** Why something that was saved may not be used. */
  readonly trouble: Trouble | undefined;
  /** The saved generation that reads must not be served from. */
  readonly distrusted?: string;
};

/** @throws InvalidInputError when a newer program keeps this projection. */
export async function inspect(store: EventStore, state: StateStore, rules: ProjectionRules): Promise<Inspected> {
  const { manifest, version, problem } = await loadManifest(state, rules.name);
  if (manifest === undefined) return { manifest, version, trouble: problem === undefined ? undefined : { reason: 'damaged', message: problem } };
  checkVersion(rules, manifest);
  const { live, next } = manifest;
  if (live.damaged !== undefined) return { manifest: undefined, version, trouble: { reason: 'damaged', message: live.damaged }, distrusted: live.id };
  if (!(await isOnStore(store, live.checkpoint))) return { manifest: undefined, version, trouble: otherEvents(live.checkpoint), distrusted: live.id };
  if (next === null || (await isOnStore(store, next.checkpoint))) return { manifest, version, trouble: undefined };
  return { manifest: { ...manifest, next: null }, version, trouble: otherEvents(next.checkpoint) };
}

/** @throws InvalidInputError when the saved one is of a newer version: its states would mean nothing to this program. */
export function checkVersion({ name, version }: ProjectionRules, { live, next }: Manifest): void {
  const saved = Math.max(live.version, next?.version ?? 0);
  if (saved <= version) return;
  throw new InvalidInputError(
    `projection ${JSON.stringify(name)} version`,
    `is ${version}, but version ${saved} is saved: a newer program keeps it. Update this program, or give its projection another name.`,
  );
}

/** Whether the event at the checkpoint is the one that was applied. */
async function isOnStore(store: EventStore, { position, id }: Checkpoint): Promise<boolean> {
  if (position === 0) return true;
  try {
    const event = await store.read('all', { after: position - 1, before: position + 1 }).first();
    return event?.id === id;
  } catch (error) {
    if (isOpossumError(error, 'POSITION_AHEAD')) return false;
    throw error;
  }
}

function otherEvents({ position }: Checkpoint): Trouble {
  return { reason: 'other-events', message: `what is saved was made of events up to position ${position}, and the store does not have them (it was put back, or is another one)` };
}
