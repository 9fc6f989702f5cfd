// The programs of examples/ run and print what they should: examples/expected has it, from short runs.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import ts from 'typescript';
import { outputDifference } from './helpers/expected-output.js';
import { root } from './helpers/sources.js';

/** What each program is given for a short run. */
const short: Record<string, readonly string[]> = {
  digits: ['1200', '2'],
  forecast: ['1'],
  rows: ['300', '2'],
  sums: ['60'],
  text: ['40'],
};

const folder = join(root, 'dist', 'runs');
mkdirSync(folder, { recursive: true });

/** Sums in one order on every machine: what is printed then depends on the program alone. */
const preload = join(folder, 'reproducible.mjs');
writeFileSync(preload, "import { setReproducible } from 'nodegrad';\nsetReproducible(true);\n");

/** Node 20 reads no TypeScript: types are taken off here, and the program runs from inside the package, whose name it imports. */
function prepare(name: string): string {
  const { outputText } = ts.transpileModule(readFileSync(join(root, 'examples', `${name}.ts`), 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, verbatimModuleSyntax: true },
  });
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, outputText);
  return path;
}

/** What a program prints in an empty folder of its own. */
async function run(name: string, given: readonly string[]): Promise<string> {
  const cwd = mkdtempSync(join(tmpdir(), 'nodegrad-example-'));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', preload, prepare(name), ...given], { cwd, timeout: 200_000 });
    return stdout;
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

/** With NODEGRAD_LONG the programs run whole, as a user would run them. */
const isLong = process.env['NODEGRAD_LONG'] === '1';
for (const [name, given] of Object.entries(short)) {
  const expected = join('examples/expected', isLong ? 'full' : '', `${name}.txt`);
  test.serial(`examples/${name}.ts prints what ${expected} says`, async (t) => {
    const received = await run(name, isLong ? [] : given);
    t.is(outputDifference(readFileSync(join(root, expected), 'utf8'), received), null, received);
  });
}
