import fc from 'fast-check';
import { expect, test } from 'vitest';
import { declareCommands } from '../../src/cli/commands.js';
import { plainOptions, plainReading } from '../../src/cli/plain-reading.js';
import type { Command } from '../../src/cli/program.js';
import { Terminal } from '../../src/cli/terminal.js';

/*
 * Goal: `opossum read` does the same whether its line is understood at once or by commander.
 * Method: the options that commander knows are the ones that are understood; random lines that are understood mean the same to commander.
 */

const terminal = new Terminal();

function readCommand(): { program: Command; read: Command } {
  const program = declareCommands(terminal, () => undefined);
  const read = program.commands.find((command) => command.name() === 'read')!;
  program.configureOutput({ outputError: () => undefined });
  read.configureOutput({ outputError: () => undefined, writeOut: () => undefined, writeErr: () => undefined });
  return { program, read };
}

/** What commander makes of the line; undefined when it refuses it. */
async function asCommander(args: readonly string[]): Promise<object | undefined> {
  const { program, read } = readCommand();
  let options: object | undefined;
  read.action((given: object) => void (options = given));
  await program.parseAsync(args, { from: 'user' }).catch(() => undefined);
  return options;
}

test('knows the options of the command', () => {
  expect([...plainOptions].sort()).toEqual(readCommand().read.options.map(({ long }) => long).sort());
});

test('means what commander means by every line that it understands', async () => {
  const value = fc.oneof(fc.constantFrom('a', '0', '1', '7', '007', '1e3', '9007199254740992', '-1', '--json', '', 'course:1', 'data'), fc.string({ maxLength: 4 }));
  const word = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...plainOptions) }, fc.constantFrom('--help', '-h', '--', '--dir=data', '--limit=3', '--json=1', '--no-json', '-V', 'read', 'help'));
  const part = fc.oneof({ weight: 6, arbitrary: fc.tuple(fc.constantFrom(...plainOptions), value) }, { weight: 2, arbitrary: fc.tuple(word) }, { weight: 1, arbitrary: fc.tuple(value) });
  let understood = 0;
  const before = process.env['OPOSSUM_DIR'];
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), fc.constantFrom(undefined, '', 'folder'), fc.boolean(), async (parts, directory, hasDirectory) => {
        if (directory === undefined) delete process.env['OPOSSUM_DIR'];
        else process.env['OPOSSUM_DIR'] = directory;
        const args = ['read', ...(hasDirectory ? ['--dir', 'data'] : []), ...parts.flat()];
        const plain = plainReading(args, process.env);
        if (!plain) return;
        understood++;
        expect(plain).toEqual(await asCommander(args));
      }),
      { numRuns: 1000 },
    );
  } finally {
    if (before === undefined) delete process.env['OPOSSUM_DIR'];
    else process.env['OPOSSUM_DIR'] = before;
  }
  expect(understood).toBeGreaterThan(100);
});

test('leaves to commander what is wrong, unusual or a wish for help', () => {
  for (const args of [['tail'], ['read'], ['read', '--dir'], ['read', '--dir', 'd', '--help'], ['read', '--dir', 'd', 'more'], ['read', '--dir', 'd', '--limit', '0'], ['read', '--dir=d'], []]) {
    expect(plainReading(args, {}), args.join(' ')).toBeUndefined();
  }
  expect(plainReading(['read', '--limit', '1'], { OPOSSUM_DIR: 'd' })).toEqual({ dir: 'd', context: 'default', limit: 1 });
});
