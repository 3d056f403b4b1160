/**
 * What a measurement gets to know.
 * @typedef {object} Spec
 * @property {string} measurement name of the measurement, a key of `measurements`
 * @property {string} rival a file in `rivals/`, or `disk` for the disk itself
 * @property {number} size events in the prepared store
 * @property {string} fresh a folder that does not exist yet, for this measurement alone
 * @property {string} prepared folder of the rival's store that holds the data set
 * @property {import('./truth.mjs').Truth} truth what is in it
 * @property {number} round counted from 0
 * @property {number} rounds
 * @property {boolean} smoke tiny, to see that all works
 *
 * @typedef {Spec & { open: (folder: string) => any }} Context
 *
 * @typedef {object} Measured
 * @property {Record<string, number>} values
 * @property {import('./statistics.mjs').Percentiles} [latencies] in ms
 * @property {Record<string, unknown>} [notes]
 * @property {number} [peakBytes] the most memory that the process took
 */

/** @param {string} rival @returns {Promise<{ open: (folder: string) => any }>} */
export async function loadRival(rival) {
  if (rival === 'disk') return { open: () => undefined };
  return import(`./rivals/${rival}.mjs`);
}

/** @param {string} name @returns {Promise<(context: Context) => Promise<Measured>>} */
export async function loadMeasurement(name) {
  const entry = measurements[name];
  if (!entry) throw new Error(`there is no measurement ${name}`);
  const [file, exported] = entry;
  return (await import(`../measurements/${file}.mjs`))[exported];
}

/** Where each measurement is: file and exported function. @type {Record<string, [string, string]>} */
const measurements = {
  disk: ['disk', 'measure'],
  append: ['append', 'measure'],
  'in-flight': ['in-flight', 'measure'],
  processes: ['processes', 'measure'],
  tail: ['tail', 'measure'],
  'race-10': ['races', 'measureTen'],
  'race-20': ['races', 'measureTwenty'],
  'race-100': ['races', 'measureHundred'],
  'race-processes': ['races', 'measureProcesses'],
  import: ['import', 'measure'],
  stalls: ['stalls', 'measure'],
  idle: ['idle', 'measure'],
  scan: ['scan', 'measure'],
  tag: ['queries', 'measureTag'],
  'two-tags': ['queries', 'measureTwoTags'],
  type: ['queries', 'measureType'],
  last: ['queries', 'measureLast'],
  'cold-open': ['cold-open', 'measure'],
  decide: ['decide', 'measure'],
  decision: ['decision', 'measure'],
  projection: ['projection', 'measure'],
};
