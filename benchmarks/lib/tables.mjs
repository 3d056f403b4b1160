/** @param {number | undefined} value @param {string} unit */
export function format(value, unit) {
  if (value === undefined) return '–';
  if (unit === 'per second') return `${Math.round(value).toLocaleString('en')}/s`;
  if (unit === 'µs') return `${digits(value * 1000)} µs`;
  return unit === 'ms' || unit === 'MB' ? `${digits(value)} ${unit}` : digits(value);
}

/** Three digits that count. @param {number} value */
export const digits = (value) => (Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3))));

/** A Markdown table whose columns line up in a terminal too. @param {string[][]} table */
export function markdown(table) {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((cells) => (cells[column] ?? '').length)));
  const line = (/** @type {string[]} */ cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = table;
  return [line(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...body.map(line)].join('\n');
}
