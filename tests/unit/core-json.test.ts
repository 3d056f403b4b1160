import vm from 'node:vm';
import fc from 'fast-check';
import { describe as group, expect, test } from 'vitest';
import { InvalidInputError } from '../../src/core/errors.js';
import { checkJson, checkJsonObject, describe } from '../../src/core/json.js';
import { jsonArb } from '../properties/arbitraries.js';

const check = (value: unknown) => checkJson(value, 'data', { least: 0, most: 0 });

function problem(value: unknown): string {
  try {
    check(value);
  } catch (error) {
    if (error instanceof InvalidInputError) return error.message;
    throw error;
  }
  return 'accepted';
}

group('messages', () => {
  class Money {
    cents = 1;
  }
  const rows: [unknown, string][] = [
    [undefined, 'data is undefined, which JSON cannot hold. Use null, or leave the property out.'],
    [[1, undefined], 'data[1] is undefined, which JSON cannot hold. Use null, or leave the property out.'],
    [{ f() {} }, 'data.f is a function, which JSON cannot hold. Store plain objects, arrays, strings, numbers, booleans and null.'],
    [{ s: Symbol('x') }, 'data.s is a symbol, which JSON cannot hold. Store plain objects, arrays, strings, numbers, booleans and null.'],
    [5n, 'data is the BigInt 5, which JSON cannot hold. Store it as a string.'],
    [10n ** 50n, `data is the BigInt 1${'0'.repeat(39)}…, which JSON cannot hold. Store it as a string.`],
    [{ total: NaN }, 'data.total is NaN, which JSON cannot hold. Use null or a string.'],
    [-Infinity, 'data is -Infinity, which JSON cannot hold. Use null or a string.'],
    [[-0], 'data[0] is -0, which JSON turns into 0. Use 0.'],
    [{ at: new Date(0) }, 'data.at is a Date, which JSON would not give back as it is. Store value.toISOString().'],
    [new Map(), 'data is a Map, which JSON would not give back as it is. Store Object.fromEntries(value).'],
    [new Set(), 'data is a Set, which JSON would not give back as it is. Store [...value].'],
    [Promise.resolve(), 'data is a Promise, which JSON would not give back as it is. Await it first.'],
    [new Uint8Array(1), 'data is an Uint8Array, which JSON would not give back as it is. Store it as base64 text.'],
    [new Money(), 'data is a Money, which JSON would not give back as it is. Store plain objects, arrays, strings, numbers, booleans and null.'],
    [Object.create({ a: 1 }), 'data is an object, which JSON would not give back as it is. Store plain objects, arrays, strings, numbers, booleans and null.'],
    ['a\ud800', 'data holds a lone surrogate, which UTF-8 cannot store. Use value.toWellFormed().'],
    [{ '\udc00': 1 }, 'data["\\udc00"] has a lone surrogate in its key, which UTF-8 cannot store.'],
    [JSON.parse('{"__proto__":1}'), 'data["__proto__"] is a key that JavaScript libraries alter silently. Rename it.'],
    [{ deep: [{ [Symbol('x')]: 1 }] }, 'data.deep[0] has a symbol as a key, which JSON would drop. Use a string key.'],
    [{ match: /b/.exec('abc') }, 'data.match is an array with named properties, which JSON would drop. Use an object.'],
    [{ 'a-b': { $c_1: { '': [NaN] } } }, 'data["a-b"].$c_1[""][0] is NaN, which JSON cannot hold. Use null or a string.'],
  ];
  test.each(rows)('%#', (value, message) => expect(problem(value)).toBe(message));

  test('long paths are cut in the middle', () => {
    const message = problem({ ['k'.repeat(5000)]: { end: NaN } });
    expect(message).toMatch(/^data\.kkk.*…k+\.end is NaN/);
    expect(message.length).toBeLessThan(300);
  });

  test('metadata has to be an object', () => {
    for (const value of [null, [], 'x', 5, undefined]) {
      expect(() => checkJsonObject(value, 'metadata', { least: 0, most: 0 })).toThrow(`metadata must be an object of JSON values, not ${describe(value)}.`);
    }
  });
});

group('cycles and depth', () => {
  test('a cycle is named as one', () => {
    const cycle: { list: unknown[] } = { list: [] };
    cycle.list.push({ back: cycle });
    expect(problem(cycle)).toMatch(/refers back to an object that contains it/);
  });

  test('the same object in two places is no cycle', () => {
    const shared = { n: 1 };
    expect(check({ a: shared, b: [shared, shared] })).toEqual({ a: { n: 1 }, b: [{ n: 1 }, { n: 1 }] });
  });

  test('512 levels are accepted, 513 are not', () => {
    const nested = (levels: number) => JSON.parse('[{"a":'.repeat(levels / 2) + '0' + '}]'.repeat(levels / 2)) as unknown;
    expect(check(nested(512))).toEqual(nested(512));
    expect(problem([nested(512)])).toMatch(/is nested deeper than 512 levels\.$/);
  });
});

