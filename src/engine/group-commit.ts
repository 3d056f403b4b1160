/*
 * Brings one group of calls into the ledger: decides each against all before it, writes the accepted ones in one piece,
 * settles by the chain rule what became of them, syncs once, and answers. Nobody hears of an outcome, accepted, duplicate
 * or rejected, before everything that it rests on is durable.
 */
import { AppendConditionFailedError, isOpossumError, StorageFailedError, type OpossumError } from '../core/errors.js';
import type { PreparedEvent } from '../core/event.js';
import type { ChainPoint, IndexedEvent } from '../core/stored.js';
import { messageOf } from '../disk/error-code.js';
import type { Awaitable } from '../disk/disk.js';
import type { AppendCall } from './call.js';
import { decide, type Decision } from './decide.js';
import type { LedgerView } from './ledger-view.js';

export type GroupCommitPorts = {
  readonly view: LedgerView;
  /** Whether this process has held the lock without a break since its last group: then it looks after it decided, as whatever others append all the same makes its frames void. */
  readonly isAlone: () => boolean;
  /** Called when the group is written and not yet synced: the lock may go now. */
  readonly beforeSync: () => Awaitable<void>;
  /** Throws StorageFailedError when the ledger's path no longer leads to the open file. */
  readonly checkLedgerInPlace: () => Awaitable<void>;
  /** Told of batches that were committed one behind the other: the first is behind `after`, the last ends at position `last`. */
  readonly onCommitted: (after: ChainPoint, last: number) => void;
};

/** A call that was decided; an accepted one with the frame that was planned for it, and the frame before that. */
type Outcome = { readonly call: AppendCall; readonly decision: Decision; readonly frame?: { readonly point: ChainPoint; readonly after: ChainPoint } };

/** A group is decided afresh when another process's bytes got in between, so every round means that somebody got on. */
const maxRounds = 1000;

/** Answers every call of the group. @throws StorageFailedError, after answering, when the ledger can no longer be trusted. */
export async function commitGroup(group: readonly AppendCall[], ports: GroupCommitPorts): Promise<void> {
  const settled: Outcome[] = [];
  try {
    let open = group;
    for (let round = 0; open.length > 0; round++) {
      if (round === maxRounds) throw new Error(`other processes got in between ${maxRounds} times`);
      const isAlone = round === 0 && ports.isAlone();
      open = await ports.view.exclusively(() => decideAndWrite(open, settled, ports.view, isAlone));
    }
  } catch (error) {
    const done = new Set(settled.map(({ call }) => call));
    for (const call of group) if (!done.has(call)) call.reject(toOpossumError(error));
  }
  if (settled.length > 0) await syncAndAnswer(settled, ports);
}

/** Moves calls whose outcome is certain into `settled`; returns those that must be decided afresh. */
async function decideAndWrite(open: readonly AppendCall[], settled: Outcome[], view: LedgerView, isAlone: boolean): Promise<AppendCall[]> {
  const catchingUp = isAlone ? view.catchUpAlone() : view.catchUp();
  if (catchingUp) await catchingUp;
  const before = view.ledger.written;
  const outcomes = await decideAll(open, view);
  if (!outcomes.some(({ frame }) => frame)) {
    // Where nothing is written, no write tells whether the file is what this process takes it for.
    if (isAlone && !(await view.ledger.isCurrent())) return [...open];
    settled.push(...outcomes);
    return [];
  }
  let failure: unknown;
  try {
    if (await view.ledger.write()) {
      settled.push(...outcomes);
      return [];
    }
  } catch (error) {
    failure = error;
  }
  // All or a part of the group may lie in the ledger, not where it was planned or torn: the chain rule tells what counts.
  const landed = await findLanded(view, before);
  const again: AppendCall[] = [];
  for (const outcome of outcomes) {
    if (outcome.frame && landed.has(keyOf(outcome.frame.point))) settled.push(outcome);
    else if (outcome.frame && failure !== undefined) outcome.call.reject(toOpossumError(failure));
    else again.push(outcome.call);
  }
  return again;
}

async function findLanded(view: LedgerView, before: number): Promise<ReadonlySet<string>> {
  try {
    view.index.truncate(before);
    const landed = new Set<string>();
    await view.catchUp((point) => landed.add(keyOf(point)));
    return landed;
  } catch (error) {
    throw outcomeUnknown(error);
  }
}

