/* commander enters here: how every command is declared, and the options that commands share. */
import fs from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';

export type { Command } from 'commander';
export type { StoreLocation } from './stores.js';
export { CommanderError };

/** `writeOut` gets what is for standard output: help, and the version. */
export function newProgram(writeOut: (text: string) => void): Command {
  const program = new Command('opossum');
  program
    .description('An event store that is a folder: append, read, import, check.')
    .version(version(), '-V, --version', 'print the version of opossum-store')
    .exitOverride()
    .showHelpAfterError('(add --help for the options)')
    .configureOutput({
      writeOut,
      outputError: (text, write) => write(text.replace(/^error: /, 'opossum: ').replace(/required option '--dir <dir>' not specified/, '--dir is missing: give it, or set OPOSSUM_DIR')),
    })
    .helpCommand(true);
  return program;
}

/** As the package says: its file lies two folders above, in `src/cli` as in `dist/cli`. */
function version(): string {
  return (JSON.parse(fs.readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;
}

/** Adds `--dir`. */
export function withDirectory(command: Command): Command {
  return command.addOption(new Option('--dir <dir>', 'folder that holds the contexts').env('OPOSSUM_DIR').makeOptionMandatory());
}

/** Adds `--dir` and `--context`. */
export function withStore(command: Command): Command {
  return withDirectory(command).option('--context <name>', 'name of the store within it', 'default');
}

/** Adds what only commands that write take. */
export function withWriting(command: Command): Command {
  return command
    .addOption(new Option('--event-files <format>', 'one file per event, chosen when the store is made (default: "json")').choices(['json', 'msgpack', 'none']))
    .option('--lock-timeout <ms>', 'how long to wait for another process, in milliseconds (default: 15000)', wholeNumber(0));
}

/** Adds `--query`, `--type` and `--tag`. */
export function withQuery(command: Command): Command {
  return command
    .option('--type <type>', 'events of this type; repeat for any of several', collect)
    .option('--tag <tag>', 'events with this tag; repeat for all of several', collect)
    .option('--query <json>', `a whole query, such as '{"items":[{"types":["A"],"tags":["t:1"]},{"tags":["t:2"]}]}', or all`);
}

export function withJson(command: Command, help = 'one JSON object a line'): Command {
  return command.option('--json', help);
}

export function choice(flags: string, help: string, choices: readonly string[]): Option {
  return new Option(flags, help).choices(choices);
}

export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** Parses a whole number from `least` on. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to 2^53 - 1.`);
    }
    return value;
  };
}
