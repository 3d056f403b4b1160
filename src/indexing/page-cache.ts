/** Who owns cached pages. */
export interface PageOwner {
  /** Forgets its page `page`. */
  dropPage(page: number): void;
}

export type CachedPage = {
  readonly owner: PageOwner;
  readonly page: number;
  readonly bytes: Buffer;
  /** Set by its owner when the page is used: it then gets a second chance. */
  used: boolean;
};

/** What a page takes besides its bytes. */
const overheadBytes = 200;

/** Bounds the memory of all pages that blocks have read. */
export class PageCache {
  readonly #maxBytes: number;
  /** The next to be evicted first. */
  readonly #pages = new Set<CachedPage>();
  #bytes = 0;
  #added = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Pages read so far: tells how much work was done. */
  get added(): number {
    return this.#added;
  }

  add(owner: PageOwner, page: number, bytes: Buffer): CachedPage {
    const cached = { owner, page, bytes, used: false };
    this.#added++;
    this.#bytes += bytes.length + overheadBytes;
    this.#pages.add(cached);
    if (this.#bytes > this.#maxBytes) this.#evict(cached);
    return cached;
  }

  remove(cached: CachedPage): void {
    if (this.#pages.delete(cached)) this.#bytes -= cached.bytes.length + overheadBytes;
  }

  /** Makes room; `newest` stays, whatever its size. */
  #evict(newest: CachedPage): void {
    for (const cached of this.#pages) {
      if (this.#bytes <= this.#maxBytes) return;
      if (cached === newest) continue;
      if (cached.used) {
        cached.used = false;
        this.#pages.delete(cached);
        this.#pages.add(cached);
      } else {
        this.remove(cached);
        cached.owner.dropPage(cached.page);
      }
    }
  }
}
