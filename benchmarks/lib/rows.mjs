/*
 * The rows of the result: which measurement each needs, what it compares, and what it has to reach. `ratio` says how to
 * read the quotient: 'time' is opossum's time ÷ the rival's (less is better), 'speed' is how many times as fast (more is
 * better). `growth` marks figures of single operations, which must not grow with the store: 'steady' as they are, 'tenth'
 * when the operation finds a tenth of all events.
 */

/**
 * @typedef {{ opossum: number, size: number | undefined, versus: Record<string, number | undefined>, limit: (name: string) => number | undefined }} Figures
 * @typedef {{ text: string, reached: (figures: Figures) => boolean | undefined }} Target
 * @typedef {object} Row
 * @property {string} name
 * @property {string} title
 * @property {string} measurement
 * @property {string} value which of the measurement's values
 * @property {'ms' | 'µs' | 'per second' | 'MB' | 'share'} unit
 * @property {'time' | 'speed' | 'none'} ratio
 * @property {'steady' | 'tenth'} [growth]
 * @property {Target} [least]
 * @property {Target} [aim]
 */

const atMost = (/** @type {number} */ times) => ratioTarget('sqlite', `≤ ${times} × time`, (ratio) => ratio <= times);
const asFast = (/** @type {number} */ times) => ratioTarget('sqlite', `≥ ${times} × speed`, (ratio) => ratio >= times);
const asFastAsLmdb = ratioTarget('lmdb', '≥ lmdb', (ratio) => ratio >= 1);

/** @param {string} rival @param {string} text @param {(ratio: number) => boolean} test @returns {Target} */
function ratioTarget(rival, text, test) {
  return { text, reached: ({ versus: { [rival]: ratio } }) => (ratio === undefined ? undefined : test(ratio)) };
}

/** @param {string} text @param {(opossum: number, size: number) => boolean} test @returns {Target} */
const absolute = (text, test) => ({ text, reached: ({ opossum, size = 0 }) => test(opossum, size) });

