/*
 * Diagnostics channels: what a program may watch without being told by a call. A message is made only when somebody listens.
 */
import { channel } from 'node:diagnostics_channel';
import type { LockOwner } from '../locking/lock.js';

/** What is published on `opossum:lock`. Every `acquired` or `takenOver` is followed by one `released` or `lost`. */
export type LockMessage = {
  /**
   * `takenOver`: had from an owner that ended, or stalled, without giving it back.
   * `lost`: another process may have had it since; what was appended late was decided again.
   */
  readonly kind: 'acquired' | 'takenOver' | 'released' | 'lost';
  /** Folder of the context. */
  readonly directory: string;
  /** How long it was waited for, milliseconds; with `acquired` and `takenOver`. */
  readonly waitedMs?: number;
  /** From whom it was taken over, if that owner said who it is. */
  readonly owner?: LockOwner;
};

const lockChannel = channel('opossum:lock');

export function publishLock(message: () => LockMessage): void {
  if (lockChannel.hasSubscribers) lockChannel.publish(message());
}
