/* What the operations, and the final events, say of each position. Whoever says otherwise than another contradicts it. */
import type { SequencedEvent } from '../../core/event.js';
import { briefEvent, nameOf, spanText, type Findings } from './contradiction.js';
import type { Entry, EventLog, Fact } from './event-log.js';
import { seenEvent } from './fingerprint.js';
import { fateOf, type AppendOperation, type Operation, type SeenEvent } from './operation.js';

/** Where each event id lies. */
export type IdPlaces = Map<string, number>;

export function claimStored(log: EventLog, appends: readonly AppendOperation[], findings: Findings): void {
  for (const append of appends) if (fateOf(append) === 'stored') claimAnswer(log, append, findings);
}

export function claimAllSeen(log: EventLog, operations: readonly Operation[], appends: readonly AppendOperation[], findings: Findings): void {
  const refused = refusedById(appends);
  for (const operation of operations) {
    if (operation.call === 'read' || operation.call === 'subscribe') for (const event of operation.seen) claimSeen(log, event, operation, refused, findings);
  }
}

/** What repetitions say, once everything else has said where events lie. */
export function claimAllRepeated(log: EventLog, appends: readonly AppendOperation[], findings: Findings): IdPlaces {
  const places = placesOf(log, findings);
  for (const append of appends) if (fateOf(append) === 'repeated') claimRepeated(log, append, places, findings);
  return places;
}

function claimAnswer(log: EventLog, append: AppendOperation, findings: Findings): void {
  const { events, answer } = append;
  const { first, last } = answer!;
  if (last - first + 1 !== events.length) {
    findings.add('one event per position', `${nameOf(append)} handed in ${events.length} events and was answered with ${spanText(first, last)}.`, append);
    return;
  }
  for (const [i, event] of events.entries()) {
    const position = first + i;
    const other = log.claim(position, event, append) ?? log.at(position)!;
    if (other.maker) {
      const text = `Position ${position} was given twice: to ${briefEvent(other.fact)} of ${nameOf(other.maker)}, and to ${briefEvent(event)} of ${nameOf(append)}.`;
      findings.add('one event per position', text, other.maker, append);
      continue;
    }
    other.maker = append;
    other.batch = { first, last };
    other.since = append.start;
  }
}

function claimSeen(log: EventLog, event: SeenEvent, operation: Operation, refused: ReadonlyMap<string, AppendOperation>, findings: Findings): void {
  const { position, ...fact } = event;
  const other = log.claim(position, fact, operation);
  if (!other) return;
  const culprit = other.fact.id === fact.id ? undefined : refused.get(event.id);
  if (culprit) {
    const text = `${nameOf(operation)} saw ${briefEvent(event)} at position ${position}, but ${nameOf(culprit)}, which was to store it, was refused.`;
    findings.add('nothing is seen that is not stored', text, operation, culprit);
    return;
  }
  const whole = other.fact.id === fact.id && other.fact.data === fact.data ? ', with other metadata or another time stamp' : '';
  const text = `${nameOf(operation)} saw ${briefEvent(event)} at position ${position}, but ${saidBy(other)} ${briefEvent(other.fact)} there${whole}.`;
  findings.add('content never changes', text, operation, other.by);
}

/** Appends that were refused, by the ids of their events. */
export function refusedById(appends: readonly AppendOperation[]): ReadonlyMap<string, AppendOperation> {
  // One whose id was in the way tells nothing of the event that has this id.
  const refused = appends.filter((append) => fateOf(append) === 'refused' && append.error?.code !== 'EVENT_ID_CONFLICT');
  return new Map(refused.flatMap((append) => append.events.flatMap(({ id }) => (id === undefined ? [] : [[id, append] as const]))));
}

