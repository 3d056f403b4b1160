/*
 * Replaces a damaged or lost ledger. The damaged one is moved aside first and read after that, since a writer that does not
 * know yet may append to it until then; the new one is complete and durable before it gets its name. Interrupted anywhere,
 * the next repair finds either the old ledger in its place, or none and the old one in a quarantine that says "unfinished".
 */
import path from 'node:path';
import { LedgerCorruptError, StorageFailedError } from '../../core/errors.js';
import type { ChainMark } from '../../core/stored.js';
import type { Disk, DiskFile } from '../../disk/disk.js';
import { openEventFileCodec } from '../../eventfiles/event-file.js';
import { EventFileSource, formatOfNames } from '../../eventfiles/event-file-source.js';
import { blockFileName, blockNumbers, keysFileName, keysGroups } from '../../indexing/block-names.js';
import { blockSize, groupSizes } from '../../indexing/segment.js';
import { verifyBlocks } from '../../indexing/verify-blocks.js';
import { ledgerIdLength } from '../../ledger/format.js';
import type { EventFileFormat } from '../../ledger/header.js';
import type { Breather } from '../breather.js';
import { otherCheckpoint, type Checkpoint } from '../checkpoint.js';
import { describeForeign, findOtherEvent, foreignLedgerError } from '../foreign-ledger.js';
import { readTwice } from '../look-again.js';
import type { EnginePorts } from '../engine.js';
import type { CheckpointReader } from './checkpoint-reader.js';
import { repairingName, surveyFolder } from './folder-survey.js';
import type { Healer } from './heal.js';
import { readRemains, type LedgerRemains } from './ledger-remains.js';
import { plannedBatches, writeNewLedger, type BatchSources } from './new-ledger.js';
import type { Quarantine } from './quarantine.js';
import { findReadable, patchyDisk, type UnreadableStretch } from './patchy-file.js';
import { planRebuild, type RebuildPlan } from './rebuild-plan.js';
import { RecordFinder } from './record-finder.js';
import type { RepairLog } from './repair-log.js';
import type { RepairRunOptions } from './repair-run.js';
import type { RepairReport } from './repair.js';

export type RebuildOptions = RepairRunOptions & {
  readonly log: RepairLog;
  readonly quarantine: Quarantine;
  readonly healer: Healer;
  readonly breather: Breather;
  readonly checkpoint: CheckpointReader;
};

export type RebuildOutcome = {
  /** False in a dry run, and when events are lost and nobody accepted it. */
  readonly isLedgerMade: boolean;
  readonly head: number;
  readonly lost: RepairReport['lost'];
};

type Draft = {
  readonly plan: RebuildPlan;
  readonly remains: LedgerRemains;
  readonly eventFiles: EventFileFormat;
  readonly sources: BatchSources;
  /** Throws when something that could not be read can be read by now: the plan does without it. */
  readonly confirm: () => Promise<void>;
};

export class Rebuild {
  readonly #options: RebuildOptions;
  readonly #ports: EnginePorts;

  constructor(options: RebuildOptions, ports: EnginePorts) {
    this.#options = options;
    this.#ports = ports;
  }

