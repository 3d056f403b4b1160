/** Two generations of so many characters at most: about forty thousand small events. */
const generationCharacters = 8 * 1024 * 1024;
/** What an entry takes besides its text. */
const overheadCharacters = 64;
/** Large events would drive out many small ones. */
const maxTextCharacters = 64 * 1024;

/**
 * Texts of records that were read and verified before, by position, in bounded memory. Whoever adds one answers for the
 * event being durable: what is not may be lost, and its position handed out again.
 */
export class RecordTexts {
  /** What was used since the last change of generations, and what was used before. */
  #recent = new Map<number, string>();
  #older = new Map<number, string>();
  #characters = 0;

  get(position: number): string | undefined {
    const text = this.#recent.get(position);
    if (text !== undefined) return text;
    const old = this.#older.get(position);
    if (old !== undefined) this.add(position, old);
    return old;
  }

  add(position: number, text: string): void {
    if (text.length > maxTextCharacters || this.#recent.has(position)) return;
    this.#characters += text.length + overheadCharacters;
    if (this.#characters > generationCharacters) {
      this.#older = this.#recent;
      this.#recent = new Map();
      this.#characters = text.length + overheadCharacters;
    }
    this.#recent.set(position, text);
  }
}
