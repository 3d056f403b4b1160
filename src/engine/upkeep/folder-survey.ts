import path from 'node:path';
import type { Disk } from '../../disk/disk.js';
import { folderName, positionOf, voidFolder } from '../../eventfiles/paths.js';
import type { EventFileFormat } from '../../ledger/header.js';
import type { Breather } from '../breather.js';

/** Folders of a context whose place something else has taken, relative to it: below them nothing can be read or written. */
export async function blockedFolders(directory: string, disk: Disk): Promise<string[]> {
  const isBlocked = async (folder: string): Promise<boolean> => {
    const found = await disk.stat(path.join(directory, folder));
    return found !== undefined && found.kind !== 'directory';
  };
  const blocked = [...((await isBlocked('index')) ? ['index'] : []), ...((await isBlocked('events')) ? ['events'] : [])];
  if (blocked.includes('events')) return blocked;
  const inside = path.join('events', voidFolder);
  return (await isBlocked(inside)) ? [...blocked, inside] : blocked;
}

/** Files of a context that nothing refers to. All paths are relative to its folder. */
export type FolderSurvey = {
  /** What processes left that died while they wrote a file, or what they are writing just now. */
  readonly temporary: readonly string[];
  /** Event files of positions that the ledger does not have. */
  readonly beyond: readonly { readonly where: string; readonly position: number }[];
  /** Names in `events/` and `index/` that the store never gives. */
  readonly strange: readonly string[];
};

export type SurveyOptions = {
  readonly directory: string;
  readonly eventFiles: EventFileFormat;
  /** Position of the last event. */
  readonly head: number;
  readonly disk: Disk;
  readonly breather: Breather;
  readonly signal: AbortSignal | undefined;
};

/** Where repair writes a new ledger before it gets its name. */
export const repairingName = 'ledger.repairing';

const temporaryName = /\.tmp$/;

export async function surveyFolder(options: SurveyOptions): Promise<FolderSurvey> {
  const survey = { temporary: [] as string[], beyond: [] as { where: string; position: number }[], strange: [] as string[] };
  for (const name of await namesIn('', options)) {
    if (name === repairingName || /^\.checkpoint\..*\.tmp$/.test(name)) survey.temporary.push(name);
  }
  for (const name of await namesIn('index', options)) {
    if (temporaryName.test(name)) survey.temporary.push(path.join('index', name));
    else if (!/^\d{10}(\.idx|-\d{10}\.keys)$/.test(name)) survey.strange.push(path.join('index', name));
  }
  for (const folder of await namesIn('events', options)) {
    if (folder === voidFolder) continue;
    if (/^\d{7,}$/.test(folder)) await surveyEventFolder(folder, options, survey);
    else if (/^\.\d{7,}\..+\.tmp$/.test(folder)) survey.temporary.push(path.join('events', folder));
    else survey.strange.push(path.join('events', folder));
  }
  return survey;
}

async function surveyEventFolder(
  folder: string,
  options: SurveyOptions,
  survey: { temporary: string[]; beyond: { where: string; position: number }[]; strange: string[] },
): Promise<void> {
  const { eventFiles, head, breather, signal } = options;
  signal?.throwIfAborted();
  await breather.breathe();
  for (const name of await namesIn(path.join('events', folder), options)) {
    const where = path.join('events', folder, name);
    const position = eventFiles === 'none' ? undefined : positionOf(name, eventFiles);
    if (name.startsWith('.') && temporaryName.test(name)) survey.temporary.push(where);
    else if (position === undefined || folderName(position) !== folder) survey.strange.push(where);
    else if (position > head) survey.beyond.push({ where, position });
  }
}

/** Sorted, so that two looks at the same folder say the same. */
async function namesIn(folder: string, { directory, disk }: SurveyOptions): Promise<string[]> {
  const inside = path.join(directory, folder);
  const found = await disk.stat(inside);
  if (found?.kind !== 'directory') return [];
  return ((await disk.list(inside)) ?? []).sort();
}