async function decideAll(open: readonly AppendCall[], view: LedgerView): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const planned = new PlannedEvents(view.ledger.written);
  try {
    for (const call of open) {
      const deciding = decideOne(call, view, planned);
      const decision = deciding instanceof Promise ? await deciding : deciding;
      if (decision.kind !== 'accept') {
        outcomes.push({ call, decision });
        continue;
      }
      const after = view.ledger.lastPoint;
      const point = view.ledger.plan(call.draft);
      view.index.addFrame(point, indexedEvents(call, point));
      planned.add(call.events);
      outcomes.push({ call, decision, frame: { point, after } });
    }
  } catch (error) {
    view.ledger.discardPlan();
    view.index.truncate(view.ledger.written);
    throw error;
  }
  return outcomes;
}

/** What cannot be looked up fails this call alone. */
function decideOne(call: AppendCall, view: LedgerView, planned: PlannedEvents): Awaitable<Decision> {
  const refuse = (error: unknown): Decision => ({ kind: 'refuse', error: toOpossumError(error) });
  try {
    const deciding = decide(call, view, planned);
    return deciding instanceof Promise ? deciding.catch(refuse) : deciding;
  } catch (error) {
    return refuse(error);
  }
}

async function syncAndAnswer(settled: readonly Outcome[], ports: GroupCommitPorts): Promise<void> {
  const { view } = ports;
  // Not what is written now: a frame that vanished meanwhile must not be called durable.
  const upTo = settled.reduce((last, { frame }) => Math.max(last, frame?.point.position ?? 0), view.ledger.written);
  try {
    const releasing = ports.beforeSync();
    if (releasing) await releasing;
    if (settled.some(({ call }) => call.durability === 'commit')) await view.makeDurable(upTo);
    else view.tell(upTo);
    const looking = ports.checkLedgerInPlace();
    if (looking) await looking;
  } catch (error) {
    const failure = isOpossumError(error) ? error : outcomeUnknown(error);
    for (const { call } of settled) call.reject(failure);
    throw failure;
  }
  tellCommitted(settled, ports);
  for (const outcome of settled) {
    const answering = answer(outcome, view);
    if (answering) await answering;
  }
}

/** Once for all frames that lie one behind the other, which are mostly all of the group. */
function tellCommitted(settled: readonly Outcome[], { onCommitted }: GroupCommitPorts): void {
  let run: { readonly after: ChainPoint; last: ChainPoint } | undefined;
  for (const { frame } of settled) {
    if (!frame) continue;
    if (run && run.last === frame.after) {
      run.last = frame.point;
      continue;
    }
    if (run) onCommitted(run.after, run.last.position);
    run = { after: frame.after, last: frame.point };
  }
  if (run) onCommitted(run.after, run.last.position);
}

/** Returns a promise when the conflicting event has to be read. */
function answer({ call, decision, frame }: Outcome, view: LedgerView): Promise<void> | void {
  const count = call.events.length;
  switch (decision.kind) {
    case 'accept':
      return call.resolve({ first: frame!.point.position - count + 1, last: frame!.point.position, duplicate: false });
    case 'duplicate':
      return call.resolve({ first: decision.first, last: decision.first + count - 1, duplicate: true });
    case 'refuse':
      return call.reject(decision.error);
    case 'conflict':
      return view.readOne(decision.position).then(
        (event) => call.reject(new AppendConditionFailedError(event, decision.condition)),
        (error: unknown) => call.reject(toOpossumError(error)),
      );
  }
}

/** Events of the group that are planned behind what is written: they cannot be read from the ledger yet. */
class PlannedEvents {
  readonly #written: number;
  readonly #events: PreparedEvent[] = [];

  constructor(written: number) {
    this.#written = written;
  }

  add(events: readonly PreparedEvent[]): void {
    for (const event of events) this.#events.push(event);
  }

  at(position: number): PreparedEvent | undefined {
    return this.#events[position - this.#written - 1];
  }
}

function indexedEvents({ events, draft }: AppendCall, point: ChainPoint): IndexedEvent[] {
  const first = point.position - events.length + 1;
  return events.map(({ type, tags, id }, i) => ({
    position: first + i,
    type,
    tags,
    id,
    offset: point.offset + draft.records[i]!,
    length: draft.records[i + 1]! - draft.records[i]!,
  }));
}

const keyOf = ({ position, checksum }: ChainPoint): string => `${position}/${checksum}`;

export function toOpossumError(cause: unknown): OpossumError {
  if (isOpossumError(cause)) return cause;
  const message = `The append failed and nothing of it is stored: ${messageOf(cause)}. Mend the cause and append again.`;
  return new StorageFailedError(message, 'not-committed', {}, cause);
}

export function outcomeUnknown(cause: unknown): StorageFailedError {
  const message = `Whether the append is stored is unknown: ${messageOf(cause)}. Open the store again and repeat the append with the same event ids.`;
  return new StorageFailedError(message, 'unknown', {}, cause);
}
