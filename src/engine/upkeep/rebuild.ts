/*
 * Replaces a damaged or lost ledger. The damaged one is moved aside first and read after that, since a writer that does not
 * know yet may append to it until then; the new one is complete and durable before it gets its name. Interrupted anywhere,
 * the next repair finds either the old ledger in its place, or none and the old one in a quarantine that says "unfinished".
 */
import path from 'node:path';
import { LedgerCorruptError } from '../../core/errors.js';
import type { ChainMark } from '../../core/stored.js';
import type { DiskFile } from '../../disk/disk.js';
import { openEventFileCodec } from '../../eventfiles/event-file.js';
import { blockNumbers } from '../../indexing/block-names.js';
import { blockSize } from '../../indexing/segment.js';
import { verifyBlocks } from '../../indexing/verify-blocks.js';
import type { EventFileFormat } from '../../ledger/header.js';
import type { Breather } from '../breather.js';
import { decodeCheckpoint } from '../checkpoint.js';
import type { EnginePorts } from '../engine.js';
import { EventFileSource, formatOfNames } from './event-file-source.js';
import { repairingName, surveyFolder } from './folder-survey.js';
import type { Healer } from './heal.js';
import { readRemains, type LedgerRemains } from './ledger-remains.js';
import { plannedBatches, writeNewLedger, type BatchSources } from './new-ledger.js';
import type { Quarantine } from './quarantine.js';
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
    if (source !== undefined) await quarantine.begin(unfinished);
    if (isInPlace) await quarantine.moveAside('ledger');
    for (const name of ['ledger.unsynced', repairingName]) await quarantine.moveAside(name);
    await quarantine.settle();
    return this.#withDraft(source && path.join(quarantine.folder!, 'ledger'), async (draft) => {
      if (draft.plan.lost.length > 0 && !acceptLoss) throw new LedgerCorruptError(`The damaged ledger changed while it was being repaired. It lies in ${quarantine.folder}; repair again.`);
      const { plan, remains, eventFiles, sources } = draft;
      await writeNewLedger({ directory, eventFiles, createdAt: remains.createdAt, batches: plannedBatches(plan, sources), mayGoOn }, this.#ports);
      if (plan.lost.length > 0) log.add({ what: 'ledger', where: 'ledger', message: 'Lost events are replaced by events of type "opossum.lost".' }, false);
      return { isLedgerMade: true, head: plan.head, lost: describeLost(plan, acceptLoss) };
    });
  }

  /** Reads what is left and plans a ledger of it. `source` is the path of the damaged one within the context, if there is one. */
  async #withDraft<T>(source: string | undefined, use: (draft: Draft) => Promise<T>): Promise<T> {
    const { directory, breather, signal, acceptLoss } = this.#options;
    const { disk, clock, random } = this.#ports;
    const file: DiskFile | undefined = source === undefined ? undefined : await disk.open(path.join(directory, source), 'read');
    try {
      const checkpoint = decodeCheckpoint(await disk.readFile(path.join(directory, 'checkpoint')));
      const remains = await readRemains(file, checkpoint && Buffer.from(checkpoint.ledgerId, 'hex'), breather, signal);
      const witnesses = await this.#witnesses(remains, checkpoint);
      for (const { position, checksum } of witnesses.marks) if (!remains.marks.has(position)) remains.marks.set(position, checksum);
      const eventFiles = remains.eventFiles ?? (await formatOfNames(directory, disk)) ?? 'json';
      const files = await EventFileSource.open(directory, eventFiles, disk, breather);
      const records = new RecordFinder(file, remains);
      const plan = await planRebuild({ remains, eventFiles: files, records, knownEnd: witnesses.end, nowMs: clock.now(), breather, signal });
      if (plan.head === 0 && remains.start === 0 && !acceptLoss) throw nothingLeft(directory);
      return await use({ plan, remains, eventFiles, sources: { file, eventFiles: files, random, breather } });
    } finally {
      await file?.close();
    }
  }

  /** What checkpoint and index know of durable frames. */
  async #witnesses({ ledgerId }: LedgerRemains, checkpoint: ReturnType<typeof decodeCheckpoint>): Promise<{ marks: ChainMark[]; end: number }> {
    const { disk } = this.#ports;
    const directory = path.join(this.#options.directory, 'index');
    if (!ledgerId) {
      // Nobody can say whether the blocks are this ledger's, but positions must not be handed out twice.
      const newest = Math.max(-1, ...blockNumbers((await disk.list(directory)) ?? []));
      return { marks: [], end: (newest + 1) * blockSize };
    }
    const own = checkpoint?.ledgerId === ledgerId.toString('hex') ? checkpoint : undefined;
    const { ends } = await verifyBlocks({ disk, directory, ledgerId, breathe: () => this.#options.breather.breathe() });
    const marks = [own?.durable, own?.eventFiles, ...ends].flatMap((mark) => mark ?? []);
    return { marks, end: marks.reduce((end, { position }) => Math.max(end, position), 0) };
  }

  #describe({ plan }: Draft, damage: string, source: string | undefined): void {
    const { log } = this.#options;
    const whole = plan.batches.filter(({ kind }) => kind === 'frame').length;
    const move = source === undefined ? '' : source === 'ledger' ? ' It is moved to the quarantine.' : ` It lies in ${path.dirname(source)} since an earlier repair.`;
    const message = `${damage}${move} A new ledger with a new id is made, up to position ${plan.head}; undamaged batches: ${whole}; put together from event files and from what is left of them: ${plan.batches.length - whole}.`;
    log.add({ what: 'ledger', where: 'ledger', message }, true);
    for (const batch of plan.batches) {
      if (batch.kind === 'frame' || batch.origins.every((origin) => origin === 'lost')) continue;
      const last = batch.first + batch.origins.length - 1;
      log.add({ what: 'ledger', where: 'ledger', position: batch.first, message: `The batch of positions ${batch.first} to ${last} is put together again.` }, true);
    }
  }

  /** For a dry run: what will be healed once the new ledger is there. */
  async #listDerived({ plan, eventFiles, sources }: Draft): Promise<void> {
    const { directory, healer, breather, signal } = this.#options;
    const { disk } = this.#ports;
    const codec = eventFiles === 'none' ? undefined : await openEventFileCodec(eventFiles);
    for await (const batch of plannedBatches(plan, sources)) {
      if (codec) await healer.healEventFiles(batch, codec, 0);
    }
    for (const block of blockNumbers((await disk.list(path.join(directory, 'index'))) ?? [])) {
      await healer.healBlock({ name: `${String(block).padStart(10, '0')}.idx`, first: block * blockSize + 1, reason: 'The block belongs to the damaged ledger.' });
    }
    await healer.replaceCheckpoint(undefined, 'The checkpoint is written anew.');
    const { temporary } = await surveyFolder({ directory, eventFiles, head: plan.head, disk, breather, signal });
    for (const where of temporary) await healer.healLeftover(where);
  }
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
