import path from 'node:path';
import { isQuadratic, measurements, roundsOf } from './measurements.mjs';
import { runMeasurement } from './run-measurement.mjs';
import { countTruth } from './truth.mjs';

/** @typedef {import('./context.mjs').Measured} Measured */
/** @typedef {{ measurement: string, size: number | undefined, rival: string, rounds: Measured[] }} Series */
/** @typedef {{ rivals: readonly string[], rounds: number }} Field who takes part, and how often */

/**
 * Everything that was asked for, rivals in turn (A B A B), and what came out. Nothing is deleted meanwhile: ext4 makes
 * files slowly for a while after many deletes.
 * @param {import('./options.mjs').Options} options
 * @param {string} folder where the stores are made
 * @param {(line: string) => void} tell
 * @returns {Promise<Series[]>}
 */
export async function runAll(options, folder, tell) {
  const wanted = Object.entries(measurements).filter(([name]) => options.rows.some(({ measurement }) => measurement === name));
  const session = new Session(options, folder, tell);
  const field = { rivals: options.rivals.filter((rival) => !isQuadratic(rival)), rounds: options.rounds };
  for (const [name, { sized }] of wanted) if (!sized) await session.measure(name, undefined, field);
  const sized = wanted.filter(([, measurement]) => measurement.sized).map(([name]) => name);
  if (sized.length > 0 && field.rivals.length > 0) for (const size of options.sizes) await session.measureSize(size, sized, { ...field, rounds: size === Math.max(...options.sizes) ? options.rounds : options.smallerRounds });
  // The last, since it replaces thousands of files, which is as bad as deleting them.
  if (sized.length > 0 && options.rivals.some(isQuadratic)) {
    const quadratic = { rivals: options.rivals.filter((rival) => isQuadratic(rival) || rival === 'opossum'), rounds: 1 };
    const both = sized.filter((name) => measurements[name]?.rivals.some(isQuadratic));
    await session.measureSize(options.quadraticSize, both, quadratic);
  }
  await session.measureDisk();
  return session.series;
}

class Session {
  /** @type {Series} */
  #disk = { measurement: 'disk', size: undefined, rival: 'disk', rounds: [] };
  series = [this.#disk];
  #options;
  #folder;
  #tell;
  #made = 0;
  /** @type {import('./truth.mjs').Truth} */
  #truth = { size: 0, touched: 0, tenth: 0, lastOfType: {}, jsonBytes: 0 };
  /** The imports that made the prepared stores are the first round of the import. @type {Map<string, Measured>} */
  #firstImports = new Map();

  /** @param {import('./options.mjs').Options} options @param {string} folder @param {(line: string) => void} tell */
  constructor(options, folder, tell) {
    this.#options = options;
    this.#folder = folder;
    this.#tell = tell;
  }

  /** Between the others, since what a disk can do changes with what it did before. */
  async measureDisk() {
    this.#tell('disk');
    this.#disk.rounds.push(await this.#run('disk', 'disk', this.#disk.rounds.length, 1, this.#nextFolder()));
  }

  /** @param {number} size @param {readonly string[]} names of measurements @param {Field} field */
  async measureSize(size, names, field) {
    await this.measureDisk();
    this.#truth = countTruth(size);
    this.#firstImports.clear();
    // Whatever is measured needs the stores that importing makes.
    for (const rival of rivalsOf('import', field)) {
      this.#tell(`prepare ${size} events ${rival}`);
      this.#firstImports.set(rival, await this.#run('import', rival, 0, field.rounds, this.#prepared(rival)));
    }
    for (const name of names) if (this.#options.smoke || size >= (measurements[name]?.from ?? 0)) await this.measure(name, size, field);
  }

  /** @param {string} measurement @param {number | undefined} size @param {Field} field */
  async measure(measurement, size, field) {
    const rivals = rivalsOf(measurement, field);
    const series = rivals.map((rival) => ({ measurement, size, rival, rounds: /** @type {Measured[]} */ ([]) }));
    const isLargest = size === Math.max(...this.#options.sizes);
    for (let round = 0; round < field.rounds; round++) {
      for (const { rival, rounds } of series) {
        const count = roundsOf(measurement, rival, field.rounds, isLargest);
        if (round >= count) continue;
        const first = measurement === 'import' && round === 0 ? this.#firstImports.get(rival) : undefined;
        if (!first) this.#tell(`${measurement}${size === undefined ? '' : ` ${size} events`} ${rival} ${round + 1}/${count}`);
        rounds.push(first ?? (await this.#run(measurement, rival, round, count, this.#nextFolder())));
      }
    }
    this.series.push(...series);
  }

  /** @param {string} measurement @param {string} rival @param {number} round @param {number} rounds @param {string} fresh */
  #run(measurement, rival, round, rounds, fresh) {
    const { smoke, prof } = this.#options;
    const prepared = this.#prepared(rival);
    const truth = this.#truth;
    return runMeasurement({ measurement, rival, size: truth.size, fresh, prepared, truth, round, rounds, smoke }, rival === 'opossum' ? prof : undefined);
  }

  /** @param {string} rival */
  #prepared(rival) {
    return path.join(this.#folder, `prepared-${rival}-${this.#truth.size}`);
  }

  #nextFolder() {
    return path.join(this.#folder, `fresh-${++this.#made}`);
  }
}

/** @param {string} measurement @param {Field} field */
const rivalsOf = (measurement, { rivals }) => measurements[measurement]?.rivals.filter((rival) => rivals.includes(rival)) ?? [];
