import { InvalidInputError } from '../core/errors.js';
import type { NewEvent } from '../core/event.js';
import { derivedId } from './derived-id.js';
import type { ImportedEvent } from './imported-event.js';
import type { ImportInput } from './import-source.js';
import { readLines } from './lines.js';

/** Events of an NDJSON source in order. An event without id gets one that is the same whenever the same source is read. */
export async function* readNdjson(input: ImportInput, name: string | undefined): AsyncGenerator<ImportedEvent> {
  const { checkEventLine } = await import('./schemas.js');
  const nameLine = (line: number): string => (name === undefined ? `line ${line}` : `${name}:${line}`);
  // Wherever it lies.
  const file = name?.replace(/^.*[\\/]/, '') ?? '';
  let ordinal = 0;
  for await (const { text, number, bytes } of readLines(input.chunks(), nameLine)) {
    const where = nameLine(number);
    const value = parseLine(text, where);
    checkEventLine(value, where);
    ordinal++;
    const { position: _, ...event } = value as NewEvent & { position?: number };
    // The ordinal keeps two equal lines two events, the name those of two files.
    yield { event: event.id === undefined ? { ...event, id: derivedId('line', file, ordinal, text) } : event, where, bytes, description: false };
  }
}

function parseLine(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new InvalidInputError(where, `is not valid JSON: ${(error as Error).message}.`, error);
  }
}
