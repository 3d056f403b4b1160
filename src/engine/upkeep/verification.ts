import path from 'node:path';
import { crc32 } from 'node:zlib';
import type { Clock } from '../../disk/clock.js';
import type { Disk, DiskFile } from '../../disk/disk.js';
import { messageOf } from '../../disk/error-code.js';
import { eventFileContent, openEventFileCodec, type EventFileCodec } from '../../eventfiles/event-file.js';
import { eventFilePath } from '../../eventfiles/paths.js';
import { verifyBlocks, type BlockVerifier, type DamagedBlock } from '../../indexing/verify-blocks.js';
import type { Chain } from '../../ledger/chain.js';
import type { FoundFrame } from '../../ledger/frame-scan.js';
import type { LedgerHeader } from '../../ledger/header.js';
import { indexedEvents } from '../../ledger/scan-chain.js';
import { storedBatch } from '../../ledger/stored-batch.js';
import { isUnsynced } from '../../ledger/unsynced.js';
import { Breather } from '../breather.js';
import { ownCheckpoint, type Checkpoint } from '../checkpoint.js';
import { findForeignLedger } from '../foreign-ledger.js';
import { readQuietly, readTwice } from '../look-again.js';
import { CheckpointReader } from './checkpoint-reader.js';
import { findEventsBehind, headByNow } from './events-behind.js';
import { blockedFolders, surveyFolder } from './folder-survey.js';
import { checkLedger, type DurableWitness } from './ledger-check.js';
import type { UnreadableStretch } from './patchy-file.js';
import { BoundedList, type VerifyNote, type VerifyProblem } from './problems.js';
import { unreadableProblems } from './unreadable.js';
import { stateNotes } from './state-notes.js';
import type { VerifyReport } from './verify.js';

export type VerificationOptions = {
  /** The context's folder. */
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  /** What of the ledger could not be read so far: the file that is looked at notes it here. */
  readonly unreadable: readonly UnreadableStretch[];
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: { done: number; total: number }) => void) | undefined;
};

/** A file that seemed wrong, and the fingerprint that it should have. */
type Suspect = { readonly problem: VerifyProblem; readonly expected: string };

/** More are believed at the first look: nobody writes so many files while they are looked at. */
const maxSuspects = 1000;

/** One look at a whole context. */
export class Verification {
  readonly #options: VerificationOptions;
  readonly #breather: Breather;
  readonly #problems = new BoundedList<VerifyProblem>();
  readonly #notes = new BoundedList<VerifyNote>();
  #suspects: Suspect[] = [];
  #ledgerIsDamaged = false;
  #head = 0;
  #bytes = 0;
  #voidFrames = 0;
  #scarBytes = 0;
  #pendingEventFiles = 0;

  constructor(options: VerificationOptions) {
    this.#options = options;
    this.#breather = new Breather(options.clock);
  }

  get ledgerIsDamaged(): boolean {
    return this.#ledgerIsDamaged;
  }

