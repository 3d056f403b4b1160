/** What tests of stores, and of code on top of them, need. Imports no test runner. */
export { eventStoreSuite, type EventStoreSuiteOptions } from './event-store-suite.js';
export type { StoreUnderTest, SuiteCase, Supports } from './suite/case.js';
