import type { StoredBatch } from '../core/stored.js';
import { headLength } from './format.js';
import type { FoundFrame } from './frame-scan.js';
import { decodeCondition } from './frame.js';
import { decodeEvent, recordEnd } from './record.js';
import { chainPoint } from './scan-chain.js';

/** A frame as the batch that it holds; valid as long as the frame's bytes are. Events are decoded when asked for, in order. */
export function storedBatch(frame: FoundFrame): StoredBatch {
  const { head, bytes, start } = frame;
  const first = start + headLength + head.conditionLength;
  let index = 0;
  let at = first;
  return {
    point: chainPoint(frame),
    first: head.first,
    count: head.count,
    time: head.time,
    condition: decodeCondition(bytes, start, head),
    event(wanted) {
      if (wanted < index) [index, at] = [0, first];
      for (; index < wanted; index++) at = recordEnd(bytes, at);
      return decodeEvent(bytes, at, head.first + index);
    },
  };
}
