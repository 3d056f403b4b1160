/* One process that measures: node measure.mjs SPEC, where SPEC is JSON (lib/context.mjs); sends what each measurement measured, in their order. */
import { loadMeasurement, loadRival } from './lib/context.mjs';

const spec = /** @type {import('./lib/context.mjs').Spec} */ (JSON.parse(process.argv[2] ?? '{}'));
const { open } = await loadRival(spec.rival);
const all = [];
for (const measurement of spec.measurements) {
  const measure = await loadMeasurement(measurement);
  const measured = await measure({ ...spec, open });
  for (const [name, value] of Object.entries(measured.values)) {
    if (!Number.isFinite(value)) throw new Error(`${measurement} of ${spec.rival} measured ${name} = ${value}`);
  }
  all.push({ ...measured, peakBytes: process.resourceUsage().maxRSS * 1024 });
}
process.send?.(all, () => process.disconnect?.());
