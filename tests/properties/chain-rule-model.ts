/*
 * A world of several processes on one ledger: the real Ledger, Chain, FrameScan and frame encoder on a file that can lose
 * what was not synced. No lock keeps the processes apart. The world remembers who was told what, and says so when the
 * ledger contradicts it.
 */
import type { PreparedEvent } from '../../src/core/event.js';
import { isOpossumError } from '../../src/core/errors.js';
import type { ChainMark, ChainPoint } from '../../src/core/stored.js';
import type { Clock } from '../../src/disk/clock.js';
import type { DiskFile } from '../../src/disk/disk.js';
import { draftFrame, encodeHeaderFrame } from '../../src/ledger/frame.js';
import { headerPoint, type LedgerHeader } from '../../src/ledger/header.js';
import { Ledger } from '../../src/ledger/ledger.js';
import { Dice, Handle, Medium } from './chain-rule-medium.js';

export type StepKind =
  | 'look'
  | 'append'
  | 'commit'
  | 'decide'
  | 'write'
  | 'sync'
  | 'tear'
  | 'kill'
  | 'cut power'
  | 'fail sync'
  | 'evict'
  | 'checkpoint'
  | 'damage';

/** `process` is 0 to 2; `dice` decides what the step leaves open. */
export type Step = { readonly kind: StepKind; readonly process: number; readonly dice: number };

/** What a process knows. */
type Process = {
  readonly ledger: Ledger;
  readonly handle: Handle;
  /** Frames that count in its eyes, from where it began. */
  points: ChainPoint[];
  /** Frames that it decided on and has not written yet, each with the frame that it is to follow. */
  planned: Outcome[];
  /** Its frames that count, of which its callers have not heard yet. */
  settled: ChainPoint[];
  /** A failed sync left its mark before this process had read the ledger for the first time. */
  doubtful: boolean;
};

type Outcome = { readonly point: ChainPoint; readonly after: ChainPoint };

/** Thrown when the ledger contradicts what somebody was told. */
export class Contradiction extends Error {}

const ledgerId = Buffer.alloc(16, 7);
const headerBytes = encodeHeaderFrame({ format: 1 }, { writtenAt: 0, first: 0, time: 0, ledgerId, previous: 0, base: { position: 0, checksum: 0 } });
const header: LedgerHeader = { ledgerId, eventFiles: 'none', createdAt: '', checksum: headerBytes.readUInt32LE(84), offset: 0, end: headerBytes.length };

/** Nothing but what makes each frame another. */
function event(data: number): PreparedEvent {
  return { type: 'T', tags: [], id: 'i', data, metadata: {}, timestamp: '', ownId: true };
}

export class World {
  readonly #medium: Medium;
  readonly #trustsItsView: boolean;
  readonly #processes: (Process | undefined)[] = [undefined, undefined, undefined];
  /** Frames that count for good: their callers were told so. */
  readonly #acknowledged = new Map<string, ChainPoint>();
  /** Frames whose callers were told that they do not count. */
  readonly #refused = new Set<string>();
  /** The frame that each written one was decided upon. */
  readonly #decidedUpon = new Map<string, string>();
  /** Durable points from which a scan may go on, as sealed blocks of the index name them. */
  #sealed: ChainPoint[] = [];
  #checkpoint: ChainPoint | undefined;
  #mark: { readonly from: number } | undefined;
  #damaged = false;
  #vanished = false;
  #frames = 0;
  #now = 0;

