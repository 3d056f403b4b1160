import path from 'node:path';
import { isOpossumError, LedgerCorruptError } from '../../core/errors.js';
import type { ChainPoint } from '../../core/stored.js';
import type { DiskFile } from '../../disk/disk.js';
import { openEventFileCodec } from '../../eventfiles/event-file.js';
import { verifyBlocks, type BlockVerifier } from '../../indexing/verify-blocks.js';
import type { LedgerHeader } from '../../ledger/header.js';
import { indexedEvents } from '../../ledger/scan-chain.js';
import { storedBatch } from '../../ledger/stored-batch.js';
import { isUnsynced, rewriteUnsynced } from '../../ledger/unsynced.js';
import { Breather } from '../breather.js';
import { encodeCheckpoint, otherCheckpoint, ownCheckpoint, type Checkpoint } from '../checkpoint.js';
import type { EnginePorts } from '../engine.js';
import { findForeignLedger, foreignLedgerError } from '../foreign-ledger.js';
import { CheckpointReader } from './checkpoint-reader.js';
import { findEventsBehind } from './events-behind.js';
import { blockedFolders, surveyFolder } from './folder-survey.js';
import { Healer } from './heal.js';
import { checkLedger, type LedgerFindings } from './ledger-check.js';
import { patchyDisk, type UnreadableStretch } from './patchy-file.js';
import type { VerifyProblem } from './problems.js';
import { Quarantine } from './quarantine.js';
import { Rebuild } from './rebuild.js';
import { RepairLog } from './repair-log.js';
import type { RepairOptions, RepairReport } from './repair.js';
import { unreadableProblems } from './unreadable.js';
import { witnessesOf } from './verification.js';
import { openLedger, verifyOn } from './verify.js';

export type RepairRunOptions = {
  /** The context's folder. */
  readonly directory: string;
  /** Folder of the contexts. */
  readonly root: string;
  readonly context: string;
  readonly acceptLoss: boolean;
  readonly trust: RepairOptions['trust'];
  readonly signal: AbortSignal | undefined;
  readonly onProgress: RepairOptions['onProgress'];
  /** Called before every change; throws to stop. Absent in a dry run. */
  readonly mayGoOn: (() => void) | undefined;
};

/** Steps of which progress is told: look, heal, verify. */
const steps = 3;
const progressUnits = 1000;

/** One repair of one context, under the lock unless it is a dry run. */
export class RepairRun {
  readonly #options: RepairRunOptions;
  readonly #ports: EnginePorts;
  readonly #log = new RepairLog();
  readonly #quarantine: Quarantine;
  readonly #healer: Healer;
  readonly #breather: Breather;
  readonly #checkpoint: CheckpointReader;
  /** What of the ledger could not be read so far. */
  readonly #unreadable: UnreadableStretch[] = [];

  constructor(options: RepairRunOptions, ports: EnginePorts) {
    const { directory, mayGoOn } = options;
    this.#options = options;
    this.#ports = ports;
    this.#breather = new Breather(ports.clock);
    this.#checkpoint = new CheckpointReader(directory, ports);
    this.#quarantine = new Quarantine({ directory, disk: ports.disk, clock: ports.clock });
    this.#healer = new Healer({ directory, disk: ports.disk, clock: ports.clock, log: this.#log, quarantine: this.#quarantine, breather: this.#breather, mayGoOn });
  }

