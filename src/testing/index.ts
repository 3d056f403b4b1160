/** What tests of stores, and of code on top of them, need. Imports no test runner. */
export { eventStoreSuite, type EventStoreSuiteOptions } from './event-store-suite.js';
export type { StoreUnderTest, SuiteCase, Supports } from './suite/case.js';
export { gone, Simulation, type SimulatedProcess, type SimulationOptions } from './simulation/simulation.js';
export type { Fault, OnOperation, Operation, OperationKind, SimulatedDisk } from './simulation/simulated-disk.js';
export type { SyncModel } from './simulation/medium.js';
export type { PowerCut, Survival } from './simulation/power-cut.js';
