import path from 'node:path';
import { measurements } from './rows.mjs';
import { runMeasurement } from './run-measurement.mjs';
import { countTruth } from './truth.mjs';

/** @typedef {import('./context.mjs').Measured} Measured */
/** @typedef {{ measurement: string, size: number | undefined, rival: string, rounds: Measured[] }} Series */

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
  for (const [name, { sized }] of wanted) if (!sized) await session.measure(name, undefined);
  const sized = wanted.filter(([, measurement]) => measurement.sized);
  for (const size of sized.length > 0 ? options.sizes : []) {
    await session.measureDisk();
    await session.prepare(size);
    for (const [name] of sized) await session.measure(name, size);
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
    this.#disk.rounds.push(await this.#run('disk', 'disk', this.#disk.rounds.length, this.#nextFolder()));
  }

  /** @param {number} size */
  async prepare(size) {
    this.#truth = countTruth(size);
    this.#firstImports.clear();
    for (const rival of this.#rivalsOf('import')) {
      this.#tell(`prepare ${size} events ${rival}`);
      this.#firstImports.set(rival, await this.#run('import', rival, 0, this.#prepared(rival)));
    }
  }

  /** @param {string} measurement @param {number | undefined} size */
  async measure(measurement, size) {
    const rivals = this.#rivalsOf(measurement);
    const series = rivals.map((rival) => ({ measurement, size, rival, rounds: /** @type {Measured[]} */ ([]) }));
    for (let round = 0; round < this.#options.rounds; round++) {
      for (const { rival, rounds } of series) {
        const first = measurement === 'import' && round === 0 ? this.#firstImports.get(rival) : undefined;
        if (!first) this.#tell(`${measurement}${size === undefined ? '' : ` ${size} events`} ${rival} ${round + 1}/${this.#options.rounds}`);
        rounds.push(first ?? (await this.#run(measurement, rival, round, this.#nextFolder())));
      }
    }
    this.series.push(...series);
  }

  /** @param {string} measurement @param {string} rival @param {number} round @param {string} fresh */
  #run(measurement, rival, round, fresh) {
    const { rounds, smoke, prof } = this.#options;
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

  /** @param {string} measurement */
  #rivalsOf(measurement) {
    return measurements[measurement]?.rivals.filter((rival) => this.#options.rivals.includes(rival)) ?? [];
  }
}
