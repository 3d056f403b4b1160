/*
 * What a disk remembers: files and directories as programs see them, and beside that what would be found after a power cut.
 * A file knows which writes no sync has covered; the directories share one list of entries made, renamed and removed that
 * no sync has covered.
 */

/** Which promises a sync keeps. */
export type SyncModel =
  /** No more than the standard says: a file's sync covers its bytes alone, a directory's sync its entries alone; what was not synced persists in any order. */
  | 'posix'
  /** As ext4 with ordered data: entries persist in the order in which they were made, the sync of a file that grew or is new covers all of them, and a file that replaces another by rename brings its bytes along. */
  | 'ext4';

export type Write = { readonly offset: number; readonly bytes: Buffer };

export class FileNode {
  readonly kind = 'file';
  readonly ino: number;
  /** What programs read. */
  bytes: Buffer = Buffer.alloc(0);
  /** What is on the platter. */
  durable: Buffer = Buffer.alloc(0);
  /** Writes behind the last sync. */
  unsynced: Write[] = [];
  /** Syncs that failed so far: whoever had the file open then is told once, by the next sync of its own (Linux since 4.13). */
  failedSyncs = 0;
  modifiedMs = 0;

  constructor(ino: number) {
    this.ino = ino;
  }

  write(offset: number, bytes: Uint8Array): void {
    const write = { offset, bytes: Buffer.from(bytes) };
    this.bytes = applyWrite(this.bytes, write);
    this.unsynced.push(write);
  }

  sync(): void {
    for (const write of this.unsynced) this.durable = applyWrite(this.durable, write);
    this.unsynced = [];
  }
}

export class DirectoryNode {
  readonly kind = 'directory';
  readonly ino: number;
  entries = new Map<string, Node>();
  durable = new Map<string, Node>();
  modifiedMs = 0;

  constructor(ino: number) {
    this.ino = ino;
  }
}

export type Node = FileNode | DirectoryNode;

/** A change of directory entries that no sync has covered. A rename changes two places in one step. */
export type EntryChange =
  | { readonly kind: 'make'; readonly directory: DirectoryNode; readonly name: string; readonly node: Node }
  | { readonly kind: 'remove'; readonly directory: DirectoryNode; readonly name: string }
  | {
      readonly kind: 'rename';
      readonly directory: DirectoryNode;
      readonly name: string;
      readonly node: Node;
      readonly from: DirectoryNode;
      readonly fromName: string;
      readonly replaces: boolean;
    };

export class Medium {
  readonly syncModel: SyncModel;
  readonly root = new DirectoryNode(1);
  unsyncedEntries: EntryChange[] = [];
  #inodes = 1;

  constructor(syncModel: SyncModel) {
    this.syncModel = syncModel;
  }

  newFile(): FileNode {
    return new FileNode(++this.#inodes);
  }

  newDirectory(): DirectoryNode {
    return new DirectoryNode(++this.#inodes);
  }

  /** Changes directory entries for all to see; a sync makes it last. */
  change(change: EntryChange): void {
    applyChange(change, (directory) => directory.entries);
    this.unsyncedEntries.push(change);
  }

  syncFile(file: FileNode): void {
    const grew = file.durable.length < file.bytes.length;
    file.sync();
    const isNew = this.unsyncedEntries.some((change) => change.kind !== 'remove' && change.node === file);
    if (this.syncModel === 'ext4' && (grew || isNew)) this.#syncEntries(() => true);
  }

  syncDirectory(directory: DirectoryNode): void {
    this.#syncEntries((change) => this.syncModel === 'ext4' || touches(change, directory));
  }

  /** Makes a choice of the changes last, in order, and forgets the others: what a power cut does. */
  settleEntries(lasts: (change: EntryChange) => boolean): void {
    this.#syncEntries(lasts);
    this.unsyncedEntries = [];
  }

  #syncEntries(isCovered: (change: EntryChange) => boolean): void {
    const left: EntryChange[] = [];
    for (const change of this.unsyncedEntries) {
      if (!isCovered(change)) left.push(change);
      else {
        applyChange(change, (directory) => directory.durable);
        if (this.syncModel === 'ext4' && change.kind === 'rename' && change.replaces && change.node.kind === 'file') change.node.sync();
      }
    }
    this.unsyncedEntries = left;
  }
}

/** The bytes with `write` done to them; zeros fill what lies between. */
export function applyWrite(bytes: Buffer, { offset, bytes: written }: Write): Buffer {
  const changed = Buffer.alloc(Math.max(bytes.length, offset + written.length));
  changed.set(bytes, 0);
  changed.set(written, offset);
  return changed;
}

function touches(change: EntryChange, directory: DirectoryNode): boolean {
  return change.directory === directory || (change.kind === 'rename' && change.from === directory);
}

function applyChange(change: EntryChange, entriesOf: (directory: DirectoryNode) => Map<string, Node>): void {
  const entries = entriesOf(change.directory);
  if (change.kind === 'remove') entries.delete(change.name);
  else {
    if (change.kind === 'rename') entriesOf(change.from).delete(change.fromName);
    entries.set(change.name, change.node);
  }
}
