/*
 * Heals from a sound ledger what is derived from it: event files, index blocks, checkpoint. The same walk serves the dry
 * run, which only lists. What is replaced is moved to the quarantine first; an event file that is sound but of no event of
 * this ledger goes to `events/void/`.
 */
import path from 'node:path';
import type { StoredBatch } from '../../core/stored.js';
import type { Clock } from '../../disk/clock.js';
import type { Disk } from '../../disk/disk.js';
import { eventFileContent, type EventFileCodec } from '../../eventfiles/event-file.js';
import { eventFilePath, voidFolder } from '../../eventfiles/paths.js';
import type { DamagedBlock } from '../../indexing/verify-blocks.js';
import type { Breather } from '../breather.js';
import { readTwice } from '../look-again.js';
import type { Quarantine } from './quarantine.js';
import type { RepairLog } from './repair-log.js';

export type HealOptions = {
  /** The context's folder. */
  readonly directory: string;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: RepairLog;
  readonly quarantine: Quarantine;
  readonly breather: Breather;
  /** Absent in a dry run. */
  readonly mayGoOn: (() => void) | undefined;
};

export class Healer {
  readonly #options: HealOptions;
  /** Event files that were still to be written by whoever appends next: nothing is wrong with that. */
  #pending = 0;

  constructor(options: HealOptions) {
    this.#options = options;
  }

  /** `complete` is the position up to which the checkpoint says that every file is there. */
  async healEventFiles(batch: StoredBatch, codec: EventFileCodec, complete: number): Promise<void> {
    const { log, breather } = this.#options;
    for (let i = 0; i < batch.count; i++) {
      await breather.breathe();
      const position = batch.first + i;
      const where = eventFilePath(position, codec.format);
      const found = await this.#read(where);
      const expected = codec.encode(eventFileContent(batch, i));
      if (found instanceof Buffer && found.equals(expected)) continue;
      if (!found && position > complete) {
        this.#pending++;
        await this.#replace(where, expected);
        continue;
      }
      const isForeign = found instanceof Buffer && codec.decode(found)?.position === position;
      const aside = isForeign ? `moved to events/${voidFolder}` : 'moved to the quarantine';
      const message = found
        ? `The event file differs from event ${position} in the ledger: it is ${aside} and written again.`
        : `The event file of event ${position} is missing: it is written.`;
      log.add({ what: 'event file', where, position, message }, true);
      await this.#replace(where, expected, isForeign ? () => this.#moveToVoid(where) : undefined);
    }
  }

  /** Lists the event files that were not there and need not have been. */
  listPending(): void {
    const one = this.#pending === 1;
    if (this.#pending === 0) return;
    const message = `${this.#pending} pending event file${one ? '' : 's'}, which the next process that appends would write: ${one ? 'it is' : 'they are'} written.`;
    this.#options.log.add({ what: 'event file', where: 'events', message }, false);
    this.#pending = 0;
  }

  /** What cannot be read is as wrong as what says something else. */
  async #read(where: string): Promise<Buffer | 'unreadable' | undefined> {
    const { directory, disk, clock } = this.#options;
    try {
      return await readTwice(path.join(directory, where), disk, clock);
    } catch {
      return 'unreadable';
    }
  }

  async healBlock({ name, first, reason, expected }: DamagedBlock): Promise<void> {
    const where = path.join('index', name);
    const what = expected ? 'it is moved to the quarantine and made again from the ledger' : 'it is moved to the quarantine';
    this.#options.log.add({ what: 'index block', where, position: first, message: `${reason.replace(/\.$/, '')}: ${what}.` }, true);
    if (expected) await this.#replace(where, expected);
    else await this.moveAside(where);
  }

  /** Something that is no folder stands where one should be. */
  async healBlockedFolder(where: string): Promise<void> {
    const what = where === 'index' ? 'index block' : 'event file';
    this.#options.log.add({ what, where, message: `${where} is no folder, but something else of that name: it is moved to the quarantine.` }, true);
    await this.moveAside(where);
  }

  async replaceCheckpoint(bytes: Buffer | undefined, reason: 'is missing' | 'is damaged' | 'belongs to another ledger' | 'says what is not true'): Promise<void> {
    this.#options.log.add({ what: 'checkpoint', where: 'checkpoint', message: `The checkpoint ${reason}: a new one is written.` }, false);
    if (bytes) await this.#replace('checkpoint', bytes);
  }

  async healLeftover(where: string): Promise<void> {
    this.#options.log.add({ what: 'leftover', where, message: 'A temporary file that a process left behind: it is moved to the quarantine.' }, false);
    await this.moveAside(where);
  }

  /** Another ledger's event file, of a position that this one does not have yet. */
  async setAside(where: string, position: number): Promise<void> {
    const { log, mayGoOn } = this.#options;
    log.add({ what: 'event file', where, position, message: `The file is of event ${position}, which the ledger does not have: it is moved to events/${voidFolder}.` }, false);
    mayGoOn?.();
    if (mayGoOn) await this.#moveToVoid(where);
  }

  async moveAside(where: string): Promise<void> {
    const { mayGoOn, quarantine } = this.#options;
    if (!mayGoOn) return;
    mayGoOn();
    await quarantine.moveAside(where);
  }

  /** Moves away what is there, and puts the right file in its place, whole and durable. */
  async #replace(where: string, bytes: Buffer, moveAway = (): Promise<void> => this.moveAside(where)): Promise<void> {
    const { directory, disk, mayGoOn, quarantine } = this.#options;
    if (!mayGoOn) return;
    mayGoOn();
    const folder = path.dirname(where);
    await quarantine.makeFolders(folder);
    const temporary = path.join(directory, folder, `.${path.basename(where)}.repair.tmp`);
    await disk.removeFile(temporary);
    await disk.createFile(temporary, bytes);
    // Synced before it gets its name: a mark of the checkpoint may cover it.
    await disk.syncFile(temporary);
    await moveAway();
    await disk.rename(temporary, path.join(directory, where));
    quarantine.touch(folder);
  }

  async #moveToVoid(where: string): Promise<void> {
    const { directory, disk, quarantine } = this.#options;
    const folder = path.join('events', voidFolder);
    await quarantine.makeFolders(folder);
    let name = path.basename(where);
    for (let i = 2; await disk.stat(path.join(directory, folder, name)); i++) name = `${path.basename(where)}.${i}`;
    await disk.rename(path.join(directory, where), path.join(directory, folder, name));
    quarantine.touch(folder);
    quarantine.touch(path.dirname(where));
  }
}
