/* What the doctor makes of the facts: pure decisions. Each finding says what was seen, and what to do. */
import type { DoctorFacts, LockFacts } from './doctor-facts.js';
import { cloudMarkers, cloudServiceOf, fileSystemKindOf, type FileSystemKind } from './doctor-places.js';

export type DoctorFinding = {
  /** A note needs nobody to act. */
  readonly level: 'warning' | 'note';
  /** Never changes its meaning, such as `'cloud-folder'`. */
  readonly code: string;
  /** What was seen. */
  readonly message: string;
  /** What to do. */
  readonly advice: string;
};

/** What is younger may belong to a process that is at work. */
const youngMs = 60_000;
/** Time stamps may be ahead by this much: clocks of one machine are corrected now and then. */
const clockSlackMs = 60_000;
/** As the lock itself has it: a lock that went untouched for so long may be taken by anybody. */
const staleLockMs = 5000;
/** Little room on any disk that is not itself small: there it is this share; and a share of it that is little unless it is a lot of bytes. */
const leastFreeBytes = 100e6;
const leastFreeShareOfSmall = 0.1;
const leastFreeShare = 0.01;
const amplyFreeBytes = 10e9;

export function judge(facts: DoctorFacts): DoctorFinding[] {
  return [cloudFolder, fileSystem, diskSpace, ledgerEnd, opening, clock, lock, unsynced, repairing, checkpoint, eventFolder, eventFiles, leftovers].flatMap((look) => look(facts) ?? []);
}

type Look = (facts: DoctorFacts) => DoctorFinding | undefined;

const cloudFolder: Look = ({ folder, realFolder, markers }) => {
  const marker = markers[0];
  const service = cloudServiceOf(realFolder) ?? cloudServiceOf(folder) ?? (marker === undefined ? undefined : cloudMarkers.get(marker));
  if (service === undefined) return undefined;
  return warning(
    'cloud-folder',
    `${folder} seems to be synchronised by ${service}.`,
    'Such programs replace files under a running store, and bring back old ones. Move the folder out of their reach while no process has it open, and put backups there instead ("opossum backup").',
  );
};

const advices: Record<FileSystemKind, string> = {
  network: 'Appends are not serialised there, and locks of other machines are not seen: events can be lost. Keep the folder on a local disk, and copy it to the share with "opossum backup".',
  fuse: 'Many such file systems serialise neither appends nor renames. Keep the folder on a local disk, unless you know that this one does.',
  fat: 'It keeps no journal: a power cut can damage the folder itself. Keep the folder on a disk with ext4, APFS, NTFS or the like, and use this one for backups at most.',
  memory: 'All events are gone when the machine stops. Keep what must stay on a disk.',
};

const fileSystem: Look = ({ platform, folder, realFolder, fileSystem: facts }) => {
  const found = fileSystemKindOf({ platform, place: realFolder, type: facts?.type });
  if (!found) return undefined;
  const [kind, name] = found;
  const code = kind === 'network' ? 'network-file-system' : `${kind}-file-system`;
  return { level: kind === 'memory' ? 'note' : 'warning', code, message: `${folder} lies on ${name}.`, advice: advices[kind] };
};

const diskSpace: Look = ({ fileSystem: facts }) => {
  if (!facts || facts.totalBytes === 0) return undefined;
  const { freeBytes, totalBytes } = facts;
  if (freeBytes >= Math.min(leastFreeBytes, totalBytes * leastFreeShareOfSmall) && (freeBytes >= totalBytes * leastFreeShare || freeBytes >= amplyFreeBytes)) return undefined;
  return warning(
    'disk-space',
    `Only ${megabytes(freeBytes)} of ${megabytes(totalBytes)} are free on the disk.`,
    'Make room: on a full disk appends fail, and nothing that was stored is lost. "opossum stats" shows what the store takes; an event file takes 4 kB however small the event.',
  );
};

const ledgerEnd: Look = ({ ledger }) =>
  ledger.damage === undefined ? undefined : warning('ledger-damaged', ledger.damage, 'Run "opossum verify" to see all of it, then "opossum repair", which says what it would do before it does it.');

const opening: Look = ({ openingFailure: failure }) => {
  if (!failure) return undefined;
  const advice = 'Run "opossum verify" to see all that is wrong, then "opossum repair", which says what it would do before it does it.';
  return warning('cannot-be-opened', `The store cannot be opened for reading (${failure.code}): ${failure.message}`, advice);
};

