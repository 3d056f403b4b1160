/** An event store that is a folder: append-only, crash-safe, with Dynamic Consistency Boundaries (dcb.events). */
export type { AppendCondition } from './core/condition.js';
export {
  AppendConditionFailedError,
  EventIdConflictError,
  InvalidInputError,
  isOpossumError,
  LedgerCorruptError,
  LockTimeoutError,
  OpossumError,
  PositionAheadError,
  StorageFailedError,
  StoreClosedError,
  UnsupportedFormatError,
  type ErrorCode,
  type ErrorDetails,
} from './core/errors.js';
export type { AppendOptions, AppendResult, EventStore, EventStream, ReadOptions, SubscribeOptions } from './core/event-store.js';
export type { JsonObject, JsonValue, NewEvent, SequencedEvent } from './core/event.js';
export { matchesQuery, type Query, type QueryItem } from './core/query.js';
export { deleteContext, listContexts } from './engine/contexts.js';
export { openStore, type OpenStoreOptions } from './engine/open-store.js';
export { storeStats, type SizeOnDisk, type StatsOptions, type StoreStats } from './engine/stats.js';
export { backupContext, type BackupOptions, type BackupProgress, type BackupReport } from './engine/upkeep/backup.js';
export type { DoctorFinding } from './engine/upkeep/doctor-findings.js';
export { doctorContext, type DoctorOptions, type DoctorReport } from './engine/upkeep/doctor.js';
export type { VerifyNote, VerifyProblem } from './engine/upkeep/problems.js';
export { repairContext, type RepairOptions, type RepairReport } from './engine/upkeep/repair.js';
export type { RepairAction } from './engine/upkeep/repair-log.js';
export { verifyContext, type VerifyOptions, type VerifyReport } from './engine/upkeep/verify.js';
export { openMemoryStore, type MemoryStoreOptions } from './memory/memory-event-store.js';
export { exportEvents, type ExportOptions } from './transfer/export-events.js';
export { importEvents, type ImportOptions, type ImportProgress, type ImportResult } from './transfer/import-events.js';
export type { ImportSource } from './transfer/import-source.js';
export type { TransferFormat } from './transfer/transfer-format.js';