/** They are all that there is, from position 1 on. */
export function claimFinal(log: EventLog, events: readonly SequencedEvent[], findings: Findings): void {
  const wrong = events.findIndex(({ position }, i) => position !== i + 1);
  if (wrong >= 0) {
    const { position } = events[wrong]!;
    findings.add('no gaps', `Among the final events, position ${position} is where ${wrong + 1} belongs.`, log.at(position)?.by);
    return;
  }
  for (const entry of log.entries()) if (entry.position > events.length) addLost(entry, 'is not there', findings);
  for (const event of events) {
    const { position, ...fact } = seenEvent(event);
    const other = log.claim(position, fact, undefined);
    if (other && (other.fact.id === undefined || other.fact.id === fact.id)) {
      const text = `In the end ${briefEvent(fact)} lies at position ${position}, but ${saidBy(other)} ${briefEvent(other.fact)} there.`;
      findings.add(other.maker ? 'nothing is lost' : 'content never changes', text, other.by);
    } else if (other) addLost(other, `is not there: that position holds ${briefEvent(fact)}`, findings);
  }
}

function addLost(entry: Entry, where: string, findings: Findings): void {
  const text = `${saidBy(entry)} ${briefEvent(entry.fact)} at position ${entry.position}, but in the end it ${where}.`;
  findings.add(entry.maker ? 'nothing is lost' : 'nothing is seen that is not stored', text, entry.by);
}

function placesOf(log: EventLog, findings: Findings): IdPlaces {
  const places: IdPlaces = new Map();
  for (const entry of log.entries()) {
    const { id } = entry.fact;
    if (id === undefined) continue;
    const other = places.get(id);
    if (other === undefined) {
      places.set(id, entry.position);
      continue;
    }
    const known = log.at(other)!;
    const text = `Event id ${JSON.stringify(id)} lies at two positions: ${saidBy(known)} it at position ${other}, and ${saidBy(entry)} it at position ${entry.position}.`;
    findings.add('one position per event', text, known.by, entry.by);
  }
  return places;
}

function claimRepeated(log: EventLog, append: AppendOperation, places: IdPlaces, findings: Findings): void {
  const { first, last } = append.answer!;
  if (last - first + 1 !== append.events.length) {
    findings.add('one event per position', `${nameOf(append)} handed in ${append.events.length} events and was answered with ${spanText(first, last)}.`, append);
    return;
  }
  if (append.events.some(({ id }) => id === undefined)) {
    findings.add('one position per event', `${nameOf(append)} was answered as a repetition, but an event of it has no id: nothing tells that it is one.`, append);
    return;
  }
  for (const [i, event] of append.events.entries()) {
    const position = first + i;
    const place = event.id === undefined ? undefined : places.get(event.id);
    if (place !== undefined && place !== position) {
      const original = log.at(place)!;
      const text = `${nameOf(append)} repeats event id ${JSON.stringify(event.id)} and was answered with position ${position}, but ${saidBy(original)} it at position ${place}.`;
      findings.add('one position per event', text, append, original.by);
      return;
    }
    const other = log.claim(position, event, append);
    if (other) {
      const text = `${nameOf(append)} was answered as a repetition of position ${position}, but ${saidBy(other)} ${briefEvent(other.fact)} there, not ${briefEvent(event)}.`;
      findings.add('one position per event', text, append, other.by);
      return;
    }
    if (event.id !== undefined) places.set(event.id, position);
  }
}

/** A refusal names the event that stood in the way. */
export function claimRefused(log: EventLog, append: AppendOperation, findings: Findings): void {
  const { code, position, type, tags, eventId } = append.error ?? { code: '' };
  if (position === undefined) return;
  const fact: Fact = {
    ...(type !== undefined && { type }),
    ...(tags && { tags: [...new Set(tags)].sort() }),
    ...(eventId !== undefined && { id: eventId }),
  };
  const other = log.claim(position, fact, append);
  if (!other) return;
  const rule = code === 'APPEND_CONDITION_FAILED' ? 'refused conditions had a conflict' : 'one position per event';
  findings.add(rule, `${nameOf(append)} was refused because of ${briefEvent(fact)} at position ${position}, but ${saidBy(other)} ${briefEvent(other.fact)} there.`, append, other.by);
}

/** Begins a sentence that ends with an event or a position. */
export function saidBy({ by, maker }: Entry): string {
  if (by === undefined) return 'the final events have';
  if (by === maker) return `${nameOf(by)} was told that it stored`;
  return `${nameOf(by)} ${by.call === 'append' ? 'was told of' : 'saw'}`;
}
