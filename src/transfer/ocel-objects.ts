import type { JsonObject, JsonValue, SequencedEvent } from '../core/event.js';
import { sameJson } from '../core/same-content.js';
import { ocelMetadata, splitTag, tagOf, type OcelLogData, type OcelObject, type OcelRelationship } from './ocel.js';

type KnownObject = {
  readonly type: string;
  readonly id: string;
  readonly described: OcelObject[];
  readonly relationships: { readonly target: string; readonly relationship: OcelRelationship }[];
  wanted: boolean;
};

/** The objects of an export: those that imported logs describe, and those that tags of other events stand for. Known by tag. */
export class OcelObjects {
  readonly #byTag = new Map<string, KnownObject>();
  readonly #tagsOfId = new Map<string, string[]>();
  #exportIds: Map<string, string> | undefined;

  /** Adds the objects of one `ocel:log` event. Relationships across events of a split log find their objects in the end. */
  addLog(log: OcelLogData): void {
    const own = new Map(log.objects.map(({ id, type }) => [id, tagOf(type, id)]));
    for (const object of log.objects) {
      const known = this.#know(tagOf(object.type, object.id), object.type, object.id);
      if (known.described.some((one) => sameJson(asJson(one), asJson(object)))) continue;
      known.described.push(object);
      for (const relationship of object.relationships ?? []) {
        known.relationships.push({ target: own.get(relationship.objectId) ?? '', relationship });
      }
    }
  }

  /** The event's objects with how it relates to them, each by its tag. All objects of `ocel:log` events must be known by now. */
  relate(event: SequencedEvent): { tag: string; qualifier: string | undefined }[] {
    const kept = ocelMetadata(event)?.relationships ?? [];
    const related = kept.map(({ objectId, qualifier }) => ({ tag: this.#tagFor(objectId, event.tags), qualifier }));
    const covered = new Set(related.map(({ tag }) => tag));
    for (const tag of event.tags) {
      if (!covered.has(tag)) related.push({ tag, qualifier: this.#typeOf(tag) });
    }
    return related;
  }

  /** Makes sure that the object of a tag is in the export, with what it relates to. */
  want(tag: string): void {
    const waiting = [tag];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { type, id } = splitTag(next);
      const known = this.#know(next, type, id);
      if (known.wanted) continue;
      known.wanted = true;
      for (const one of known.relationships) {
        const target = this.#target(one);
        if (target !== undefined) waiting.push(target);
      }
    }
  }

  wantAll(): void {
    for (const known of this.#byTag.values()) known.wanted = true;
  }

  types(): Set<string> {
    return new Set([...this.#byTag.values()].filter(({ wanted }) => wanted).map(({ type }) => type));
  }

  /** The wanted objects as the file has them. Ids are final from now on. */
  *write(): Generator<OcelObject> {
    for (const [tag, known] of this.#byTag) {
      if (!known.wanted) continue;
      yield { id: this.exportId(tag), type: known.type, ...this.#attributes(known), ...this.#relationships(known) };
    }
  }

  /** An object's id in the file, where ids must differ across types: its own, or the whole tag where types share it. */
  exportId(tag: string): string {
    this.#exportIds ??= this.#makeExportIds();
    return this.#exportIds.get(tag) ?? tag;
  }

  /** Absent only where the imported log had none of it. */
  #attributes({ described }: KnownObject): Pick<OcelObject, 'attributes'> {
    if (described.length > 0 && described.every(({ attributes }) => attributes === undefined)) return {};
    const attributes = described.flatMap((object) => object.attributes ?? []);
    return { attributes: described.length < 2 ? attributes : distinct(attributes) };
  }

  #relationships({ described, relationships }: KnownObject): Pick<OcelObject, 'relationships'> {
    if (described.length > 0 && described.every((object) => object.relationships === undefined)) return {};
    const written = relationships.map((one) => {
      const target = this.#target(one);
      return target === undefined ? one.relationship : { ...one.relationship, objectId: this.exportId(target) };
    });
    return { relationships: described.length < 2 ? written : distinct(written) };
  }

  #makeExportIds(): Map<string, string> {
    const wanted = [...this.#byTag].filter(([, known]) => known.wanted);
    const owners = new Map<string, number>();
    for (const [, { id }] of wanted) owners.set(id, (owners.get(id) ?? 0) + 1);
    const ids = new Map<string, string>();
    const taken = new Set<string>();
    for (const [tag, { id }] of wanted) {
      if (owners.get(id) !== 1) continue;
      ids.set(tag, id);
      taken.add(id);
    }
    for (const [tag] of wanted) {
      if (ids.has(tag)) continue;
      let id = tag;
      for (let n = 2; taken.has(id); n++) id = `${tag}#${n}`;
      ids.set(tag, id);
      taken.add(id);
    }
    return ids;
  }

  #know(tag: string, type: string, id: string): KnownObject {
    const found = this.#byTag.get(tag);
    if (found) return found;
    const known: KnownObject = { type, id, described: [], relationships: [], wanted: false };
    this.#byTag.set(tag, known);
    this.#tagsOfId.set(id, [...(this.#tagsOfId.get(id) ?? []), tag]);
    return known;
  }

  #tagFor(objectId: string, tags: readonly string[]): string {
    return (this.#tagsOfId.get(objectId) ?? []).find((tag) => tags.includes(tag)) ?? tags.find((tag) => tag.endsWith(`:${objectId}`)) ?? objectId;
  }

  #typeOf(tag: string): string {
    return this.#byTag.get(tag)?.type ?? splitTag(tag).type;
  }

  #target({ target, relationship }: { target: string; relationship: OcelRelationship }): string | undefined {
    return target === '' ? this.#tagsOfId.get(relationship.objectId)?.[0] : target;
  }
}

/** Leaves out what several logs say in common. */
function distinct<T extends object>(values: readonly T[]): T[] {
  return [...new Map(values.map((value) => [JSON.stringify(Object.entries(value).sort()), value])).values()];
}

function asJson(object: OcelObject): JsonValue {
  return object as unknown as JsonObject;
}
