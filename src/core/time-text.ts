let lastMs = 0;
let lastText = new Date(0).toISOString();

/** Milliseconds since 1970 as RFC 3339 in UTC. Many events have the same time, and making text of it costs as much as a short event does otherwise. */
export function timeText(ms: number): string {
  if (ms !== lastMs) {
    lastText = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastText;
}
