/*
 * What every store must do, as cases for any test runner: the rules of the EventStore interface, told by examples. It says
 * nothing of durability across crashes, which needs a disk that can fail.
 */
import { appendGroup } from './suite/appends.js';
import { badInputGroup } from './suite/bad-input.js';
import { toCases, type CaseGroup, type StoreUnderTest, type SuiteCase, type Supports } from './suite/case.js';
import { conditionGroup } from './suite/conditions.js';
import { idempotencyGroup } from './suite/idempotency.js';
import { lifecycleGroup } from './suite/lifecycle.js';
import { largeBatchGroup, limitGroup } from './suite/limits.js';
import { manyEventsGroup, manyEventsReopenedGroup } from './suite/many-events.js';
import { plainDataGroup, plainDataReopenedGroup } from './suite/plain-data.js';
import { queryGroup } from './suite/queries.js';
import { readGroup } from './suite/reads.js';
import { anotherGroup, reopenGroup } from './suite/same-data.js';
import { scenarioGroup } from './suite/scenarios.js';
import { largeStateGroup, stateGroup, stateReopenedGroup, stateSharedGroup } from './suite/state-cases.js';
import { subscriptionGroup } from './suite/subscriptions.js';

export type EventStoreSuiteOptions = {
  /** Makes a store on fresh, empty data; called once for each case. */
  make(): StoreUnderTest | Promise<StoreUnderTest>;
  supports?: Supports;
};

const groups: readonly CaseGroup[] = [
  queryGroup,
  conditionGroup,
  appendGroup,
  readGroup,
  idempotencyGroup,
  subscriptionGroup,
  lifecycleGroup,
  badInputGroup,
  plainDataGroup,
  limitGroup,
  scenarioGroup,
  manyEventsGroup,
  stateGroup,
  stateReopenedGroup,
  stateSharedGroup,
  largeStateGroup,
  reopenGroup,
  plainDataReopenedGroup,
  manyEventsReopenedGroup,
  anotherGroup,
  largeBatchGroup,
];

/**
 * The cases that a store must pass, each on a store of its own; those that need more than `supports` says are left out.
 *
 * @example for (const { name, run } of eventStoreSuite({ make })) test(name, run)
 */
export function eventStoreSuite({ make, supports = {} }: EventStoreSuiteOptions): SuiteCase[] {
  return groups.filter(({ needs }) => needs === undefined || supports[needs] === true).flatMap((group) => toCases(group, make));
}
