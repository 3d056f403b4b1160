/** A position has one place, and shares it with those that are a multiple of their number apart: there are more when two meet. */
const places = { first: 256, growth: 4, most: 64 * 1024 };
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
  /** By place; 0, the position of no event, where there is nothing. */
  #positions = new Float64Array(places.first);
  #texts = new Array<string>(places.first);
  /** Set when a text is used: it then gets a second chance. */
  #used = new Uint8Array(places.first);
  #characters = 0;
  /** The next place to be emptied when there are too many. */
  #hand = 0;

  get(position: number): string | undefined {
    const place = position % this.#positions.length;
    if (this.#positions[place] !== position) return undefined;
    this.#used[place] = 1;
    return this.#texts[place];
  }

  add(position: number, text: string): void {
    if (text.length > maxTextCharacters) return;
    const met = this.#positions[position % this.#positions.length];
    if (met === position) return;
    if (met !== 0 && this.#positions.length < places.most) this.#grow();
    const place = position % this.#positions.length;
    if (!this.#drop(place)) return;
    this.#positions[place] = position;
    this.#texts[place] = text;
    this.#characters += text.length + overheadCharacters;
    while (this.#characters > maxCharacters) {
      if (this.#hand !== place) this.#drop(this.#hand);
      this.#hand = (this.#hand + 1) % this.#positions.length;
    }
  }

  #grow(): void {
    const [positions, texts, used] = [this.#positions, this.#texts, this.#used];
    const count = positions.length * places.growth;
    this.#positions = new Float64Array(count);
    this.#texts = new Array<string>(count);
    this.#used = new Uint8Array(count);
    for (const [i, position] of positions.entries()) {
      if (position === 0) continue;
      this.#positions[position % count] = position;
      this.#texts[position % count] = texts[i]!;
      this.#used[position % count] = used[i]!;
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
