/** What JSON can hold, and nothing that it would alter. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue | undefined };

/** An event to append. */
export type NewEvent = {
  /** What happened, in the words of the domain; 1 to 1,024 UTF-8 bytes. */
  type: string;
  /** Any JSON value. Properties whose value is `undefined` count as absent. */
  data: JsonValue;
  /** What the event is about, such as `course:c1`; queries and conditions select by them. At most 255, each 1 to 1,024 UTF-8 bytes. */
  tags?: readonly string[];
  /** Idempotency key, 1 to 255 UTF-8 bytes; a random UUID when absent. */
  id?: string;
  /** Anything that is not part of the fact itself, such as user or correlation id. Not compared when a batch is retried. */
  metadata?: JsonObject;
  /** RFC 3339 in UTC (`2026-01-31T12:00:00Z`); the time of the append when absent. */
  timestamp?: string;
};

/** A stored event. Positions start at 1 and have no gaps. */
export type SequencedEvent = Required<NewEvent> & { position: number };

/** An event whose input was checked and whose defaults were filled in: what every backend stores. */
export type PreparedEvent = Readonly<Required<NewEvent>> & {
  /** False when the store made the id itself; such an id cannot be a repetition, so it is never looked up. */
  readonly ownId: boolean;
};