group('copies', () => {
  test('are independent of the value at every level', () => {
    const value = { list: [{ n: 1 }], object: { deep: { n: 1 } } };
    const copy = check(value);
    value.list[0]!.n = 2;
    value.object.deep.n = 2;
    value.list.push({ n: 3 });
    expect(copy).toEqual({ list: [{ n: 1 }], object: { deep: { n: 1 } } });
  });

  test('leave out what is undefined, and keep the order of the rest', () => {
    const copy = check({ z: 1, gone: undefined, a: { gone: undefined }, b: [{ gone: undefined, n: 1 }] });
    expect(copy).toStrictEqual({ z: 1, a: {}, b: [{ n: 1 }] });
    expect(Object.keys(copy as object)).toEqual(['z', 'a', 'b']);
  });

  test('are ordinary objects, whatever realm the value is from', () => {
    const foreign = vm.runInNewContext('({ list: [{ n: 1 }], nothing: null })') as object;
    const bare = Object.assign(Object.create(null) as object, { a: { b: 1 } });
    for (const value of [foreign, bare]) {
      const copy = check(value);
      expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
      expect(JSON.stringify(copy)).toBe(JSON.stringify(value));
    }
    expect(problem(vm.runInNewContext('({ at: new Date(0) })'))).toMatch(/^data\.at is a Date/);
    expect(problem(vm.runInNewContext('new (class Money { cents = 1 })()'))).toMatch(/^data is a Money/);
  });

  test('hold what a getter or a proxy said when it was asked, once', () => {
    const asked: string[] = [];
    const liar = new Proxy({ a: 1, b: 2 } as Record<string, unknown>, {
      get(target, key) {
        if (typeof key !== 'string') return undefined;
        asked.push(key);
        return asked.filter((one) => one === key).length > 1 ? NaN : target[key];
      },
    });
    expect(check({ liar, list: [1] })).toEqual({ liar: { a: 1, b: 2 }, list: [1] });
    expect(asked).toEqual(['a', 'b']);
  });

  test('pass on what a getter throws', () => {
    const value = {
      get n(): number {
        throw new RangeError('from the getter');
      },
    };
    expect(() => check(value)).toThrow(RangeError);
  });

  test('are not touched by a polluted Object.prototype', () => {
    Object.defineProperty(Object.prototype, 'polluted', { value: { by: 'a library' }, enumerable: true, configurable: true });
    let copy: unknown;
    try {
      copy = check({ n: 1, list: [{}] });
    } finally {
      delete (Object.prototype as { polluted?: unknown }).polluted;
    }
    expect(copy).toStrictEqual({ n: 1, list: [{}] });
  });

  test('of random values equal what a JSON round trip gives, within the bounds of size', () => {
    fc.assert(
      fc.property(fc.oneof(jsonArb, fc.jsonValue()), (value) => {
        const size = { least: 0, most: 0 };
        let copy: unknown;
        try {
          copy = checkJson(value, 'data', size);
        } catch (error) {
          // fc.jsonValue makes -0 and such keys now and then.
          expect((error as Error).message).toMatch(/-0|__proto__/);
          return;
        }
        const text = JSON.stringify(value);
        expect(JSON.stringify(copy)).toBe(text);
        expect(JSON.parse(text)).toEqual(value);
        const bytes = Buffer.byteLength(text);
        expect(size.least).toBeLessThanOrEqual(bytes);
        expect(size.most).toBeGreaterThanOrEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test('of weird values are made only of what JSON would not alter', () => {
    const weird = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withNullPrototype: true, withSparseArray: true, withBoxedValues: true, withObjectString: true });
    fc.assert(
      fc.property(weird, (value) => {
        let copy: unknown;
        try {
          copy = check(value);
        } catch (error) {
          if (error instanceof InvalidInputError) return;
          throw error;
        }
        expect(JSON.stringify(copy)).toBe(JSON.stringify(value));
        expect(JSON.parse(JSON.stringify(copy))).toEqual(copy);
      }),
      { numRuns: 3000 },
    );
  });
});

group('describe', () => {
  const rows: [unknown, string][] = [
    [null, 'null'],
    [undefined, 'undefined'],
    [[], 'an array'],
    [{}, 'an object'],
    [Object.create(null), 'an object'],
    [{ constructor: { name: 5 } }, 'an object'],
    [new (class {})(), 'an object'],
    [new Error('x'), 'an Error'],
    ['a"b', 'the string "a\\"b"'],
    ['x'.repeat(61), 'a string of 61 characters'],
    [NaN, 'NaN'],
    [false, 'false'],
  ];
  test.each(rows)('%#', (value, text) => expect(describe(value)).toBe(text));
});