  async run(damage: string): Promise<RebuildOutcome> {
    const { directory, quarantine, acceptLoss, mayGoOn, log } = this.#options;
    const isInPlace = (await this.#ports.disk.stat(path.join(directory, 'ledger'))) !== undefined;
    const unfinished = isInPlace ? undefined : await quarantine.findUnfinished();
    const source = isInPlace ? 'ledger' : unfinished && path.join(unfinished, 'ledger');
    const outcome = await this.#withDraft(source, async (draft) => {
      this.#describe(draft, damage, source);
      const isRefused = draft.plan.lost.length > 0 && !acceptLoss;
      if (!mayGoOn && !isRefused) await this.#listDerived(draft);
      return { isLedgerMade: false, head: draft.plan.head, lost: describeLost(draft.plan, acceptLoss), isRefused };
    });
    if (!mayGoOn || outcome.isRefused) return outcome;
    mayGoOn();
    // Without a ledger too: until the checkpoint is written anew, this says why it belongs to another one.
    const ledgerId = this.#ports.random.bytes(ledgerIdLength);
    await quarantine.begin(unfinished, ledgerId);
    if (isInPlace) await quarantine.moveAside('ledger');
    for (const name of ['ledger.unsynced', repairingName]) await quarantine.moveAside(name);
    await quarantine.settle();
    return this.#withDraft(source && path.join(quarantine.folder!, 'ledger'), async (draft) => {
      if (draft.plan.lost.length > 0 && !acceptLoss) throw new LedgerCorruptError(`The damaged ledger changed while it was being repaired. It lies in ${quarantine.folder}; repair again.`);
      const { plan, remains, eventFiles, sources, confirm } = draft;
      await writeNewLedger({ directory, ledgerId, eventFiles, createdAt: remains.createdAt, batches: plannedBatches(plan, sources), mayGoOn, confirm }, this.#ports);
      if (plan.lost.length > 0) log.add({ what: 'ledger', where: 'ledger', message: 'Lost events are replaced by events of type "opossum.lost".' }, false);
      return { isLedgerMade: true, head: plan.head, lost: describeLost(plan, acceptLoss) };
    });
  }

  /** Reads what is left and plans a ledger of it. `source` is the path of the damaged one within the context, if there is one. */
  async #withDraft<T>(source: string | undefined, use: (draft: Draft) => Promise<T>): Promise<T> {
    const { directory, breather, signal, acceptLoss, trust } = this.#options;
    const { disk, clock, random } = this.#ports;
    const unreadable: UnreadableStretch[] = [];
    const file = source === undefined ? undefined : await openSource(path.join(directory, source), patchyDisk(disk, unreadable, clock));
    try {
      const checkpoint = await this.#options.checkpoint.read();
      const remains = await readRemains(file, checkpoint && Buffer.from(checkpoint.ledgerId, 'hex'), breather, signal);
      const witnesses = await this.#witnesses(remains, checkpoint);
      for (const { position, checksum } of witnesses.marks) if (!remains.marks.has(position)) remains.marks.set(position, checksum);
      const eventFiles = remains.eventFiles ?? (await formatOfNames(directory, disk)) ?? 'json';
      // Event files that are not believed are no source, not even for what is damaged.
      const isLedgerTrusted = trust === 'ledger' && remains.ledgerId !== undefined && otherCheckpoint(checkpoint, remains.ledgerId) !== undefined;
      const files = await EventFileSource.open({
        directory,
        format: isLedgerTrusted ? 'none' : eventFiles,
        disk,
        // What a failure of the moment hides would be given up for ever: a file that cannot be read stops the rebuild.
        readFile: (name) => readTwice(name, disk, clock),
        breathe: () => breather.breathe(),
      });
      const records = new RecordFinder(file, remains, breather);
      const plan = await planRebuild({ remains, eventFiles: files, records, knownEnd: witnesses.end, nowMs: clock.now(), breather, signal });
      const sources = { file, eventFiles: files, random, breather };
      if (await this.#isLedgerForeign(remains, checkpoint, plan, sources)) return await this.#withDraft(undefined, use);
      if (plan.head === 0 && remains.start === 0 && !acceptLoss) throw nothingLeft(directory);
      return await use({ plan, remains, eventFiles, sources, confirm: () => this.#confirm(source, unreadable) });
    } finally {
      await file?.close();
    }
  }

  async #confirm(source: string | undefined, unreadable: readonly UnreadableStretch[]): Promise<void> {
    await this.#options.checkpoint.confirm();
    if (source === undefined || unreadable.length === 0) return;
    const where = path.join(this.#options.directory, source);
    const file = await this.#ports.disk.open(where, 'read');
    try {
      const { from, to, reason } = (await findReadable(file, unreadable)) ?? {};
      if (from === undefined) return;
      throw new StorageFailedError(
        `${where} could not be read from byte ${from} to ${to! - 1} (${reason}), and can by now, at least in part. Repair again: it goes on where it stopped.`,
        'unknown',
        { file: where, offset: from },
      );
    } finally {
      await file.close();
    }
  }

  /** Whether a ledger that is not the checkpoint's contradicts the event files, and they are to be believed. @throws LedgerCorruptError when nobody said what to believe. */
  async #isLedgerForeign({ ledgerId }: LedgerRemains, checkpoint: Checkpoint | undefined, plan: RebuildPlan, sources: BatchSources): Promise<boolean> {
    const { directory, trust, breather } = this.#options;
    const { disk } = this.#ports;
    const other = ledgerId && otherCheckpoint(checkpoint, ledgerId);
    if (trust === 'ledger' || !other || !sources.file) return false;
    const frames = plan.batches.filter((batch) => typeof batch === 'number');
    const position = await findOtherEvent(plannedBatches({ ...plan, batches: frames }, sources), { directory, disk, breather });
    if (position === undefined) return false;
    if (trust === undefined) throw foreignLedgerError(describeForeign(ledgerId, other, position), directory);
    return true;
  }

  /** What checkpoint and index know of durable frames. */
  async #witnesses({ ledgerId }: LedgerRemains, checkpoint: Checkpoint | undefined): Promise<{ marks: ChainMark[]; end: number }> {
    const { disk } = this.#ports;
    const directory = path.join(this.#options.directory, 'index');
    if (!ledgerId) {
      // Nobody can say whether the blocks are this ledger's, but positions must not be handed out twice.
      const newest = Math.max(-1, ...blockNumbers(await this.#indexNames()));
      return { marks: [], end: (newest + 1) * blockSize };
    }
    const own = checkpoint?.ledgerId === ledgerId.toString('hex') ? checkpoint : undefined;
    const { ends } = await verifyBlocks({ disk, directory, ledgerId, breathe: () => this.#options.breather.breathe() });
    const marks = [own?.durable, own?.eventFiles, ...ends].flatMap((mark) => mark ?? []);
    return { marks, end: marks.reduce((end, { position }) => Math.max(end, position), 0) };
  }

  /** Names in the index folder. */
  async #indexNames(): Promise<readonly string[]> {
    const { disk } = this.#ports;
    const index = path.join(this.#options.directory, 'index');
    return ((await disk.stat(index))?.kind === 'directory' && (await disk.list(index))) || [];
  }

  #describe({ plan }: Draft, damage: string, source: string | undefined): void {
    const { log } = this.#options;
    const whole = plan.batches.filter((batch) => typeof batch === 'number').length;
    const move = source === undefined ? '' : source === 'ledger' ? ' It is moved to the quarantine.' : ` It lies in ${path.dirname(source)} since an earlier repair.`;
    const message = `${damage}${move} A new ledger with a new id is made, up to position ${plan.head}; undamaged batches: ${whole}; put together from event files and from what is left of them: ${plan.batches.length - whole}.`;
    log.add({ what: 'ledger', where: 'ledger', message }, true);
    for (const { first, last, batches } of madeStretches(plan)) {
      const positions = first === last ? `position ${first}` : `positions ${first} to ${last}`;
      const what = batches === 1 ? `The batch of ${positions} is` : `The ${batches} batches of ${positions} are`;
      log.add({ what: 'ledger', where: 'ledger', position: first, message: `${what} put together again.` }, true);
    }
  }

  /** For a dry run: what will be healed once the new ledger is there. */
  async #listDerived({ plan, eventFiles, sources }: Draft): Promise<void> {
    const { directory, healer, breather, checkpoint, signal } = this.#options;
    const { disk } = this.#ports;
    const codec = eventFiles === 'none' ? undefined : await openEventFileCodec(eventFiles);
    for await (const batch of plannedBatches(plan, sources)) {
      if (codec) await healer.healEventFiles(batch, codec, 0);
    }
    healer.listPending();
    const names = await this.#indexNames();
    const files = [
      ...blockNumbers(names).map((block) => ({ name: blockFileName(block), first: block * blockSize + 1, size: blockSize })),
      ...keysGroups(names, groupSizes).map((place) => ({ name: keysFileName(place), first: place.group * place.size * blockSize + 1, size: place.size * blockSize })),
    ];
    for (const { name, first, size } of files) {
      // In a dry run nothing is written: what the file should hold does not matter, only that there should be one.
      if (first + size - 1 <= plan.head) await healer.healBlock({ name, first, reason: 'The block belongs to another ledger.', expected: Buffer.alloc(0) });
      else await healer.healBlock({ name, first, reason: 'The block is about positions that the ledger does not hold.' });
    }
    const isThere = (await disk.stat(path.join(directory, 'checkpoint'))) !== undefined;
    const reason = !isThere ? 'is missing' : (await checkpoint.read()) ? 'belongs to another ledger' : 'is damaged';
    if (isThere || plan.head > 0) await healer.replaceCheckpoint(undefined, reason);
    const { temporary } = await surveyFolder({ directory, eventFiles, head: plan.head, disk, breather, signal });
    for (const where of temporary) await healer.healLeftover(where);
  }
}

/** Positions (inclusive) of batches that follow each other and are put together again. */
function madeStretches({ batches }: RebuildPlan): { first: number; last: number; batches: number }[] {
  const stretches: { first: number; last: number; batches: number }[] = [];
  let open: (typeof stretches)[number] | undefined;
  for (const batch of batches) {
    if (typeof batch === 'number' || batch.origins.every((origin) => origin === 'lost')) {
      open = undefined;
      continue;
    }
    if (!open) stretches.push((open = { first: batch.first, last: batch.first, batches: 0 }));
    open.last = batch.first + batch.origins.length - 1;
    open.batches++;
  }
  return stretches;
}

/** The damaged ledger; undefined when what has its name is no file. */
async function openSource(file: string, disk: Disk): Promise<DiskFile | undefined> {
  return (await disk.stat(file))?.kind === 'file' ? disk.open(file, 'read') : undefined;
}

function describeLost({ lost }: RebuildPlan, acceptLoss: boolean): RepairReport['lost'] {
  return lost.map(({ first, last }) => {
    const which = first === last ? `The event of position ${first}` : `The events of positions ${first} to ${last}`;
    const next = acceptLoss
      ? 'Events of type "opossum.lost" take their place.'
      : 'Restore the ledger from a backup; or repair with acceptLoss (--accept-loss), and events of type "opossum.lost" take their place.';
    return { first, last, message: `${which} cannot be restored from anything. ${next}` };
  });
}

function nothingLeft(directory: string): LedgerCorruptError {
  return new LedgerCorruptError(
    `The ledger of ${directory} cannot be rebuilt: nothing is left to tell which events there were. Restore the folder from a backup; ` +
      'or repair with acceptLoss (--accept-loss) to begin with position 1 again.',
    { file: path.join(directory, 'ledger') },
  );
}
