/*
 * How far the streams of a store have been counted, so that a version costs a look at what is new and not the whole stream again.
 * A mark never grows old: events are only ever appended, so how many lie at or below a position is settled for good.
 */
import type { EventStore } from '../core/event-store.js';

/** The stream has `version` events at or below `position`. */
export type StreamMark = { readonly version: number; readonly position: number };

/** What is known of every stream. */
export const noMark: StreamMark = { version: 0, position: 0 };

/** The mark that reaches furthest. */
export function recallMark(store: EventStore, tag: string): StreamMark {
  const marks = marksOf(store);
  const mark = marks.get(tag);
  if (mark === undefined) return noMark;
  // To the end of the line: the stream that nobody used for longest is forgotten first.
  marks.delete(tag);
  marks.set(tag, mark);
  return mark;
}

export function rememberMark(store: EventStore, tag: string, mark: StreamMark): void {
  if (mark.position <= recallMark(store, tag).position) return;
  const marks = marksOf(store);
  marks.set(tag, mark);
  if (marks.size <= mostMarks) return;
  const [oldest] = marks.keys();
  if (oldest !== undefined) marks.delete(oldest);
}

/** Makes a wrapper remember what its store remembers; wrappers that live for one request would count anew in each. */
export function shareMarks(wrapper: EventStore, store: EventStore): void {
  marksByStore.set(wrapper, marksOf(store));
}

/** Streams per store. A forgotten one is counted again. */
const mostMarks = 10_000;

const marksByStore = new WeakMap<EventStore, Map<string, StreamMark>>();

function marksOf(store: EventStore): Map<string, StreamMark> {
  let marks = marksByStore.get(store);
  if (marks === undefined) marksByStore.set(store, (marks = new Map()));
  return marks;
}
