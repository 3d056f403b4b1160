import assert from 'node:assert/strict';
import type { AppendConditionFailedError } from '../../core/errors.js';
import type { NewEvent } from '../../core/event.js';
import type { Query } from '../../core/query.js';
import { group } from './case.js';
import { appended, assertMatches, event, refusal } from './tools.js';

const stored: readonly NewEvent[] = [
  event('CourseDefined', ['course:c1']),
  event('CourseDefined', ['course:c2']),
  event('StudentEnrolled', ['student:s1', 'course:c1']),
  event('StudentEnrolled', ['course:c2', 'student:s1']),
  event('CourseRenamed', ['course:c1']),
  event('Untagged'),
  event('StudentEnrolled', ['student:s2', 'course:c1', 'term:2026']),
];

/** Every rule of matching, as query and matching positions. */
const rules: Readonly<Record<string, readonly [Query, readonly number[]]>> = {
  "'all' matches every event": ['all', [1, 2, 3, 4, 5, 6, 7]],
  'a type matches events of that type': [{ items: [{ types: ['CourseDefined'] }] }, [1, 2]],
  'types of an item are OR': [{ items: [{ types: ['CourseDefined', 'CourseRenamed'] }] }, [1, 2, 5]],
  'a tag matches events that carry it': [{ items: [{ tags: ['course:c1'] }] }, [1, 3, 5, 7]],
  'tags of an item are AND': [{ items: [{ tags: ['course:c1', 'student:s1'] }] }, [3]],
  'the order of tags does not matter': [{ items: [{ tags: ['student:s1', 'course:c2'] }] }, [4]],
  'types and tags of an item are AND': [{ items: [{ types: ['StudentEnrolled', 'CourseRenamed'], tags: ['course:c1'] }] }, [3, 5, 7]],
  'items are OR, and an event that matches two comes once': [{ items: [{ tags: ['student:s1'] }, { types: ['StudentEnrolled'] }, { tags: ['course:c2'] }] }, [2, 3, 4, 7]],
  'items do not mix': [{ items: [{ types: ['CourseDefined'], tags: ['student:s1'] }, { types: ['Untagged'], tags: ['course:c1'] }] }, []],
  'an event without tags matches by type alone': [{ items: [{ types: ['Untagged'] }] }, [6]],
  'an unknown type matches nothing': [{ items: [{ types: ['Unknown'] }] }, []],
  'an unknown tag matches nothing, even beside a known one': [{ items: [{ tags: ['course:c1', 'course:c3'] }] }, []],
  'a part of a tag matches nothing': [{ items: [{ tags: ['course'] }, { tags: ['course:c'] }, { tags: ['course:c11'] }] }, []],
  'a type is no tag and a tag no type': [{ items: [{ tags: ['Untagged'] }, { types: ['course:c1'] }] }, []],
  'the same item twice changes nothing': [{ items: [{ types: ['CourseRenamed'] }, { types: ['CourseRenamed'] }] }, [5]],
  'the same type or tag twice changes nothing': [{ items: [{ types: ['CourseRenamed', 'CourseRenamed'], tags: ['course:c1', 'course:c1'] }] }, [5]],
};

export const queryGroup = group(
  'queries',
  Object.fromEntries(
    Object.entries(rules).map(([rule, [query, expected]]) => [
      rule,
      async ({ store }) => {
        await store.append(stored);
        await assertMatches(store, query, expected);

        const condition = { failIfEventsMatch: query };
        const [lowest] = expected;
        if (lowest === undefined) {
          assert.deepEqual(await store.append(event('Next'), condition), appended(8), 'nothing matches, so the condition holds');
        } else {
          const error = (await refusal(store.append(event('Next'), condition), 'APPEND_CONDITION_FAILED')) as AppendConditionFailedError;
          assert.equal(error.position, lowest);
          const rest = expected.at(-1)!;
          assert.deepEqual(await store.append(event('Next'), { ...condition, after: rest }), appended(8), 'no match after the last one');
        }
      },
    ]),
  ),
);
