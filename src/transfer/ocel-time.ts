const written = /^(\d{4}-\d{2}-\d{2})(?:[Tt ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60)(?:[.,](\d+))?)?\s?([Zz]|[+-]\d{2}(?::?\d{2})?)?)?$/;

/**
 * A time as OCEL files hold it, as RFC 3339 in UTC with the digits of the second as they were (at most nine); undefined when it
 * is none. ISO 8601 allows to leave the offset out; such a time is taken as UTC.
 */
export function toUtc(time: string): string | undefined {
  const parts = written.exec(time);
  if (!parts) return undefined;
  const [, date = '', hour = '00', minute = '00', second = '00', digits, offset = 'Z'] = parts;
  const local = Date.parse(`${date}T${hour}:${minute}:00Z`);
  // Engines read the 30th of February as a day in March.
  if (Number.isNaN(local) || !new Date(local).toISOString().startsWith(date)) return undefined;
  const minutes = offsetMinutes(offset);
  if (minutes === undefined) return undefined;
  const utc = new Date(local - minutes * 60_000).toISOString();
  return /^\d{4}-/.test(utc) ? `${utc.slice(0, 16)}:${second}${digits === undefined ? '' : `.${digits.slice(0, 9)}`}Z` : undefined;
}

function offsetMinutes(offset: string): number | undefined {
  if (offset === 'Z' || offset === 'z') return 0;
  const hours = Number(offset.slice(1, 3));
  const minutes = Number(offset.slice(3).replace(':', '') || '0');
  if (hours > 23 || minutes > 59) return undefined;
  return (offset.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}