const clock: Look = ({ ledger, nowMs }) => {
  if (ledger.newestMs === undefined || ledger.newestMs <= nowMs + clockSlackMs) return undefined;
  return warning(
    'clock-behind',
    `The newest append was made at ${time(ledger.newestMs)}, but this machine's clock says ${time(nowMs)}.`,
    'Set the clock. Order and safety do not depend on it; time stamps of new events do.',
  );
};

const lock: Look = ({ lock: facts }) => {
  if (!facts) return undefined;
  const { state, untouchedMs } = facts;
  const who = holder(facts);
  const since = `nobody touched it for ${Math.round(untouchedMs / 1000)} s`;
  if (state === 'dead') return warning('stale-lock', `The lock is held by ${who}, which is dead.`, 'Nothing: the next process that appends takes it over at once.');
  if (state === 'alive' && untouchedMs < youngMs) return note('lock-held', `The lock is held by ${who}.`, 'Nothing: that process is appending.');
  if (state === 'alive') return warning('stale-lock', `The lock is held by ${who}, but ${since}.`, 'That process stands still. Let it go on, or end it; others take the lock over when they append.');
  if (untouchedMs >= staleLockMs) return warning('stale-lock', `The lock is held by ${who}, but ${since}.`, 'Nothing: the next process that appends takes it over within seconds.');
  return note('lock-held', `The lock is held by ${who}.`, 'If that is another machine, this folder is shared by two: see network file systems in docs/operations.md.');
};

const unsynced: Look = ({ isUnsynced }) =>
  isUnsynced
    ? warning('ledger-unsynced', 'A sync of the ledger failed, and nobody has appended since (ledger.unsynced).', 'Look after the disk: the system log tells why. Then append, or run "opossum repair --apply": either writes the unsynced bytes again.')
    : undefined;

const repairing: Look = ({ isRepairing }) =>
  isRepairing ? warning('ledger-repairing', 'A repair was begun and not finished, or is at work (ledger.repairing).', 'Unless it is at work, run "opossum repair --apply" again: it goes on from there.') : undefined;

const checkpoint: Look = ({ checkpoint: state, ledger, ...facts }) => {
  if (state === 'right' || ledger.head === 0 || isAtWork({ ...facts, ledger })) return undefined;
  return warning(
    'checkpoint',
    state === 'missing' ? 'There is no checkpoint, though events are stored.' : 'The checkpoint is damaged, or of another ledger.',
    'Append something, or run "opossum repair --apply", to have it written. Without it, damage to the last events can go unnoticed. Stores that are only written with durability "os" have none.',
  );
};

const eventFolder: Look = ({ isEventFolderGone }) =>
  isEventFolderGone
    ? warning('event-files-gone', 'The folder of event files is missing, though events are stored and had files there.', 'Run "opossum repair --apply": it writes them from the ledger. Until then nothing can heal the ledger.')
    : undefined;

const eventFiles: Look = ({ missingEventFiles: missing, ...facts }) => {
  if (missing === 0) return undefined;
  const message = `${missing.toLocaleString('en-US')} event file${missing === 1 ? ' is' : 's are'} still to be written.`;
  const advice = 'The events are safe in the ledger. The next process that appends writes the files; "opossum repair --apply" does so at once.';
  return isAtWork(facts) ? note('event-files-behind', message, 'Nothing: they follow the appends.') : warning('event-files-behind', message, advice);
};

const leftovers: Look = ({ leftovers: all }) => {
  const old = all.filter(({ ageMs }) => ageMs >= youngMs || ageMs < -youngMs);
  if (old.length === 0) return undefined;
  const names = old.slice(0, 3).map(({ name }) => name).join(', ');
  return warning(
    'leftovers',
    `${old.length} temporary file${old.length === 1 ? '' : 's'} or folder${old.length === 1 ? '' : 's'} of processes that were killed: ${names}${old.length > 3 ? ', …' : ''}.`,
    'They do no harm. Delete them while no process has the store open, or let "opossum repair --apply" set aside those within the folder.',
  );
};

/** Whether somebody is appending, or was a moment ago. */
function isAtWork({ lock: held, ledger, nowMs }: Pick<DoctorFacts, 'lock' | 'ledger' | 'nowMs'>): boolean {
  return held?.state === 'alive' || Math.abs(nowMs - (ledger.newestMs ?? 0)) < youngMs;
}

function holder({ owner }: LockFacts): string {
  return owner ? `process ${owner.pid} on host ${owner.host}` : 'somebody who did not say who it is';
}

function warning(code: string, message: string, advice: string): DoctorFinding {
  return { level: 'warning', code, message, advice };
}

function note(code: string, message: string, advice: string): DoctorFinding {
  return { level: 'note', code, message, advice };
}

function megabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
