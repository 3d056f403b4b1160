/*
 * Reading a few events is what scripts and people do most often, and takes less time than loading what parses command
 * lines. So a plain `opossum read` is understood here; whatever is wrong, unusual or a wish for help goes the usual way.
 */
import type { ReadEventsOptions } from './read-events.js';

const takesText = new Set(['--dir', '--context', '--query']);
const takesNumber = new Map([
  ['--after', 0],
  ['--before', 1],
  ['--limit', 1],
]);
const takesTexts = new Set(['--type', '--tag']);
const takesNothing = new Set(['--json', '--backwards']);

/** Names of the options that are understood. */
export const plainOptions = [...takesText, ...takesNumber.keys(), ...takesTexts, ...takesNothing];

/** What a plain `opossum read` asks for; undefined for every other command line. */
export function plainReading([command, ...args]: readonly string[], environment: NodeJS.ProcessEnv): ReadEventsOptions | undefined {
  if (command !== 'read') return undefined;
  const options: Record<string, unknown> = { context: 'default' };
  const fromEnvironment = environment['OPOSSUM_DIR'];
  if (fromEnvironment) options['dir'] = fromEnvironment;
  for (let i = 0; i < args.length; i++) {
    const option = args[i]!;
    const name = option.slice(2);
    if (takesNothing.has(option)) {
      options[name] = true;
      continue;
    }
    const value = args[++i];
    if (value === undefined || value === '' || value.startsWith('-')) return undefined;
    const least = takesNumber.get(option);
    if (takesText.has(option)) options[name] = value;
    else if (takesTexts.has(option)) options[name] = [...((options[name] as string[] | undefined) ?? []), value];
    else if (least !== undefined && isWholeNumber(value, least)) options[name] = Number(value);
    else return undefined;
  }
  return options['dir'] === undefined ? undefined : (options as ReadEventsOptions);
}

function isWholeNumber(text: string, least: number): boolean {
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) && Number(text) >= least;
}
