import path from 'node:path';
import type { EventFileFormat } from './event-file.js';

/** Events in one folder: folders stay small enough to list and to copy. */
export const eventsPerFolder = 1000;

/** Folder within `events` for event files that stood in the way of others. */
export const voidFolder = 'void';

/** Name of the folder that holds the file of `position`: `0000001` for 1 to 1,000. Widths grow, never wrap. */
export function folderName(position: number): string {
  return String(Math.floor((position - 1) / eventsPerFolder) + 1).padStart(7, '0');
}

/** Name of the event file within its folder, such as `000001234.json`. */
export function fileName(position: number, format: EventFileFormat): string {
  return `${String(position).padStart(9, '0')}.${format}`;
}

/** Where the file of an event lies, relative to the context's folder. */
export function eventFilePath(position: number, format: EventFileFormat): string {
  return path.join('events', folderName(position), fileName(position, format));
}

/** The position that a file name stands for, or undefined when it is not an event file's name. */
export function positionOf(name: string, format: EventFileFormat): number | undefined {
  const match = /^(\d{9,16})\.(json|msgpack)$/.exec(name);
  const position = match ? Number(match[1]) : 0;
  return match?.[2] === format && position > 0 && fileName(position, format) === name ? position : undefined;
}
