import type { AppendCondition } from '../core/condition.js';
import type { AppendResult } from '../core/event-store.js';
import type { PreparedEvent } from '../core/event.js';
import type { DraftFrame } from '../ledger/frame.js';
import type { Durability } from './ledger-view.js';

/** An append that was checked and encoded, on its way through the commit path. */
export type AppendCall = {
  readonly events: readonly PreparedEvent[];
  readonly condition: AppendCondition | undefined;
  readonly draft: DraftFrame;
  readonly durability: Durability;
  /** How long it waits for the lock, milliseconds. */
  readonly lockTimeoutMs: number;
  /** Until when it waits for the lock, on the monotonic clock. */
  readonly deadlineMs: number;
  resolve(result: AppendResult): void;
  reject(reason: unknown): void;
};
