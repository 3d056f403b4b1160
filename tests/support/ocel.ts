import { exportEvents, type EventStore, type ExportOptions } from '../../src/index.js';

export type Ocel = {
  objectTypes: { name: string; attributes: { name: string; type: string }[] }[];
  eventTypes: { name: string; attributes: { name: string; type: string }[] }[];
  objects: { id: string; type: string; attributes?: { name: string; time: string; value: unknown }[]; relationships?: { objectId: string; qualifier: string }[] }[];
  events: { id: string; type: string; time: string; attributes?: { name: string; value: unknown }[]; relationships?: { objectId: string; qualifier: string }[] }[];
};

export async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const piece of pieces) text += piece;
  return text;
}

export async function exportOcel(store: EventStore, options: Omit<ExportOptions, 'format'> = {}): Promise<Ocel> {
  return JSON.parse(await textOf(exportEvents(store, { ...options, format: 'ocel' }))) as Ocel;
}

/** The value with every list in an order of its own: OCEL's lists mean sets. */
export function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
