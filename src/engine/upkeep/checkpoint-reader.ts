import { StorageFailedError } from '../../core/errors.js';
import { sleep } from '../../disk/clock.js';
import { findCheckpoint, type Checkpoint } from '../checkpoint.js';
import { lookAgainMs } from '../look-again.js';
import type { UpkeepPorts } from './verify.js';

/** Reads a context's checkpoint, of whatever ledger; one that cannot be read is as good as damaged, and stops nobody. */
export class CheckpointReader {
  readonly #directory: string;
  readonly #ports: UpkeepPorts;
  #hasFailed = false;

  constructor(directory: string, ports: UpkeepPorts) {
    this.#directory = directory;
    this.#ports = ports;
  }

  async read(): Promise<Checkpoint | undefined> {
    const { disk, clock } = this.#ports;
    try {
      return await findCheckpoint(this.#directory, disk);
    } catch {
      await sleep(clock, lookAgainMs);
    }
    try {
      return await findCheckpoint(this.#directory, disk);
    } catch {
      this.#hasFailed = true;
      return undefined;
    }
  }

  /**
   * To be asked before something that lasts is made of what was read: a checkpoint may say that the ledger lost its end.
   * @throws StorageFailedError when the checkpoint could not be read before, and can by now.
   */
  async confirm(): Promise<void> {
    if (!this.#hasFailed) return;
    const checkpoint = await findCheckpoint(this.#directory, this.#ports.disk).catch(() => undefined);
    if (checkpoint) throw new StorageFailedError(`The checkpoint of ${this.#directory} could not be read before, and can by now. Repair again: it goes on where it stopped.`, 'unknown');
  }
}
