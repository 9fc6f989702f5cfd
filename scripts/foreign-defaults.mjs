// Compares the columns of other frameworks in docs/defaults.json with the packages themselves, and prints where they no longer agree:
// `node scripts/foreign-defaults.mjs --python <program> --python <another> --tfjs <folder with node_modules>`. No part of continuous integration.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cellOf, frameworks } from './site-data.mjs';

const { python, tfjs } = parseArgs({ options: { python: { type: 'string', multiple: true, default: [] }, tfjs: { type: 'string' } } }).values;
const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const cells = JSON.parse(readFileSync(at('docs/defaults.json'), 'utf8')).flatMap((row) =>
  Object.keys(frameworks)
    .filter((key) => row[key] !== undefined)
    .map((key) => ({ text: row[key], row: row.default, ...cellOf(row[key]) })),
);
const answers = {};

const ofPython = cells.filter(({ path }) => path !== undefined && !path.startsWith('tf.')).map(({ text }) => text);
for (const program of python) {
  const { stdout, stderr, status } = spawnSync(program, [at('scripts/foreign-defaults.py')], {
    input: JSON.stringify(ofPython),
    encoding: 'utf8',
    env: { ...process.env, KERAS_BACKEND: 'torch' },
  });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
  Object.assign(answers, JSON.parse(stdout.trim().split('\n').at(-1)));
}

/** A function of tfjs as its compiled text has it: `function adam(learningRate, beta1) { if (beta1 === void 0) { beta1 = 0.9; }`. */
function ofText(text, option) {
  const parameters =
    text
      .match(/\(([^)]*)\)/)?.[1]
      .split(',')
      .map((name) => name.trim()) ?? [];
  if (!parameters.includes(option)) return { error: 'no such parameter' };
  const value = text.match(new RegExp(`if \\(${option} === void 0\\) \\{ ${option} = ([^;]+); \\}`))?.[1];
  return value === undefined || Number.isNaN(value) ? { required: true } : { value: JSON.parse(value.replace(/^\./, '0.')) };
}

/** A layer, an initializer, a penalty or a callback of tfjs, built with as little as it takes. */
function ofObject(make, option) {
  const { [option]: _, ...little } = { units: 2, filters: 1, kernelSize: 1, rate: 0.5 };
  const object = make(little);
  const value = (object.getConfig?.() ?? object)[option];
  return value === undefined || Number.isNaN(value) ? { required: true } : { value: value?.className ?? value };
}

if (tfjs !== undefined) {
  const require = createRequire(join(tfjs, 'index.js'));
  console.warn = () => {}; // it says that a native build would be faster
  const tf = require('@tensorflow/tfjs');
  await tf.setBackend('cpu');
  const core = readFileSync(require.resolve('@tensorflow/tfjs-core/dist/tf-core.node.js'), 'utf8');
  for (const { text, path, option } of cells.filter((cell) => cell.path?.startsWith('tf.'))) {
    const name = path.split('.').at(-1);
    const found = path
      .split('.')
      .slice(1)
      .reduce((from, part) => from?.[part], tf);
    if (typeof found !== 'function') answers[text] = { error: 'no such function' };
    else if (path.startsWith('tf.train.')) {
      answers[text] = ofText(found.toString(), option);
      if (answers[text].value === null) answers[text] = { value: found(0.1).getConfig()[option] }; // the epsilon of the backend
    } else if (/^tf\.(losses\.)?\w+$/.test(path)) {
      const begin = core.indexOf(`function ${name}_(`);
      answers[text] = ofText(core.slice(begin, core.indexOf('\n    }', begin)), option);
    } else answers[text] = ofObject(found, option);
  }
}

let drifted = 0;
for (const { text, row, path, option, value } of cells) {
  const answer = answers[text];
  if (path === undefined || answer === undefined) continue;
  const says = value === undefined ? 'required' : JSON.stringify(value);
  const is = answer.error ?? (answer.required ? 'required' : JSON.stringify(answer.value));
  if (says === is) continue;
  drifted += 1;
  console.log(`${row}: ${path}, ${option} is ${is}, the table says ${says}`);
}
const count = (isOne) => cells.filter(isOne).length;
console.log(
  `${cells.length} cells: ${count(({ text }) => answers[text] !== undefined)} read, ${drifted} of them otherwise; ` +
    `${count(({ path }) => path === undefined)} are words, which no package says; ` +
    `${count(({ text, path }) => path !== undefined && answers[text] === undefined)} of packages that were not given`,
);
process.exitCode = drifted === 0 ? 0 : 1;
