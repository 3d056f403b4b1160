/*
 * Which append stored what was seen. An append whose outcome nobody was told is taken to have stored its events if they are
 * there. What is there and nobody stored was there before the history began, or must not be seen at all.
 */
import { refusedById, saidBy, type IdPlaces } from './claims.js';
import { briefEvent, nameOf, type Findings } from './contradiction.js';
import type { Entry, EventLog, Fact } from './event-log.js';
import { fateOf, type AppendOperation, type RecordedEvent } from './operation.js';

/** Gives each entry its maker. Returns the appends of unknown outcome whose events nobody saw: they may be anywhere, or nowhere. */
export function findMakers(log: EventLog, appends: readonly AppendOperation[], places: IdPlaces, findings: Findings): AppendOperation[] {
  const unknown = appends.filter((append) => fateOf(append) === 'unknown').sort((a, b) => a.start - b.start);
  const unseen = new Set(unknown.filter((append) => !placeById(log, append, places, findings)));
  placeByContent(log, unseen, findings);
  return [...unseen];
}

/** Reports what nobody stored, above what the history's own appends stored first. */
export function explainOthers(log: EventLog, appends: readonly AppendOperation[], unseen: readonly AppendOperation[], findings: Findings): void {
  let firstMade = Infinity;
  for (const { maker, position } of log.entries()) if (maker && position < firstMade) firstMade = position;
  const byId = refusedById(appends);
  const refused = appends.filter((append) => fateOf(append) === 'refused');
  const byContent = new Map(refused.flatMap((append) => append.events.map((event) => [contentKey(event), append] as const)));
  for (const entry of log.entries()) {
    if (entry.maker) continue;
    const { fact, position, by } = entry;
    const namesake = fact.id === undefined ? undefined : byId.get(fact.id);
    // Its id was looked for before its condition, and was not there.
    const isDirty = namesake?.error?.code === 'APPEND_CONDITION_FAILED';
    if (position < firstMade && !isDirty) continue;
    if (fact.data === undefined && unseen.length > 0) {
      // Known from a refusal alone: any of those may have stored it.
      entry.since = Math.min(...unseen.map(({ start }) => start));
      continue;
    }
    const culprit = namesake ?? (isContent(fact) ? byContent.get(contentKey(fact)) : undefined);
    const end = culprit ? `${nameOf(culprit)}, which was to store it, was refused` : 'no append stored it';
    findings.add('nothing is seen that is not stored', `${saidBy(entry)} ${briefEvent(fact)} at position ${position}, but ${end}.`, by, culprit);
  }
}

/** Returns false when none of its events is there, as far as ids tell. */
function placeById(log: EventLog, append: AppendOperation, places: IdPlaces, findings: Findings): boolean {
  const index = append.events.findIndex(({ id }) => id !== undefined && places.has(id));
  if (index < 0) return false;
  const found = places.get(append.events[index]!.id!)!;
  // An attempt that was answered, or an earlier one, stored them.
  if (!log.at(found)!.maker) place(log, append, found - index, findings);
  return true;
}

function place(log: EventLog, append: AppendOperation, first: number, findings: Findings): void {
  const last = first + append.events.length - 1;
  for (const [i, event] of append.events.entries()) {
    const position = first + i;
    const other = log.claim(position, event, append);
    const entry = other ?? log.at(position)!;
    if (other || entry.maker) {
      const text = `A part of ${nameOf(append)} is stored: its events begin at position ${first}, but ${saidBy(entry)} ${briefEvent(entry.fact)} at position ${position}.`;
      findings.add('batches are whole', text, append, entry.by);
      continue;
    }
    entry.maker = append;
    entry.batch = { first, last };
    entry.since = append.start;
  }
}

/** For batches without ids: the earliest that says the same and fits whole. Takes out of `unseen` what was found. */
function placeByContent(log: EventLog, unseen: Set<AppendOperation>, findings: Findings): void {
  const byFirst = groupByContent(unseen);
  if (byFirst.size === 0) return;
  for (const entry of [...log.entries()].sort((a, b) => a.position - b.position)) {
    if (entry.maker || !isContent(entry.fact)) continue;
    let earliest: AppendOperation[] | undefined;
    for (const alike of byFirst.get(contentKey(entry.fact))?.values() ?? []) {
      const [append] = alike;
      if (append && (!earliest || append.start < earliest[0]!.start) && fits(log, append, entry.position)) earliest = alike;
    }
    const append = earliest?.shift();
    if (!append) continue;
    place(log, append, entry.position, findings);
    unseen.delete(append);
  }
}

/** By their first event, then by all of them: of batches that are the same in full, what fits one fits all. */
function groupByContent(appends: Iterable<AppendOperation>): Map<string, Map<string, AppendOperation[]>> {
  const groups = new Map<string, Map<string, AppendOperation[]>>();
  for (const append of appends) {
    if (append.events.length === 0 || append.events.some(({ id }) => id !== undefined)) continue;
    const keys = append.events.map(contentKey);
    const byFirst = groups.get(keys[0]!) ?? new Map<string, AppendOperation[]>();
    groups.set(keys[0]!, byFirst);
    const alike = byFirst.get(keys.join()) ?? [];
    byFirst.set(keys.join(), alike);
    alike.push(append);
  }
  return groups;
}

function fits(log: EventLog, append: AppendOperation, first: number): boolean {
  return append.events.every((event, i) => {
    const entry: Entry | undefined = log.at(first + i);
    return entry === undefined || (!entry.maker && (!isContent(entry.fact) || contentKey(entry.fact) === contentKey(event)));
  });
}

function isContent(fact: Fact): fact is RecordedEvent {
  return fact.data !== undefined && fact.type !== undefined && fact.tags !== undefined;
}

function contentKey({ type, tags, data }: RecordedEvent): string {
  return JSON.stringify([type, tags, data]);
}
