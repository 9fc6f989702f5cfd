// The programs of examples/ run: each with a few steps, and its last lines say what it made.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import ts from 'typescript';
import { root } from './helpers/sources.js';

// Node 20 reads no TypeScript: types are taken off here, and the program runs from inside the package, whose name it imports.
async function run(name: string, ...given: string[]): Promise<string> {
  const folder = join(root, 'dist', 'runs');
  mkdirSync(folder, { recursive: true });
  const { outputText } = ts.transpileModule(readFileSync(join(root, 'examples', `${name}.ts`), 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  const path = join(folder, `${name}.mjs`);
  writeFileSync(path, outputText);
  const { stdout } = await promisify(execFile)(process.execPath, [path, ...given], { timeout: 120_000 });
  return stdout;
}

test('the letter-by-letter writer learns in forty steps, and writes three hundred letters', async (t) => {
  const lines = await run('text', '40');
  const losses = [...lines.matchAll(/loss ([\d.]+)/g)].map(([, loss]) => Number(loss));
  t.true(losses[losses.length - 1] < losses[0] - 0.5, lines);
  t.is(lines.slice(lines.indexOf('\n\n') + 2).trimEnd().length > 250, true, lines);
});

test('the reader of digits, row by row, runs through', async (t) => {
  t.regex(await run('rows', '60', '1'), /[\d.]+ % of new digits are read right/);
});

test('the forecaster runs through', async (t) => {
  const lines = await run('forecast', '1');
  t.regex(lines, /one step ahead it is [\d.]+ off/);
  t.is([...lines.matchAll(/^hour/gm)].length, 8);
});
