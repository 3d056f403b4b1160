import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { allRivals, mostQuadraticEvents, usualRivals } from './measurements.mjs';
import { rows } from './rows.mjs';

export const usage = `node benchmarks/run.mjs [options]

  --events 10000,100000   sizes of the prepared stores, at least 1,000 each
  --full                  10,000, 100,000 and a million events
  --original-events N     size of the store for the original approach, ${mostQuadraticEvents.toLocaleString('en')} at most (600; with --full 5,000)
  --rows NAME,NAME        only these rows: ${rows.map(({ name }) => name).join(', ')}
  --rivals NAME,NAME      only these: ${allRivals.join(', ')}
                          (all but opossum-bare, which has no event files; with nothing but opossum nothing is installed)
  --rounds N              how often each measurement runs, rivals in turn; the median counts
                          (2, in stores smaller than the largest 1; with --full 3)
  --smoke                 tiny: only to see that everything works
  --work DIR              where the stores are made, and removed at the end (the system's folder for temporary files)
  --json FILE             all figures as JSON
  --from FILE             measures nothing, and reports the figures that --json kept
  --markdown FILE         the report, into a file: between its lines <!-- figures --> and <!-- /figures -->, if it has them
  --short FILE            a short table, the same way
  --chart FILE            ratios as SVG
  --growth FILE           how the figures grow with the size, and would go on, the same way as --markdown
  --prof DIR              CPU profiles of opossum's measurements
`;

/** @typedef {ReturnType<typeof parseOptions>} Options */

/** @param {string[]} args */
export function parseOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      events: { type: 'string' },
      full: { type: 'boolean', default: false },
      'original-events': { type: 'string' },
      rows: { type: 'string' },
      rivals: { type: 'string', default: usualRivals.join(',') },
      rounds: { type: 'string' },
      smoke: { type: 'boolean', default: false },
      work: { type: 'string', default: os.tmpdir() },
      json: { type: 'string' },
      from: { type: 'string' },
      markdown: { type: 'string' },
      short: { type: 'string' },
      chart: { type: 'string' },
      growth: { type: 'string' },
      prof: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const { smoke, full, json, from, markdown, short, chart, growth } = values;
  const sizes = numbers(values.events ?? (smoke ? '1000' : full ? '10000,100000,1000000' : '10000,100000'), '--events', 1000);
  const [rounds = 3] = numbers(values.rounds ?? (smoke ? '1' : full ? '3' : '2'), '--rounds', 1);
  const smallerRounds = values.rounds || full ? rounds : 1;
  const [quadraticSize = 0] = numbers(values['original-events'] ?? (smoke ? '1200' : full ? '5000' : '600'), '--original-events', 600);
  if (quadraticSize > mostQuadraticEvents || sizes.includes(quadraticSize)) {
    throw new Error(`--original-events: at most ${mostQuadraticEvents}, and none of the sizes of --events`);
  }
  return {
    help: values.help,
    smoke,
    sizes,
    quadraticSize,
    rounds,
    smallerRounds,
    rows: chosen(values.rows?.split(','), rows.map(({ name }) => name), '--rows').map((name) => /** @type {import('./rows.mjs').Row} */ (rows.find((row) => row.name === name))),
    rivals: chosen(values.rivals.split(','), allRivals, '--rivals'),
    work: path.resolve(values.work),
    files: { json, from, markdown, short, chart, growth },
    prof: values.prof === undefined ? undefined : path.resolve(values.prof),
  };
}

/** In the order of `known`. @param {readonly string[] | undefined} names @param {readonly string[]} known @param {string} option */
function chosen(names, known, option) {
  const stranger = names?.find((name) => !known.includes(name));
  if (stranger !== undefined) throw new Error(`${option}: there is no ${stranger}`);
  return known.filter((name) => names?.includes(name) ?? true);
}

/** @param {string} text @param {string} option @param {number} least */
function numbers(text, option, least) {
  return text.split(',').map((part) => {
    const value = Number(part);
    if (!Number.isSafeInteger(value) || value < least) throw new Error(`${option}: ${part} is not a whole number from ${least}`);
    return value;
  });
}