  async run(file: DiskFile, header: LedgerHeader): Promise<void> {
    const { directory, disk, unreadable, signal, onProgress } = this.#options;
    const blocked = await this.#tellBlocked();
    const found = await this.#readCheckpoint(header);
    const isForeign = await this.#isForeign(file, header, found);
    const checkpoint = ownCheckpoint(found, header.ledgerId);
    // By a foreign ledger everything else in the folder would be wrong.
    const codec = header.eventFiles === 'none' || isForeign || blocked.includes('events') ? undefined : await openEventFileCodec(header.eventFiles);
    const blocks = await verifyBlocks({ disk, directory: path.join(directory, 'index'), ledgerId: header.ledgerId, breathe: () => this.#breather.breathe() });
    // Taken behind the witnesses: what they say was durable must be found before it.
    const { size } = await file.stat();
    const findings = await checkLedger({
      file,
      header,
      size,
      witnesses: witnessesOf(checkpoint, blocks),
      breather: this.#breather,
      signal,
      onFrame: async (frame, point) => {
        if (codec) await this.#checkEventFiles(frame, codec, checkpoint);
        if (!isForeign) for (const damaged of await blocks.check(point, indexedEvents(frame))) this.#suspectBlock(damaged);
      },
      onProgress: (done) => onProgress?.({ done, total: size }),
    });
    for (const problem of [...(await unreadableProblems(file, unreadable)), ...findings.problems]) this.addProblem(problem);
    // Where the ledger is damaged, nothing is known of what lies behind.
    if (!this.#ledgerIsDamaged) for (const damaged of blocks.finish()) this.#suspectBlock(damaged);
    this.#head = findings.chain.last.position;
    this.#bytes = size;
    this.#voidFrames = findings.voidFrames;
    this.#scarBytes = findings.scarBytes;
    await this.#lookAgain();
    await this.#lookAround(file, header, findings.chain, findings.end);
    onProgress?.({ done: size, total: size });
  }

  addProblem(problem: VerifyProblem): void {
    if (problem.what === 'ledger') this.#ledgerIsDamaged = true;
    this.#problems.add(problem);
  }

  report(): VerifyReport {
    return {
      ok: this.#problems.count === 0,
      head: this.#head,
      events: this.#head,
      bytes: this.#bytes,
      voidFrames: this.#voidFrames,
      scarBytes: this.#scarBytes,
      pendingEventFiles: this.#pendingEventFiles,
      problems: this.#problems.items,
      problemCount: this.#problems.count,
      notes: this.#notes.items,
      noteCount: this.#notes.count,
    };
  }

  async #tellBlocked(): Promise<string[]> {
    const { directory, disk } = this.#options;
    const blocked = await blockedFolders(directory, disk);
    for (const where of blocked) {
      const message = `${where} is no folder, but something else of that name. "opossum repair --apply" moves it aside.`;
      this.addProblem({ what: where === 'index' ? 'index block' : 'event file', where, message });
    }
    return blocked;
  }

  async #isForeign(file: DiskFile, header: LedgerHeader, checkpoint: Checkpoint | undefined): Promise<boolean> {
    const { directory, disk } = this.#options;
    const foreign = await findForeignLedger({ file, header, checkpoint }, { directory, disk, breather: this.#breather });
    if (foreign) this.addProblem({ what: 'ledger', where: 'ledger', ...foreign });
    return foreign !== undefined;
  }

  /** A checkpoint is not synced before it gets its name: a power cut may empty it, so a damaged one is no problem but a note. */
  async #readCheckpoint(header: LedgerHeader): Promise<Checkpoint | undefined> {
    const { directory, disk } = this.#options;
    const there = await disk.stat(path.join(directory, 'checkpoint'));
    if (!there) return undefined;
    const checkpoint = await new CheckpointReader(directory, this.#options).read();
    if (ownCheckpoint(checkpoint, header.ledgerId)) return checkpoint;
    const message =
      there.kind !== 'file'
        ? 'What has the name of the checkpoint is no file. "opossum repair --apply" moves it aside.'
        : `${checkpoint ? 'The checkpoint belongs to another ledger.' : 'The checkpoint is damaged or cannot be read, or was cut short by a power cut.'} ` +
          'Nothing relies on it: it is ignored, and replaced by the next process that appends.';
    this.#notes.add({ what: 'checkpoint', where: 'checkpoint', message });
    return checkpoint;
  }

  async #checkEventFiles(frame: FoundFrame, codec: EventFileCodec, checkpoint: Checkpoint | undefined): Promise<void> {
    const { directory, disk, clock } = this.#options;
    const batch = storedBatch(frame);
    const complete = checkpoint?.eventFiles?.position ?? 0;
    for (let i = 0; i < batch.count; i++) {
      await this.#breather.breathe();
      const position = batch.first + i;
      const where = eventFilePath(position, codec.format);
      let found: Buffer | undefined;
      try {
        found = await readTwice(path.join(directory, where), disk, clock);
      } catch (error) {
        this.addProblem({ what: 'event file', where, position, message: `The event file of event ${position} cannot be read (${messageOf((error as Error).cause)}).` });
        continue;
      }
      if (!found && position > complete) {
        this.#pendingEventFiles++;
        continue;
      }
      const expected = codec.encode(eventFileContent(batch, i));
      if (found?.equals(expected)) continue;
      const message = found ? `The event file differs from event ${position} in the ledger.` : `The event file of event ${position} is missing.`;
      this.#suspect({ what: 'event file', where, position, message }, expected);
    }
  }

  #suspectBlock({ name, first, reason, expected }: DamagedBlock): void {
    const message = `${reason} Reads do not rely on it: it is rebuilt from the ledger when it is next used.`;
    this.#suspect({ what: 'index block', where: path.join('index', name), position: first, message }, expected);
  }

  #suspect(problem: VerifyProblem, expected: Buffer | undefined): void {
    if (this.#suspects.length >= maxSuspects) this.addProblem(problem);
    else this.#suspects.push({ problem, expected: fingerprint(expected) });
  }

  /** Writers put files right at any time: what is right by now was being written. */
  async #lookAgain(): Promise<void> {
    for (const { problem, expected } of this.#suspects) {
      await this.#breather.breathe();
      const isRight = fingerprint(await this.#read(problem.where)) === expected;
      if (!isRight) this.addProblem(problem);
    }
    this.#suspects = [];
  }

  /** What cannot be read is as wrong as what is not there. */
  #read(where: string): Promise<Buffer | undefined> {
    return readQuietly(path.join(this.#options.directory, where), this.#options.disk);
  }

  /** Notes what lies in the folder and belongs to nothing. */
  async #lookAround(file: DiskFile, header: LedgerHeader, chain: Chain, end: number): Promise<void> {
    const { directory, disk, signal } = this.#options;
    const breather = this.#breather;
    const { temporary, beyond, strange } = await surveyFolder({ directory, eventFiles: header.eventFiles, head: this.#head, disk, breather, signal });
    if (!this.#ledgerIsDamaged && beyond.length > 0) {
      const problem = await findEventsBehind({ directory, disk, breather, file, header, chain, end });
      if (problem) this.addProblem(problem);
    }
    const head = this.#ledgerIsDamaged ? Infinity : beyond.length === 0 ? this.#head : await headByNow(file, chain, end);
    if (await isUnsynced(directory, disk)) {
      this.#notes.add({ what: 'ledger', where: 'ledger.unsynced', message: 'A sync failed: the next process that appends writes the end of the ledger again and makes it durable.' });
    }
    for (const where of temporary) {
      // A writer may have been at it a moment ago.
      if (await disk.stat(path.join(directory, where))) {
        this.#notes.add({ what: 'leftover', where, message: 'A temporary file, which a process left that ended while it wrote it.' });
      }
    }
    for (const { where, position } of beyond) {
      if (position > head) this.#notes.add({ what: 'event file', where, message: `The file is of event ${position}, but the ledger ends with event ${head}.` });
    }
    for (const where of strange) this.#notes.add({ what: 'leftover', where, message: 'The store gives no file such a name.' });
    for await (const note of stateNotes(directory, disk, breather)) this.#notes.add(note);
  }
}

const fingerprint = (bytes: Buffer | undefined): string => (bytes ? `${bytes.length} ${crc32(bytes)}` : 'absent');

/** What says of frames that they were durable. */
export function witnessesOf(checkpoint: Checkpoint | undefined, blocks: BlockVerifier): DurableWitness[] {
  return [
    ...(checkpoint?.durable ? [{ name: 'checkpoint', point: checkpoint.durable }] : []),
    ...blocks.ends.map((point) => ({ name: `index block that ends with position ${point.position}`, point })),
  ];
}
