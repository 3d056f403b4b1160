/* The demo on the built command: it keeps its rules, says the truth about its folder, and leaves no process behind. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { audit, decide, makeApplications, openingEvents, school, answerEvent } from '../../src/cli/demo/enrolment.js';
import { percentile } from '../../src/cli/demo/report.js';
import { openMemoryStore, openStore } from '../../src/index.js';
import { freshFolder } from '../support/folder.js';
import { opossum, Running } from './command.js';

describe('the demo', () => {
  test('fills every course and never overbooks one', async () => {
    const dir = path.join(freshFolder(), 'demo');
    const { code, stdout } = await opossum(['demo', '--dir', dir]);
    expect(code).toBe(0);
    expect(stdout.match(/##########  10 of 10/g)).toHaveLength(10);
    expect(stdout).toMatch(/applications answered +600 {2}100 enrolled, 500 turned away/);
    expect(stdout).toMatch(/conflicts met +\d+/);
    expect(stdout).toMatch(/appends a second +[\d,]+/);
    expect(stdout).toMatch(/p50 +[\d.]+ ms[\s\S]*p99 +[\d.]+ ms/);
    expect(stdout.match(/^ {2}OK {6}/gm)).toHaveLength(5);
    expect(stdout).toMatch(/^ {2}OK {2}810 events in .* of ledger checked/m);
    const eventFile = /events\/\d{7}\/\d{9}\.json/.exec(stdout)![0];
    expect(JSON.parse(fs.readFileSync(path.join(dir, 'default', eventFile), 'utf8'))).toMatchObject({ type: 'StudentEnrolled' });

    const store = await openStore({ directory: dir });
    const events = await store.read({ items: [{ types: ['StudentEnrolled'] }] }).toArray();
    await store.close();
    const perCourse = new Map<string, number>();
    for (const { tags } of events) perCourse.set(tags[0]!, (perCourse.get(tags[0]!) ?? 0) + 1);
    expect([...perCourse.values()]).toEqual(Array.from({ length: 10 }, () => 10));

    const again = await opossum(['demo', '--dir', dir]);
    expect(again).toMatchObject({ code: 7, stdout: '' });
    expect(again.stderr).toMatch(/holds events already/);
  });

  test('ends its processes on Ctrl-C', async () => {
    const dir = path.join(freshFolder(), 'demo');
    const running = new Running(['demo', '--dir', dir, '--no-keep']);
    await running.shows('Folder: ');
    running.process.kill('SIGINT');
    const { code, stderr } = await running.ended;
    expect(code).toBe(130);
    expect(stderr).not.toMatch(/Error|at /);
    expect(fs.existsSync(path.join(dir, 'default'))).toBe(false);
  });
});

describe("the demo's recheck", () => {
  const applications = makeApplications(1);

  test('finds an overbooked course, an overbooked student, a missing and a second answer', async () => {
    const store = openMemoryStore();
    await store.append(openingEvents());
    const greedy = applications.filter(({ student }) => student === 's200');
    const inC01 = applications.filter(({ student, course }) => course === 'c01' && student !== 's200').slice(0, school.seats + 1);
    await store.append(inC01.map((application) => answerEvent(application, 'enrolled')));
    await store.append([...greedy, greedy[0]!].map((application) => answerEvent(application, 'enrolled')));
    const broken = audit(await store.read().toArray(), applications).rules.map((rule) => rule.broken);
    expect(broken[0]![0]).toMatch(/^c01 has 1[1-3]$/);
    expect(broken[1]).toContain('s200 has 4');
    expect(broken[3]).toContain(`${greedy[0]!.student} in ${greedy[0]!.course}`);
    expect(broken[3]!.length).toBeGreaterThan(applications.length - inC01.length - greedy.length);
    expect(broken[4]).toEqual([]);
  });

  test('finds who was turned away for nothing, and gaps in the positions', async () => {
    const store = openMemoryStore();
    await store.append([...openingEvents(), answerEvent(applications[0]!, 'course full')]);
    const events = await store.read().toArray();
    expect(audit(events, applications).rules[2]!.broken).toEqual([applications[0]!.course]);
    expect(audit(events.slice(1), applications).rules[4]!.broken[0]).toBe('position 2');
  });

  test('passes what one process decides alone', async () => {
    const store = openMemoryStore();
    await store.append(openingEvents());
    for (const application of applications) {
      const events = (await store.read().toArray()).filter(({ tags }) => tags.includes(`course:${application.course}`) || tags.includes(`student:${application.student}`));
      await store.append(answerEvent(application, decide(application, events)));
    }
    const { rules, courses } = audit(await store.read().toArray(), applications);
    expect(rules.flatMap(({ broken }) => broken)).toEqual([]);
    expect(courses.every(({ taken }) => taken === school.seats)).toBe(true);
  });

  test('reckons percentiles by the nearest rank', () => {
    const values = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect([percentile(values, 50), percentile(values, 99), percentile(values, 100), percentile([7], 50), percentile([], 50)]).toEqual([50, 99, 100, 7, 0]);
  });
});
