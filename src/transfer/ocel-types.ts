import type { JsonValue } from '../core/event.js';
import { isObject, isScalar, type OcelAttribute, type OcelType } from './ocel.js';

/** The attributes that event data becomes. OCEL has no null and no nesting. */
export function toAttributes(data: JsonValue): OcelAttribute[] {
  const entries = isObject(data) ? Object.entries(data) : [['value', data] as const];
  return entries.flatMap(([name, value]) => {
    if (value === undefined || value === null) return [];
    return [{ name, value: isScalar(value) ? value : JSON.stringify(value) }];
  });
}

/** Types by name, each with its attributes and their types: as imported logs declare them, else as the values are. */
export class OcelTypes {
  readonly #types = new Map<string, Map<string, { type: string; declared: boolean }>>();
  readonly #declared = new Set<string>();

  declare(types: readonly OcelType[]): void {
    for (const { name, attributes = [] } of types) {
      this.#declared.add(name);
      const known = this.add(name);
      for (const attribute of attributes) if (!known.has(attribute.name)) known.set(attribute.name, { type: attribute.type, declared: true });
    }
  }

  isDeclared(name: string): boolean {
    return this.#declared.has(name);
  }

  add(name: string): Map<string, { type: string; declared: boolean }> {
    let known = this.#types.get(name);
    if (!known) this.#types.set(name, (known = new Map()));
    return known;
  }

  /** Widens the type so that it fits these values too. */
  learn(name: string, attributes: readonly OcelAttribute[]): void {
    const known = this.add(name);
    for (const { name: attribute, value } of attributes) {
      const kind = kindOf(value);
      const before = known.get(attribute);
      if (!before) known.set(attribute, { type: kind, declared: false });
      else if (!before.declared) before.type = common(before.type, kind);
    }
  }

  /** The value as its attribute's type has it: text where other values of the attribute are no numbers. */
  fit(name: string, { name: attribute, value }: OcelAttribute): OcelAttribute {
    const isText = this.#types.get(name)?.get(attribute)?.type === 'string';
    return { name: attribute, value: isText && typeof value !== 'string' ? String(value) : value };
  }

  write(): OcelType[] {
    return [...this.#types].map(([name, attributes]) => ({ name, attributes: [...attributes].map(([attribute, { type }]) => ({ name: attribute, type })) }));
  }
}

const rfc3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

function kindOf(value: OcelAttribute['value']): string {
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'float';
  if (typeof value === 'boolean') return 'boolean';
  return typeof value === 'string' && rfc3339.test(value) ? 'time' : 'string';
}

function common(a: string, b: string): string {
  if (a === b) return a;
  return [a, b].every((kind) => kind === 'integer' || kind === 'float') ? 'float' : 'string';
}
