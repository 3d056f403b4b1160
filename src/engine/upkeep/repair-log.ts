import { BoundedList } from './problems.js';

export type RepairAction = {
  readonly what: 'ledger' | 'event file' | 'index block' | 'checkpoint' | 'leftover';
  /** Path within the context's folder. */
  readonly where: string;
  readonly position?: number;
  readonly message: string;
};

/** What is, or is to be, done. */
export class RepairLog {
  readonly #actions = new BoundedList<RepairAction>();
  #problems = 0;

  get actions(): readonly RepairAction[] {
    return this.#actions.items;
  }

  get count(): number {
    return this.#actions.count;
  }

  /** How many of the actions mend what `verify` calls a problem. */
  get problems(): number {
    return this.#problems;
  }

  add(action: RepairAction, isProblem: boolean): void {
    this.#actions.add(action);
    if (isProblem) this.#problems++;
  }
}
