import { expect, test } from 'vitest';
import { checkName, isName } from '../../src/core/names.js';

test.each(['default', 'a', '0', 'a.b', 'a-b_c.d', 'x'.repeat(64), 'con1', 'console', 'nul-1', 'com', 'com10', 'a.con', 'lpt'])('%s is a name', (name) => {
  expect(isName(name)).toBe(true);
  expect(checkName(name, 'context')).toBe(name);
});

const bad = ['', '.', '..', 'A', 'é', 'a b', 'a/b', 'a\\b', '../a', '/a', 'a\0', 'a\n', '-a', '_a', '.a', 'a.', 'a..', 'x'.repeat(65), 'con', 'con.txt', 'prn', 'aux', 'nul', 'nul.a.b', 'com0', 'com1', 'com1.x', 'lpt9', null, undefined, 5, ['a'], { toString: () => 'a' }];

test.each(bad)('%j is no name', (name) => {
  expect(isName(name)).toBe(false);
  expect(() => checkName(name, 'context')).toThrow(/^context is .*; a name has 1 to 64 characters/);
});
