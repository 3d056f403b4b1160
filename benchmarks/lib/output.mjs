import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const begin = '<!-- figures -->\n';
const end = '<!-- /figures -->';

/** Replaces what is between the two marks, or, where there are none, the whole file. @param {string} file @param {string} text */
export function writeFigures(file, text) {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const from = before.indexOf(begin);
  const to = before.indexOf(end, from);
  const whole = from < 0 || to < 0 ? `${text}\n` : `${before.slice(0, from + begin.length)}\n${text}\n\n${before.slice(to)}`;
  writeFileSync(file, whole);
}
