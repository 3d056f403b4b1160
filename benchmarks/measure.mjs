/* One measurement in its own process: node measure.mjs SPEC, where SPEC is JSON (lib/context.mjs); sends what it measured. */
import { loadMeasurement, loadRival } from './lib/context.mjs';

const spec = /** @type {import('./lib/context.mjs').Spec} */ (JSON.parse(process.argv[2] ?? '{}'));
const measure = await loadMeasurement(spec.measurement);
const { open } = await loadRival(spec.rival);
const measured = await measure({ ...spec, open });
for (const [name, value] of Object.entries(measured.values)) {
  if (!Number.isFinite(value)) throw new Error(`${spec.measurement} of ${spec.rival} measured ${name} = ${value}`);
}
process.send?.({ ...measured, peakBytes: process.resourceUsage().maxRSS * 1024 }, () => process.disconnect?.());
