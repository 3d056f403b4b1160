export type VerifyProblem = {
  readonly what: 'ledger' | 'event file' | 'index block' | 'checkpoint';
  /** File, relative to the context's folder. */
  readonly where: string;
  readonly position?: number;
  /** Byte in the file. */
  readonly offset?: number;
  readonly message: string;
};

/** Something that needs no healing, but that a person may want to know. */
export type VerifyNote = {
  readonly what: 'ledger' | 'event file' | 'checkpoint' | 'leftover' | 'state';
  /** File, relative to the context's folder. */
  readonly where: string;
  readonly message: string;
};

/** A list for a report: more than its first thousand entries are counted, not kept. */
export class BoundedList<T> {
  readonly items: T[] = [];
  #count = 0;

  /** All that were added, kept or not. */
  get count(): number {
    return this.#count;
  }

  add(item: T): void {
    this.#count++;
    if (this.items.length < maxKept) this.items.push(item);
  }
}

const maxKept = 1000;