  async run(): Promise<RepairReport> {
    const opened = await this.#open();
    if (opened === 'never finished') return { applied: false, ok: true, head: 0, actions: [], actionCount: 0, lost: [] };
    const damage = 'problem' in opened ? 'The ledger is missing or has no valid header.' : await this.#damageIn(opened);
    if (damage === undefined) return this.#healAll([]);
    const rebuild = new Rebuild({ ...this.#options, log: this.#log, quarantine: this.#quarantine, healer: this.#healer, breather: this.#breather, checkpoint: this.#checkpoint }, this.#ports);
    const outcome = await rebuild.run(damage);
    const { head, lost } = outcome;
    return outcome.isLedgerMade ? this.#healAll(lost) : this.#report({ applied: false, ok: false, head, lost });
  }

  async #open(): Promise<Awaited<ReturnType<typeof openLedger>> | 'never finished'> {
    const { directory } = this.#options;
    try {
      return await openLedger(directory, patchyDisk(this.#ports.disk, this.#unreadable, this.#ports.clock));
    } catch (error) {
      // A header that was torn, and nothing else of a store: whoever opens it next makes the header.
      if (isOpossumError(error, 'INVALID_INPUT') && (await this.#ports.disk.stat(path.join(directory, 'ledger')))) return 'never finished';
      throw error;
    }
  }

  /** What verify says of the ledger, if it is damaged. */
  async #damageIn({ file, header }: { file: DiskFile; header: LedgerHeader }): Promise<string | undefined> {
    const { directory, trust } = this.#options;
    const { disk } = this.#ports;
    try {
      const foreign = await findForeignLedger({ file, header, checkpoint: await this.#checkpoint.read() }, { directory, disk, breather: this.#breather });
      if (foreign && trust === undefined) throw foreignLedgerError(foreign, directory);
      if (foreign && trust === 'event-files') return foreign.message;
      const { findings } = await this.#walk(file, header, { step: 0, heal: false });
      // Event files that are not believed do not tell of a lost end either.
      const problem = (await unreadableProblems(file, this.#unreadable))[0] ?? findings.problems[0] ?? (foreign ? undefined : await this.#eventsBehind(file, header, findings));
      return problem?.message;
    } finally {
      await file.close();
    }
  }

  #eventsBehind(file: DiskFile, header: LedgerHeader, { chain, end }: LedgerFindings): Promise<VerifyProblem | undefined> {
    return findEventsBehind({ directory: this.#options.directory, disk: this.#ports.disk, breather: this.#breather, file, header, chain, end });
  }

  /** Heals what is derived from a sound ledger, and looks at the result. */
  async #healAll(lost: RepairReport['lost']): Promise<RepairReport> {
    const { directory, mayGoOn, root, context, signal } = this.#options;
    const { disk } = this.#ports;
    if (await isUnsynced(directory, disk)) {
      this.#log.add({ what: 'ledger', where: 'ledger.unsynced', message: 'A sync failed: the end of the ledger is written again in its place and made durable.' }, false);
      mayGoOn?.();
      if (mayGoOn) await rewriteUnsynced(directory, 0, disk);
    }
    // Marks of a checkpoint may only speak of what is durable.
    if (mayGoOn) await disk.syncFile(path.join(directory, 'ledger'));
    for (const where of await blockedFolders(directory, disk)) await this.#healer.healBlockedFolder(where);
    const head = await this.#healDerived();
    await this.#quarantine.settle();
    if (!mayGoOn) return this.#report({ applied: false, ok: this.#log.problems === 0, head, lost });
    await this.#quarantine.finish();
    const onProgress = ({ done, total }: { done: number; total: number }): void => this.#tell(2, done, total);
    const verified = await verifyOn({ directory: root, context, onProgress, ...(signal ? { signal } : {}) }, this.#ports);
    return this.#report({ applied: this.#log.count > 0, ok: verified.ok, head: verified.head, lost });
  }

  async #healDerived(): Promise<number> {
    const opened = await openLedger(this.#options.directory, this.#ports.disk);
    if ('problem' in opened) throw new LedgerCorruptError(opened.problem.message);
    const { file, header } = opened;
    try {
      const { findings, blocks } = await this.#walk(file, header, { step: 1, heal: true });
      if (findings.problems[0]) throw new LedgerCorruptError(`${findings.problems[0].message} It changed while it was being repaired; repair again.`);
      this.#healer.listPending();
      for (const damaged of blocks.finish()) await this.#healer.healBlock(damaged);
      const head = findings.chain.last;
      const { temporary, beyond } = await surveyFolder({ ...this.#options, eventFiles: header.eventFiles, head: head.position, disk: this.#ports.disk, breather: this.#breather });
      // Before the checkpoint is written: it is what tells that these files are another ledger's.
      if (await this.#isLedgerTrusted(header)) for (const { where, position } of beyond) await this.#healer.setAside(where, position);
      await this.#healCheckpoint(header, head, findings);
      for (const where of temporary) await this.#healer.healLeftover(where);
      return head.position;
    } finally {
      await file.close();
    }
  }

  /** Whether somebody said that the ledger is right, and not the checkpoint's. */
  async #isLedgerTrusted({ ledgerId }: LedgerHeader): Promise<boolean> {
    return this.#options.trust === 'ledger' && otherCheckpoint(await this.#checkpoint.read(), ledgerId) !== undefined;
  }

  async #walk(file: DiskFile, header: LedgerHeader, { step, heal }: { step: number; heal: boolean }): Promise<{ findings: LedgerFindings; blocks: BlockVerifier }> {
    const { directory, signal } = this.#options;
    const { disk } = this.#ports;
    const codec = header.eventFiles === 'none' || !heal ? undefined : await openEventFileCodec(header.eventFiles);
    const checkpoint = await this.#checkpointOf(header);
    const blocks = await verifyBlocks({ disk, directory: path.join(directory, 'index'), ledgerId: header.ledgerId, breathe: () => this.#breather.breathe() });
    const { size } = await file.stat();
    const findings = await checkLedger({
      file,
      header,
      size,
      witnesses: witnessesOf(checkpoint, blocks),
      breather: this.#breather,
      signal,
      onFrame: async (frame, point) => {
        if (codec) await this.#healer.healEventFiles(storedBatch(frame), codec, checkpoint?.eventFiles?.position ?? 0);
        if (heal) for (const damaged of await blocks.check(point, indexedEvents(frame))) await this.#healer.healBlock(damaged);
      },
      onProgress: (done) => this.#tell(step, done, size),
    });
    return { findings, blocks };
  }

  async #checkpointOf({ ledgerId }: LedgerHeader): Promise<Checkpoint | undefined> {
    return ownCheckpoint(await this.#checkpoint.read(), ledgerId);
  }

  async #healCheckpoint(header: LedgerHeader, head: ChainPoint, { chain }: LedgerFindings): Promise<void> {
    const isThere = (await this.#ports.disk.stat(path.join(this.#options.directory, 'checkpoint'))) !== undefined;
    const found = await this.#checkpoint.read();
    await this.#checkpoint.confirm();
    const sound = await this.#checkpointOf(header);
    const isTrue = sound && (!sound.eventFiles || chain.find(sound.eventFiles.position)?.checksum === sound.eventFiles.checksum);
    if (isTrue || (!isThere && head.position === 0)) return;
    const reason = !isThere ? 'is missing' : sound ? 'says what is not true' : found ? 'belongs to another ledger' : 'is damaged';
    // Which event files are durable, nobody knows now: the next writer compares them all.
    const checkpoint = { ledgerId: header.ledgerId.toString('hex'), durable: head, eventFiles: undefined };
    await this.#healer.replaceCheckpoint(encodeCheckpoint(checkpoint), reason);
  }

  #report(outcome: Pick<RepairReport, 'applied' | 'ok' | 'head' | 'lost'>): RepairReport {
    const { folder } = this.#quarantine;
    const isKept = outcome.applied && folder !== undefined;
    return { ...outcome, actions: this.#log.actions, actionCount: this.#log.count, ...(isKept ? { quarantine: folder } : {}) };
  }

  #tell(step: number, done: number, total: number): void {
    const fraction = total === 0 ? 1 : done / total;
    this.#options.onProgress?.({ done: Math.round((step + fraction) * progressUnits), total: steps * progressUnits });
  }
}
