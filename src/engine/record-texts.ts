/** A position has one place, and shares it with those that are a multiple of this apart. */
const places = 64 * 1024;
/** Of all texts together: about forty thousand small events' fit. */
const maxCharacters = 16 * 1024 * 1024;
/** What an entry takes besides its text. */
const overheadCharacters = 64;
/** Large events would drive out many small ones. */
const maxTextCharacters = 64 * 1024;

/**
 * Texts of records that were read and verified before, by position, in bounded memory. Whoever adds one answers for the
 * event being durable: what is not may be lost, and its position handed out again. Most events that are looked up were not
 * read before, and that is told by one look into a list of numbers.
 */
export class RecordTexts {
  /** By place; 0, the position of no event, where there is nothing. Memory that was never written takes none. */
  readonly #positions = new Float64Array(places);
  readonly #texts = new Array<string>(places);
  /** Set when a text is used: it then gets a second chance. */
  readonly #used = new Uint8Array(places);
  #characters = 0;
  /** The next place to be emptied when there are too many. */
  #hand = 0;

  get(position: number): string | undefined {
    const place = position % places;
    if (this.#positions[place] !== position) return undefined;
    this.#used[place] = 1;
    return this.#texts[place];
  }

  add(position: number, text: string): void {
    const place = position % places;
    if (text.length > maxTextCharacters || this.#positions[place] === position || !this.#drop(place)) return;
    this.#positions[place] = position;
    this.#texts[place] = text;
    this.#characters += text.length + overheadCharacters;
    while (this.#characters > maxCharacters) {
      if (this.#hand !== place) this.#drop(this.#hand);
      this.#hand = (this.#hand + 1) % places;
    }
  }

  /** Returns false when what is there has its second chance. */
  #drop(place: number): boolean {
    if (this.#positions[place] === 0) return true;
    if (this.#used[place]) {
      this.#used[place] = 0;
      return false;
    }
    this.#characters -= this.#texts[place]!.length + overheadCharacters;
    this.#positions[place] = 0;
    this.#texts[place] = '';
    return true;
  }
}