  /** With `trustsItsView` nobody reads again what it had read before the damage of a failed sync was mended. */
  constructor({ sector, trustsItsView = false }: { sector: number; trustsItsView?: boolean }) {
    this.#trustsItsView = trustsItsView;
    this.#medium = new Medium(sector);
    this.#medium.append(headerBytes);
    this.#medium.sync();
  }

  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) await this.#step(step);
    await this.#check();
  }

  async #step({ kind, process, dice: seed }: Step): Promise<void> {
    const dice = new Dice(seed);
    switch (kind) {
      case 'cut power':
        this.#medium.cutPower(dice);
        this.#processes.fill(undefined);
        this.#mark = undefined;
        return this.#check();
      case 'evict':
        this.#vanished = true;
        return this.#medium.evict(dice);
      case 'damage':
        return this.#damage(dice);
      case 'kill':
        this.#processes[process]?.handle.close();
        this.#processes[process] = undefined;
        return;
    }
    const one = (this.#processes[process] ??= await this.#open(dice));
    if (!one) return;
    try {
      await this.#act(kind, one, dice);
    } catch (error) {
      if (error instanceof Contradiction) throw error;
      // It ends here: what its callers have not heard of is unknown to them.
      one.handle.close();
      this.#processes[process] = undefined;
      if (one.ledger.failure) this.#mark ??= { from: one.ledger.durablePoint?.offset ?? 0 };
      if (isOpossumError(error, 'LEDGER_CORRUPT')) return this.#checkAlarm(error);
      if (!isOpossumError(error, 'STORAGE_FAILED')) throw error;
    }
  }

  async #act(kind: StepKind, one: Process, dice: Dice): Promise<void> {
    switch (kind) {
      case 'look':
        return one.planned.length > 0 ? undefined : this.#catchUp(one);
      case 'append':
        await this.#decide(one, dice);
        return this.#write(one);
      case 'commit':
        await this.#decide(one, dice);
        await this.#write(one);
        return this.#sync(one);
      case 'decide':
        return this.#decide(one, dice);
      case 'write':
        return this.#write(one);
      case 'tear':
        await this.#decide(one, dice);
        one.handle.nextWrite = dice.roll(4) === 0 ? { fails: true } : { bytes: dice.roll(500), fails: dice.roll(2) === 0 };
        return this.#write(one);
      case 'sync':
        return this.#sync(one);
      case 'fail sync':
        one.handle.nextSyncFails = true;
        return this.#sync(one);
      case 'checkpoint':
        await this.#sync(one);
        if (this.#checkpoint && one.ledger.contradicts(this.#checkpoint)) return;
        this.#checkpoint = furthest(this.#checkpoint, one.ledger.durablePoint);
        if (one.ledger.durablePoint && dice.roll(2) === 0) this.#sealed.push(one.ledger.durablePoint);
    }
  }

  /** A process that opens the ledger, sometimes going on from a sealed block; undefined when it finds damage. */
  async #open(dice: Dice): Promise<Process | undefined> {
    const start = dice.roll(3) === 0 ? this.#sealed[dice.roll(this.#sealed.length)] : undefined;
    const handle = this.#medium.open();
    const ledger = this.#ledger(handle, start);
    const one: Process = { ledger, handle, points: [], planned: [], settled: [], doubtful: this.#mark !== undefined };
    try {
      await this.#catchUp(one);
      if (this.#checkpoint) ledger.assumeDurable(this.#checkpoint);
      return one;
    } catch (error) {
      handle.close();
      if (!isOpossumError(error, 'LEDGER_CORRUPT')) throw error;
      await this.#checkAlarm(error);
      return undefined;
    }
  }

  #ledger(file: DiskFile, start?: ChainPoint): Ledger {
    return new Ledger('ledger', file, header, start?.position === 0 ? undefined : start, { now: () => this.#now++ } as Clock);
  }

  async #catchUp(one: Process, onFrame?: (point: ChainPoint) => void): Promise<void> {
    if (one.doubtful && !this.#mark && !this.#trustsItsView) {
      one.doubtful = false;
      this.#forgetUndurable(one);
    }
    await one.ledger.catchUp(({ point }) => {
      one.points.push(point);
      onFrame?.(point);
    });
  }

  #forgetUndurable(one: Process): void {
    one.ledger.forgetUndurable();
    one.points = one.points.filter(({ position }) => position <= one.ledger.durable);
    // What it wrote itself may be among what is forgotten: its callers hear that the outcome is unknown.
    one.settled.length = 0;
  }

  /** As under the lock: looks for the mark of a failed sync, catches up, and plans a group. */
  async #decide(one: Process, dice: Dice): Promise<void> {
    if (one.planned.length > 0) return;
    // Who held the lock since before the failure does not look for its mark.
    if (this.#mark && (one.doubtful || dice.roll(2) === 0)) {
      this.#medium.rewrite(this.#mark.from);
      this.#mark = undefined;
      one.doubtful = true;
    }
    await this.#catchUp(one);
    for (let frames = 1 + dice.roll(3); frames > 0; frames--) {
      const after = one.ledger.lastPoint;
      const events = Array.from({ length: 1 + dice.roll(2) }, () => event(this.#frames++));
      const point = one.ledger.plan(draftFrame(events, undefined));
      one.planned.push({ point, after });
    }
  }

  async #write(one: Process): Promise<void> {
    const group = one.planned.splice(0);
    if (group.length === 0) return;
    for (const { point, after } of group) this.#decidedUpon.set(nameOf(point), nameOf(after));
    let whole = false;
    try {
      whole = await one.ledger.write();
    } catch (error) {
      if (isOpossumError(error)) throw error;
    }
    if (whole) {
      for (const { point } of group) one.points.push(point);
      one.settled.push(...group.map(({ point }) => point));
      return;
    }
    const landed = new Set<string>();
    await this.#catchUp(one, (point) => landed.add(nameOf(point)));
    for (const { point } of group) {
      if (landed.has(nameOf(point))) one.settled.push(point);
      else this.#refused.add(nameOf(point));
    }
  }

  async #sync(one: Process): Promise<void> {
    // Readers trust no sync while the mark of a failed one is there.
    if (this.#mark && one.settled.length === 0 && !one.handle.nextSyncFails) return;
    if (one.doubtful && one.planned.length === 0) await this.#catchUp(one);
    await one.ledger.makeDurable(one.ledger.written);
    for (const point of one.settled.splice(0)) this.#acknowledged.set(nameOf(point), point);
  }

  /** Spoils a frame of whose durability the disk holds a proof: another frame's base, or the checkpoint. */
  async #damage(dice: Dice): Promise<void> {
    const { points, bases, alarm } = await this.#scan(this.#medium.onDisk());
    const proven = Math.max(this.#checkpoint?.position ?? 0, ...bases);
    const frames = points.filter(({ position }) => position <= proven);
    const frame = frames[dice.roll(frames.length)];
    if (alarm || !frame) return;
    this.#damaged = true;
    this.#medium.damage(frame.offset + dice.roll(100));
    await this.#check();
  }

  /** Everything that a process finds which opens the ledger now and reads it from the beginning. */
  async #scan(medium: Medium): Promise<{ points: ChainPoint[]; bases: number[]; alarm?: unknown }> {
    const points: ChainPoint[] = [];
    const bases: number[] = [];
    try {
      const ledger = this.#ledger(medium.open());
      await ledger.catchUp(({ point }) => {
        points.push(point);
        bases.push(ledger.durable);
      });
      if (this.#checkpoint) ledger.assumeDurable(this.#checkpoint);
      return { points, bases };
    } catch (alarm) {
      if (!isOpossumError(alarm, 'LEDGER_CORRUPT')) throw alarm;
      return { points, bases, alarm };
    }
  }

  async #check(): Promise<void> {
    const { points, alarm } = await this.#scan(this.#medium);
    if (alarm && !this.#damaged) throw new Contradiction(`a healthy ledger is called damaged: ${String(alarm)}`);
    const counted = new Map(points.map((point) => [point.position, nameOf(point)]));
    let before = nameOf(headerPoint(header));
    for (const point of points) {
      const name = nameOf(point);
      if (this.#refused.has(name)) throw new Contradiction(`a refused frame came alive: ${name}`);
      if (this.#decidedUpon.get(name) !== before) throw new Contradiction(`${name} was decided upon ${this.#decidedUpon.get(name)} and follows ${before}`);
      before = name;
    }
    if (alarm) return;
    for (const [name, { position }] of this.#acknowledged) {
      if (counted.get(position) !== name) throw new Contradiction(`an acknowledged frame is lost silently: ${name}`);
    }
    for (const one of this.#processes) if (one) await this.#checkView(one, points);
  }

  /** What a process took in piece by piece, or from a sealed block on, is what a scan from the beginning finds. */
  async #checkView(one: Process, points: readonly ChainPoint[]): Promise<void> {
    if (this.#vanished) return;
    const known = new Set(points.map(nameOf));
    for (const point of one.points) if (!known.has(nameOf(point))) throw new Contradiction(`a process believes in ${nameOf(point)}`);
    if (one.points.some(({ position }, i) => i > 0 && position <= one.points[i - 1]!.position)) throw new Contradiction('positions fall');
    const caughtUp = one.ledger.last === (points.at(-1)?.position ?? 0);
    if (!caughtUp && one.planned.length === 0 && (await one.ledger.isCurrent())) throw new Contradiction('a process that looked sees less');
  }

  async #checkAlarm(alarm: unknown): Promise<void> {
    if (this.#damaged) return;
    // Whoever saw frames that vanished sounds the alarm rightly: what it knows contradicts the file. It has to open it again.
    if (this.#vanished) return this.#check();
    throw new Contradiction(`a healthy ledger is called damaged: ${String(alarm)}`);
  }
}

/** Not by its offset: a rule without `at` takes a frame elsewhere for the one that was planned. */
const nameOf = ({ position, checksum }: ChainMark): string => `${position}/${checksum.toString(16)}`;

function furthest(a: ChainPoint | undefined, b: ChainPoint | undefined): ChainPoint | undefined {
  return (a?.position ?? -1) > (b?.position ?? -1) ? a : b;
}