/** @type {readonly Row[]} */
export const rows = [
  { name: 'append', title: 'durable conditional append after another, p50', measurement: 'append', value: 'p50', unit: 'ms', ratio: 'time', least: atMost(1.15), aim: atMost(0.9) },
  { name: 'in-flight', title: '64 appends in flight', measurement: 'in-flight', value: 'perSecond', unit: 'per second', ratio: 'speed', least: asFast(4), aim: asFast(8) },
  {
    name: 'processes',
    title: 'four processes: 4 × the slowest',
    measurement: 'processes',
    value: 'fourTimesSlowest',
    unit: 'per second',
    ratio: 'speed',
    least: absolute('≥ 2,500/s', (rate) => rate >= 2500),
  },
  { name: 'processes-fairness', title: 'four processes: slowest ÷ fastest', measurement: 'processes', value: 'fairness', unit: 'share', ratio: 'none', least: absolute('≥ 0.5', (share) => share >= 0.5) },
  { name: 'processes-total', title: 'four processes: all together', measurement: 'processes', value: 'total', unit: 'per second', ratio: 'speed', aim: asFast(1) },
  {
    name: 'tail',
    title: 'live tail in another process, p50',
    measurement: 'tail',
    value: 'p50',
    unit: 'ms',
    ratio: 'time',
    least: absolute('≤ 2 ms', (ms) => ms <= 2),
    aim: absolute('≤ 0.5 ms', (ms) => ms <= 0.5),
  },
  { name: 'tail-cpu', title: 'live tail: CPU of the follower', measurement: 'tail', value: 'cpuShare', unit: 'share', ratio: 'none', aim: absolute('no spinning (≤ 0.25)', (share) => share <= 0.25) },
  { name: 'race-10', title: '10 racers for one course: seats', measurement: 'race-10', value: 'perSecond', unit: 'per second', ratio: 'speed' },
  { name: 'race-20', title: '20 racers for one course: seats', measurement: 'race-20', value: 'perSecond', unit: 'per second', ratio: 'speed' },
  { name: 'race-100', title: '100 racers for one course: seats', measurement: 'race-100', value: 'perSecond', unit: 'per second', ratio: 'speed' },
  { name: 'race-processes', title: 'four processes, 5 racers each, for one course: seats', measurement: 'race-processes', value: 'perSecond', unit: 'per second', ratio: 'speed' },
  { name: 'decide', title: '`decide` on 20 events: overhead over bare read and append', measurement: 'decide', value: 'overhead', unit: 'share', ratio: 'none', aim: absolute('≤ 0.1', (share) => share <= 0.1) },
  { name: 'import', growth: 'steady', title: 'import in batches of 1,000, acknowledged', measurement: 'import', value: 'perSecond', unit: 'per second', ratio: 'speed', least: asFast(1.3), aim: asFast(3) },
  {
    name: 'import-in-place',
    growth: 'steady',
    title: 'import until every event file is in place',
    measurement: 'import',
    value: 'inPlacePerSecond',
    unit: 'per second',
    ratio: 'none',
    least: absolute('≥ 15,000/s', (rate) => rate >= 15_000),
    aim: { text: 'plain create ÷ 1.5', reached: ({ opossum, limit }) => withinPlainCreate(opossum, limit('createPerSecond')) },
  },
  { name: 'stalls', growth: 'steady', title: 'import in batches of 20: p50 of an append', measurement: 'stalls', value: 'p50', unit: 'ms', ratio: 'time' },
  { name: 'stalls-p999', title: 'import in batches of 20: p99.9 of an append', measurement: 'stalls', value: 'p999', unit: 'ms', ratio: 'time', aim: absolute('≤ 10 ms', (ms) => ms <= 10) },
  { name: 'disk', title: 'bytes on disk ÷ JSON text (opossum without event files)', measurement: 'import', value: 'bareTimesJson', unit: 'share', ratio: 'none', aim: absolute('≤ 1.5', (times) => times <= 1.5) },
  { name: 'entries', title: 'files and folders', measurement: 'import', value: 'entries', unit: 'share', ratio: 'none' },
  { name: 'idle', title: 'memory of an open idle store', measurement: 'idle', value: 'extraMB', unit: 'MB', ratio: 'none', aim: absolute('≤ 64 MB', (mb) => mb <= 64) },
  { name: 'scan', growth: 'steady', title: 'read all, every object touched', measurement: 'scan', value: 'perSecond', unit: 'per second', ratio: 'speed', least: asFast(1), aim: asFastAsLmdb },
  { name: 'tag', growth: 'steady', title: 'one tag → 100 events, p50', measurement: 'tag', value: 'p50', unit: 'ms', ratio: 'speed', least: asFast(1), aim: asFastAsLmdb },
  { name: 'two-tags', growth: 'steady', title: 'two tags → 10 events, p50', measurement: 'two-tags', value: 'p50', unit: 'ms', ratio: 'speed', least: asFast(1.5), aim: asFast(3) },
  { name: 'type', growth: 'tenth', title: 'one type → a tenth of all, p50', measurement: 'type', value: 'p50', unit: 'ms', ratio: 'speed', least: asFast(1), aim: asFastAsLmdb },
  { name: 'last', growth: 'steady', title: 'last event of a type, p50', measurement: 'last', value: 'p50', unit: 'µs', ratio: 'speed', least: asFast(1), aim: asFastAsLmdb },
  { name: 'decision', growth: 'steady', title: 'decision: read 20, conditional append, p50', measurement: 'decision', value: 'p50', unit: 'ms', ratio: 'time', least: atMost(0.8), aim: atMost(0.5) },
  { name: 'decision-first', title: 'the first decisions of a process, p50', measurement: 'decision', value: 'firstP50', unit: 'ms', ratio: 'time' },
  { name: 'projection-memory', title: 'projection in memory, catching up: events', measurement: 'projection', value: 'memoryRate', unit: 'per second', ratio: 'none', aim: absolute('≥ 100,000/s', (rate) => rate >= 100_000) },
  { name: 'projection-saved', title: 'projection saved, 10,000 keys: events', measurement: 'projection', value: 'savedRate', unit: 'per second', ratio: 'none', aim: absolute('≥ 20,000/s', (rate) => rate >= 20_000) },
  { name: 'projection-open', title: 'projection up to date, a key per event: start', measurement: 'projection', value: 'openMs', unit: 'ms', ratio: 'none', aim: absolute('≤ 50 ms', (ms) => ms <= 50) },
  { name: 'projection-peak', title: 'projections: most memory of the process', measurement: 'projection', value: 'peakMB', unit: 'MB', ratio: 'none', aim: absolute('≤ 200 MB', (mb) => mb <= 200) },
  {
    name: 'cold-open',
    title: 'cold open: from open() to the first answer',
    measurement: 'cold-open',
    value: 'openMs',
    unit: 'ms',
    ratio: 'time',
    least: absolute('≤ 10 ms (20 at 1 M)', (ms, size) => ms <= (size >= 1_000_000 ? 20 : 10)),
    aim: atMost(1),
  },
  { name: 'cold-open-load', title: 'cold open: the same with loading the library', measurement: 'cold-open', value: 'loadAndOpenMs', unit: 'ms', ratio: 'time' },
  { name: 'cold-open-process', title: 'cold open: the whole process', measurement: 'cold-open', value: 'wholeMs', unit: 'ms', ratio: 'time' },
];

/** @param {number} rate @param {number | undefined} plainCreate */
const withinPlainCreate = (rate, plainCreate) => (plainCreate === undefined ? undefined : rate >= plainCreate / 1.5);
