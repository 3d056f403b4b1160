/* zod enters here, and nothing imports this file at load time: it would cost every program that opens a store 40 ms. */
import { z } from 'zod';
import { InvalidInputError } from '../core/errors.js';
import { describe } from '../core/json.js';
import type { OcelDocument, OcelLogData } from './ocel.js';

// What data and metadata may hold is the store's own check; only the frame around them is checked here.
const eventLine = z.strictObject({
  type: z.string(),
  data: z.unknown(),
  tags: z.array(z.string()).optional(),
  id: z.string().optional(),
  metadata: z.looseObject({}).optional(),
  timestamp: z.string().optional(),
  position: z.int().optional(),
});

const name = z.string().min(1);
const scalar = z.custom<string | number | boolean | null>(
  (value) => value === null || ['string', 'number', 'boolean'].includes(typeof value),
  'it must be a string, a number, true, false or null',
);
const types = z.array(z.strictObject({ name, attributes: z.array(z.strictObject({ name: z.string(), type: z.string() })).optional() }));
const relationships = z.array(z.strictObject({ objectId: name, qualifier: z.string().optional() })).optional();
const objects = z.array(
  z.strictObject({
    id: name,
    type: name,
    attributes: z.array(z.strictObject({ name: z.string(), time: z.string().optional(), value: scalar })).optional(),
    relationships,
  }),
);
const events = z.array(
  z.strictObject({
    id: name,
    type: name,
    time: z.string(),
    attributes: z.array(z.strictObject({ name: z.string(), value: scalar })).optional(),
    relationships,
  }),
);

const ocelDocument = z.strictObject({ objectTypes: types, eventTypes: types, objects, events });
const ocelLogData = z.strictObject({ objectTypes: types, eventTypes: types, objects });

/** @throws InvalidInputError whose path is `where`, a colon and the path within the line. */
export function checkEventLine(value: unknown, where: string): void {
  check(eventLine, value, (path) => (path === '' ? where : `${where}: ${path}`), 'an event');
}

export function checkOcelDocument(value: unknown, where: (path: string) => string): OcelDocument {
  check(ocelDocument, value, where, 'OCEL 2.0');
  return value as OcelDocument;
}

export function isOcelLogData(value: unknown): value is OcelLogData {
  return ocelLogData.safeParse(value).success;
}

/** Answers yes or no, never with zod's copy: what was read goes on as it was read. */
function check(schema: z.ZodType, value: unknown, where: (path: string) => string, what: string): void {
  const { error } = schema.safeParse(value);
  const issue = error?.issues[0];
  if (!issue) return;
  if (issue.code === 'unrecognized_keys') {
    throw new InvalidInputError(where(toPath([...issue.path, issue.keys[0] ?? ''])), `is not a field of ${what}.`);
  }
  const found = issue.path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key], value);
  const wanted = issue.code === 'invalid_type' ? `it must be ${article[issue.expected] ?? issue.expected}` : issue.code === 'too_small' ? 'it must not be empty' : issue.message;
  throw new InvalidInputError(where(toPath(issue.path)), found === undefined ? 'is missing.' : `is ${describe(found)}; ${wanted}.`);
}

const article: Record<string, string> = {
  array: 'an array',
  object: 'an object',
  string: 'a string',
  number: 'a number',
  int: 'a whole number',
};

function toPath(keys: readonly PropertyKey[]): string {
  return keys.reduce<string>((path, key) => (typeof key === 'number' ? `${path}[${key}]` : path === '' ? String(key) : `${path}.${String(key)}`), '');
}
