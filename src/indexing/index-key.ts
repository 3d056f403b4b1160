import { hashText } from './hash.js';

/** What a key stands for; stored, and the seed of its hash. */
export const keyKind = { type: 1, tag: 2, id: 3 } as const;

export type KeyKind = (typeof keyKind)[keyof typeof keyKind];

/** A type, tag or id to look up. What only sealed blocks need is worked out when the first of them is asked. */
export class IndexKey {
  readonly kind: KeyKind;
  readonly text: string;
  #hash: number | undefined;
  #bytes: Buffer | undefined;

  constructor(kind: KeyKind, text: string) {
    this.kind = kind;
    this.text = text;
  }

  get hash(): number {
    return (this.#hash ??= hashText(this.text, this.kind));
  }

  /** UTF-8. */
  get bytes(): Buffer {
    return (this.#bytes ??= Buffer.from(this.text));
  }
}
