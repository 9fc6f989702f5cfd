// The programs of examples/ run and print what they should: examples/expected has it, from short runs.
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import ts from 'typescript';
import { datasets, writeIdx } from '../lib/index.js';
import { compileExamples } from './helpers/examples.js';
import { outputDifference } from './helpers/expected-output.js';
import { root } from './helpers/sources.js';

/** What each program is given for a short run; where it is run twice, the second one finds what the first has left. */
const short: Record<string, readonly (readonly string[])[]> = {
  cifar: [['2', '600']],
  custom: [[]],
  denoise: [['500', '2']],
  digits: [['1200', '2']],
  finetune: [['-', '1']],
  forecast: [['1']],
  fruit: [[], ['length=18']],
  houses: [['20'], ['area=95', 'rooms=4', 'built=1970', 'district=harbour']],
  images: [[], ['shapes', 'shapes/square/9.jpg']],
  mnist: [['1']],
  report: [['1']],
  rows: [['300', '2']],
  server: [['', '600', '1']],
  sums: [['60']],
  sweep: [['8']],
  text: [['40']],
  transformer: [['60']],
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

/** Digits in the place of MNIST, and nowhere CIFAR-10. */
const data = mkdtempSync(join(tmpdir(), 'nodegrad-data-'));
test.before(async () => {
  mkdirSync(join(data, 'mnist'));
  const digits = await datasets.digits({ train: 2000, test: 400, raw: true });
  for (const [name, { inputs, targets, length }] of Object.entries({ train: digits.train, t10k: digits.test })) {
    writeFileSync(join(data, 'mnist', `${name}-images-idx3-ubyte`), writeIdx(inputs.data, [length, 28, 28]));
    writeFileSync(join(data, 'mnist', `${name}-labels-idx1-ubyte`), writeIdx(targets.to('uint8').data, [length]));
  }
});
test.after.always(() => rmSync(data, { recursive: true }));

/** What a program prints in an empty folder of its own, once or several times. */
async function run(name: string, times: readonly (readonly string[])[]): Promise<string> {
  const cwd = mkdtempSync(join(tmpdir(), 'nodegrad-example-'));
  const env = { ...process.env, ...(!isLong && { NODEGRAD_DATA: data, NODEGRAD_CACHE: join(data, 'cache') }) };
  try {
    const path = prepare(name);
    let printed = '';
    for (const given of times)
      printed += (await promisify(execFile)(process.execPath, ['--import', preload, path, ...given], { cwd, env, timeout: 600_000 })).stdout;
    return printed;
  } finally {
    rmSync(cwd, { recursive: true });
  }
}

/** With NODEGRAD_LONG the programs run whole, as a user would run them; of the one that takes an hour two epochs. */
const isLong = process.env['NODEGRAD_LONG'] === '1';
const whole: typeof short = { cifar: [['2']] };
for (const [name, times] of Object.entries(short)) {
  const expected = join('examples/expected', isLong ? 'full' : '', `${name}.txt`);
  test.serial(`examples/${name}.ts prints what ${expected} says`, async (t) => {
    const received = await run(name, isLong ? (whole[name] ?? [[]]) : times);
    t.is(outputDifference(readFileSync(join(root, expected), 'utf8'), received), null, received);
  });
}

const programs = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.ts'));

test('every program has an expected output', (t) => {
  t.deepEqual(
    programs.map((name) => name.slice(0, -3)).filter((name) => !(name in short)),
    ['first-weights', 'relu-and-tanh'], // a picture, and a measurement of hours
  );
});

test('programs have no syntax that is more than types: Node takes types off and changes nothing', (t) => {
  const sources = programs.map((name) => ({ path: `examples/${name}`, line: 1, code: readFileSync(join(root, 'examples', name), 'utf8') }));
  t.deepEqual(compileExamples(sources, { erasableSyntaxOnly: true, verbatimModuleSyntax: true }), []);
});

test('the table of examples/README.md has a row for every program, with a line that the program prints', (t) => {
  const rows = [...readFileSync(join(root, 'examples/README.md'), 'utf8').matchAll(/^\| \[([\w-]+)\.ts\].* \| (.*) \|$/gm)];
  t.deepEqual(rows.map(([, name]) => name).sort(), [...Object.keys(short), 'first-weights', 'relu-and-tanh'].sort());
  for (const [, name, line] of rows.filter(([, one]) => one in short)) {
    const lines = readFileSync(join(root, 'examples/expected/full', `${name}.txt`), 'utf8').split('\n');
    t.true(
      lines.some((expected) => outputDifference(expected, line) === null),
      `${name}: ${line}`,
    );
  }
});
