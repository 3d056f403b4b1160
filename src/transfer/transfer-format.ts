import { hasByteOrderMark } from './lines.js';

/** `'ndjson'`: one event a line as JSON. `'ocel'`: OCEL 2.0 JSON (ocel-standard.org). */
export type TransferFormat = 'ndjson' | 'ocel';

/** A piece of an export; `event` is true when it is a whole event. */
export type ExportPart = { readonly text: string; readonly event: boolean };

export const transferFormats: readonly TransferFormat[] = ['ndjson', 'ocel'];

/** Whether `detectFormat` can tell: a line is enough, so that a source that trickles in is not waited for. */
export function isDetectable(beginning: Buffer): boolean {
  return beginning.length >= 4096 || textOf(beginning).includes('\n');
}

/** Tells the format by how the content begins: an OCEL file is one object that spans lines or starts with a key of OCEL. */
export function detectFormat(beginning: Buffer): TransferFormat {
  return /^\{\s*(\n|"(objectTypes|eventTypes|objects|events|ocel:[\w-]+)"\s*:\s*[[{])/.test(textOf(beginning)) ? 'ocel' : 'ndjson';
}

function textOf(beginning: Buffer): string {
  return beginning.toString('utf8', hasByteOrderMark(beginning) ? 3 : 0).trimStart();
}
