/*
 * Versions are counted, never stored: the version of an event is its rank among the events that carry the stream's tag. So they
 * are right whoever appended the events and however: past this API, by import, merged from two stores, or after a repair.
 */
import { isText, refuseText } from '../core/check-values.js';
import type { EventStore, ReadOptions } from '../core/event-store.js';
import type { Query } from '../core/query.js';
import { recallMark, rememberMark, type StreamMark } from './stream-marks.js';

export type StreamVersions = {
  /** The tag that every event of the stream carries. */
  readonly tag: string;
  /** Selects the events of the stream. */
  readonly query: Query;
  /** What is known without reading. */
  known(): StreamMark;
  /** Counts up to the head of the store. */
  count(signal?: AbortSignal): Promise<StreamMark>;
  /** How many events the stream has at or below `position`, which must not be beyond the head. */
  versionAt(position: number): Promise<number>;
  remember(mark: StreamMark): void;
};

/** @throws InvalidInputError when `id` is not 1 to 1,000 bytes of UTF-8. */
export function streamVersions(store: EventStore, id: string): StreamVersions {
  if (!isText(id, idBytesMax)) refuseText(id, 'stream id', idBytesMax);
  const tag = tagPrefix + id;
  const query: Query = { items: [{ tags: [tag] }] };

  const known = (): StreamMark => recallMark(store, tag);
  const remember = (mark: StreamMark): void => rememberMark(store, tag, mark);

  const countIn = async (options: ReadOptions): Promise<{ events: number; head: number }> => {
    const found = store.read(query, options);
    let events = 0;
    for await (const _ of found) events++;
    return { events, head: await found.head() };
  };

  return {
    tag,
    query,
    known,
    remember,

    async count(signal) {
      const from = known();
      const { events, head } = await countIn({ after: from.position, ...(signal && { signal }) });
      const mark = { version: from.version + events, position: head };
      remember(mark);
      return mark;
    },

    async versionAt(position) {
      const from = known();
      if (position === from.position) return from.version;
      if (position < from.position) {
        // Back from what is known: what is asked for is seldom far from the end.
        const { events } = await countIn({ after: position, before: from.position + 1 });
        return from.version - events;
      }
      const { events } = await countIn({ after: from.position, before: position + 1 });
      const mark = { version: from.version + events, position };
      remember(mark);
      return mark.version;
    },
  };
}

const tagPrefix = 'stream:';

/** Leaves a little room in the tag. */
const idBytesMax = 1000;
