import { checkExpected } from '../core/check-state.js';
import type { Disk } from '../disk/disk.js';
import type { Random } from '../disk/random.js';
import { nextVersion, publishVersion } from './publish.js';
import { stateFailed, type StateCall } from './state-errors.js';
import { encodeStateFile } from './state-file.js';
import { findNewest, stateFolderOf } from './state-folder.js';
import type { StateFolders } from './state-folders.js';

export type StateWriterOptions = {
  /** Folder of the context. */
  readonly directory: string;
  /** Whether what is saved survives a power cut. */
  readonly durable: boolean;
  readonly disk: Disk;
  readonly random: Random;
  readonly folders: StateFolders;
};

/** How often a save that got no further since its last attempt tries again. */
const maxIdleAttempts = 20;

/** Puts new versions behind the newest one; tries again while others are faster, unless the caller expects a version. */
export class StateWriter {
  readonly #options: StateWriterOptions;

  constructor(options: StateWriterOptions) {
    this.#options = options;
  }

  /** Returns the version. `text` is the value as JSON. */
  async save(name: string, text: string, expected: number | undefined): Promise<number> {
    return (await this.#publish('save', name, expected, text))!;
  }

  /** Returns false when there is nothing to remove. */
  async remove(name: string, expected: number | undefined): Promise<boolean> {
    return (await this.#publish('remove', name, expected, undefined)) !== undefined;
  }

  /** A removal is a version too, which says so: of a saver and a remover at the same time one wins, and no power cut brings back half. */
  async #publish(call: StateCall, name: string, expected: number | undefined, text: string | undefined): Promise<number | undefined> {
    const { directory, disk, random, durable, folders } = this.#options;
    const folder = stateFolderOf(directory, name);
    for (let idle = 0, before = -1; idle < maxIdleAttempts; idle++) {
      const found = await findNewest(folder, name, disk);
      const newest = found?.version ?? 0;
      const actual = found?.removed === true ? 0 : newest;
      checkExpected(name, expected, actual);
      if (text === undefined && actual === 0) return undefined;
      // Or it is there and empty: making it anew costs little.
      if (newest === 0) await folders.make(folder);
      const version = await nextVersion(newest, folder, disk);
      if (version !== before) idle = 0;
      before = version;
      const isSaved = await publishVersion({
        disk,
        folder,
        version,
        bytes: encodeStateFile(name, version, text),
        removes: text === undefined,
        token: random.uuid(),
        durable,
        syncFoldersAbove: () => folders.sync(folder),
        explain: (outcome, error) => stateFailed(call, name, folder, outcome, error),
      });
      if (isSaved && text === undefined) folders.forget(folder);
      if (isSaved) return version;
    }
    throw Object.assign(new Error(`${folder} does not keep what is written there`), { code: 'EIO' });
  }
}
