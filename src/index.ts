/** An event store that is a folder: append-only, crash-safe, with Dynamic Consistency Boundaries (dcb.events). */
export { resetConsumer, type ResetOptions } from './consuming/checkpoint.js';
export { consume, replayDeadLetters, type Consumer, type ConsumerStatus, type ReplayOptions, type TypedReplayOptions } from './consuming/consume.js';
export type {
  CommonConsumerOptions,
  ConsumedKinds,
  ConsumedQuery,
  ConsumerOptions,
  HandleBatches,
  HandleContext,
  HandleEach,
  Handling,
  TypedConsumerOptions,
} from './consuming/consumer-options.js';
export { deadLetters, discardDeadLetters, type DeadLetter, type DeadLetterSelection } from './consuming/dead-letters.js';
export type { ReplayResult } from './consuming/replay.js';
export type { AppendCondition } from './core/condition.js';
export {
  AppendConditionFailedError,
  CheckpointMismatchError,
  DecisionConflictError,
  EventIdConflictError,
  InvalidInputError,
  isOpossumError,
  LedgerCorruptError,
  LockTimeoutError,
  OpossumError,
  PositionAheadError,
  ProjectionFailedError,
  StateConflictError,
  StateDamagedError,
  StorageFailedError,
  StoreClosedError,
  UnsupportedFormatError,
  WrongExpectedVersionError,
  type ConflictingEvent,
  type ErrorCode,
  type ErrorDetails,
} from './core/errors.js';
export type { AppendOptions, AppendResult, EventStore, EventStream, ReadOptions, SubscribeOptions } from './core/event-store.js';
export type { JsonObject, JsonValue, NewEvent, SequencedEvent } from './core/event.js';
export { matchesQuery, type Query, type QueryItem } from './core/query.js';
export type { LeaseOptions, SavedState, SaveOptions, StateLease, StateStore } from './core/state-store.js';
export type { AppendTrace, ConsumeTrace, DecideTrace, ProjectTrace, ReadTrace } from './core/traces.js';
export { deleteContext, listContexts } from './engine/contexts.js';
export { openStore, type OpenStoreOptions } from './engine/open-store.js';
export { storeStats, type SizeOnDisk, type StatsOptions, type StoreStats } from './engine/stats.js';
export type { BackupOptions, BackupProgress, BackupReport } from './engine/upkeep/backup.js';
export type { DoctorFinding } from './engine/upkeep/doctor-findings.js';
export type { DoctorOptions, DoctorReport } from './engine/upkeep/doctor.js';
export { backupContext, doctorContext, repairContext, verifyContext } from './engine/upkeep/on-demand.js';
export type { VerifyNote, VerifyProblem } from './engine/upkeep/problems.js';
export type { RepairOptions, RepairReport } from './engine/upkeep/repair.js';
export type { RepairAction } from './engine/upkeep/repair-log.js';
export type { VerifyOptions, VerifyReport } from './engine/upkeep/verify.js';
export { openMemoryStore, type MemoryStoreOptions } from './memory/memory-event-store.js';
export {
  command,
  commands,
  type CommandContext,
  type CommandHandler,
  type CommandHandlers,
  type CommandOptions,
  type CommandPayload,
  type CommandResult,
  type CommandsOptions,
  type Dispatch,
} from './modelling/commands.js';
export { causedBy, withContext, type EventContext } from './modelling/context.js';
export { decide, type DecideOptions } from './modelling/decide.js';
export {
  reject,
  type DecideResult,
  type DecisionAppended,
  type DecisionContext,
  type DecisionModels,
  type DecisionRejected,
  type DecisionWithoutEvents,
  type Outcome,
  type Rejection,
  type StatesOf,
} from './modelling/decision.js';
export { decisionModel, type DecisionModel, type DecisionModelOptions, type StateOf } from './modelling/decision-model.js';
export { defineEvent, type DefineEventOptions } from './modelling/define-event.js';
export type { EventDefinition, EventOf, EventOptions, TypedEvent, TypedNewEvent } from './modelling/event-definition.js';
export { parseEvents } from './modelling/parse-events.js';
export type { Loaded } from './modelling/repository-fold.js';
export type {
  DomainEvent,
  NewEventOf,
  UpdateAppended,
  UpdateContext,
  UpdateOptions,
  UpdateOutcome,
  UpdateRejected,
  UpdateResult,
  UpdateWithoutEvents,
} from './modelling/repository-update.js';
export { repository, type Repository, type RepositoryOptions, type TypedRepositoryOptions } from './modelling/repository.js';
export type { RetryOptions } from './modelling/retry.js';
export type { StandardSchemaV1 } from './modelling/standard-schema.js';
export type { StreamReadOptions, VersionedEvent, VersionedEvents } from './modelling/stream-reading.js';
export { stream, type ExpectedVersion, type Stream, type StreamAppendOptions, type StreamAppendResult } from './modelling/stream.js';
export { tag, type DerivedTags, type Tag, type TagOf, type TagValue } from './modelling/tag.js';
export { mergeQueries, query, type EventSelection } from './modelling/typed-query.js';
export { upcast, type Upcast, type Upcasts } from './modelling/upcast.js';
export { projection, type IndexValue, type IndexValueOf, type IndexValues, type Projection, type ProjectionOptions, type RelatedOptions, type TypedProjectionOptions } from './projecting/definition.js';
export type { RebuildReason } from './projecting/inspection.js';
export { openProjection, type OpenProjectionOptions } from './projecting/open-projection.js';
export type { ProjectionProgress, ProjectionStatus, ProjectionView, WaitOptions } from './projecting/projection-view.js';
export { copyStore, type CopyOptions, type CopyProgress, type CopyResult } from './transfer/copy-store.js';
export { exportEvents, type ExportOptions } from './transfer/export-events.js';
export { importEvents, type ImportOptions, type ImportProgress, type ImportResult } from './transfer/import-events.js';
export type { ImportSource } from './transfer/import-source.js';
export type { TransferFormat } from './transfer/transfer-format.js';
