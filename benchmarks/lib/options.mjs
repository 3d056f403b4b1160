import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { rows } from './rows.mjs';

export const usage = `node benchmarks/run.mjs [options]

  --events 10000,100000   sizes of the prepared stores, at least 1,000 each
  --rows NAME,NAME        only these rows: ${rows.map(({ name }) => name).join(', ')}
  --rivals NAME,NAME      only these: opossum, sqlite, sqlite-group (without the last two nothing is installed)
  --rounds N              how often each measurement runs, rivals in turn; the median counts (3)
  --smoke                 tiny: only to see that everything works
  --work DIR              where the stores are made, and removed at the end (the system's folder for temporary files)
  --json FILE             all figures as JSON
  --prof DIR              CPU profiles of opossum's measurements
`;

/** @typedef {ReturnType<typeof parseOptions>} Options */

/** @param {string[]} args */
export function parseOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      events: { type: 'string' },
      rows: { type: 'string' },
      rivals: { type: 'string', default: 'opossum,sqlite,sqlite-group' },
      rounds: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      work: { type: 'string', default: os.tmpdir() },
      json: { type: 'string' },
      prof: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const { smoke } = values;
  const sizes = numbers(values.events ?? (smoke ? '1000' : '10000,100000'), '--events', 1000);
  const [rounds = 3] = numbers(values.rounds ?? (smoke ? '1' : '3'), '--rounds', 1);
  const names = values.rows?.split(',') ?? rows.map(({ name }) => name);
  const chosen = rows.filter(({ name }) => names.includes(name));
  const unknown = names.find((name) => !rows.some((row) => row.name === name));
  if (unknown !== undefined) throw new Error(`--rows: there is no row ${unknown}`);
  const rivals = values.rivals.split(',');
  const stranger = rivals.find((name) => !['opossum', 'sqlite', 'sqlite-group'].includes(name));
  if (stranger !== undefined) throw new Error(`--rivals: there is no rival ${stranger}`);
  return {
    help: values.help,
    smoke,
    sizes,
    rounds,
    rows: chosen,
    rivals,
    work: path.resolve(values.work),
    json: values.json,
    prof: values.prof === undefined ? undefined : path.resolve(values.prof),
  };
}

/** @param {string} text @param {string} option @param {number} least */
function numbers(text, option, least) {
  return text.split(',').map((part) => {
    const value = Number(part);
    if (!Number.isSafeInteger(value) || value < least) throw new Error(`${option}: ${part} is not a whole number from ${least}`);
    return value;
  });
}
