// npm run test:onnx: what we export gives the same numbers in onnxruntime, what others exported gives the same numbers here, and onnx's checker
// accepts our files. onnxruntime-node is some 290 MB, so it is no dependency: it is installed once, without its scripts, in a folder of the cache.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const version = '1.30.0';
const root = fileURLToPath(new URL('..', import.meta.url));
const cache = process.env.NODEGRAD_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'nodegrad');
const folder = join(cache, `onnxruntime-node-${version}`);
/** Of the largest number: what float32 sums in another order differ by. */
const tolerance = 1e-5;

function install() {
  if (existsSync(join(folder, 'node_modules/onnxruntime-node/package.json'))) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: { 'onnxruntime-node': version } }));
  const { status, stdout, stderr } = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`onnxruntime-node ${version} cannot be installed in ${folder}:\n${stdout}${stderr}`);
}

install();
const ort = createRequire(join(folder, 'package.json'))('onnxruntime-node');
const from = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
const { Tensor, decodeOnnx, encodeOnnx, mlp, softmax, tableFromRows, tablePreprocessing } = await from('lib/index.js');
const { freeCases, onnxCases } = await from('test/helpers/onnx-cases.js');

const failures = [];
let passed = 0;
const say = (name, problem) => {
  if (problem === null) passed++;
  else failures.push(`${name}: ${problem}`);
};

/** Axes of images in the order of PyTorch, and back. */
const moved = (tensor, order) => (tensor.shape.length === 4 ? tensor.transpose(order) : tensor);

/** A tensor of onnxruntime: whole numbers have 64 bits in files, unless they are asked to have 32. */
function theirs({ dtype, data, shape }) {
  return dtype === 'int32' ? new ort.Tensor('int64', BigInt64Array.from(data, BigInt), [...shape]) : new ort.Tensor(dtype, data, [...shape]);
}

/** Runs a file, and gives its outputs as arrays. */
async function run(bytes, inputs) {
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 3 });
  const feeds = Object.fromEntries(Object.entries(inputs).map(([name, tensor]) => [name, theirs(tensor)]));
  const outputs = await session.run(feeds);
  await session.release();
  return outputs;
}

/** How two tensors differ, or null. */
function difference({ dims, data }, wanted) {
  if (JSON.stringify(dims) !== JSON.stringify([...wanted.shape])) return `shape [${dims}], and here [${wanted.shape}]`;
  let [worst, largest] = [0, 1];
  for (let i = 0; i < data.length; i++) {
    largest = Math.max(largest, Math.abs(wanted.data[i]));
    worst = Math.max(worst, Math.abs(Number(data[i]) - wanted.data[i]));
  }
  return worst <= tolerance * largest ? null : `differs by ${worst}, the largest number is ${largest}`;
}

const written = [];
for (const { name, make, input, options = {} } of onnxCases()) await check(name, make, options, [input]);
// One file for several lengths, or sizes of images.
for (const { name, make, inputs, options } of freeCases()) await check(name, make, options, inputs);
await checkTable();
const exported = passed;
await readOthers();
console.log(`${exported} outputs of exported models equal in onnxruntime ${version}`);

checkWithOnnx();
for (const failure of failures) console.log(`✘ ${failure}`);
console.log(`${passed} passed, ${failures.length} failed`);
process.exitCode = failures.length > 0 ? 1 : 0;

/** Exports a model, and compares what it gives for each of several inputs. */
async function check(name, make, options, inputs) {
  const model = make();
  try {
    const bytes = await encodeOnnx(model, options);
    if (bytes.length < 2 ** 20) written.push([name, bytes]);
    for (const input of inputs) {
      const isFirst = options.layout === 'NCHW';
      const given = input instanceof Tensor ? { input: isFirst ? moved(input, [0, 3, 1, 2]) : input } : input;
      const outputs = await run(bytes, given);
      let own = model.forward(input);
      if (options.softmax) own = softmax(own);
      const wanted = own instanceof Tensor ? { output: isFirst ? moved(own, [0, 3, 1, 2]) : own } : own;
      for (const [key, tensor] of Object.entries(wanted)) say(`${name} ${key} [${tensor.shape}]`, difference(outputs[key], tensor));
    }
  } catch (error) {
    say(name, error.message);
  }
}

/** Rows of a table with gaps, as they are: the file scales and encodes them. */
async function checkTable() {
  const sides = ['north', 'south', 'east', null];
  const rows = Array.from({ length: 40 }, (_, i) => ({ size: i % 7 === 0 ? null : 30 + i, side: sides[i % 4], built: 1990 + i, price: i * i }));
  const data = tableFromRows(rows).dataset({ target: 'price' });
  const preprocessing = tablePreprocessing(data.features).fit(data);
  const model = mlp({ inputShape: preprocessing.outputShape, hidden: [8], classes: 1 });
  model.preprocessing = preprocessing;
  const { output } = await run(await encodeOnnx(model), { input: data.inputs });
  say('a model of a table', difference(output, await model.predict(data)));
}

/** Files of PyTorch, here and in onnxruntime. */
async function readOthers() {
  const golden = join(root, 'test/golden');
  const { rows } = JSON.parse(readFileSync(join(golden, 'onnx.json'), 'utf8'));
  for (const { file, input, shape } of rows) {
    const bytes = readFileSync(join(golden, 'onnx', file));
    const isWords = /^(lstm|gru|rnn)/.test(file);
    const x = Tensor.from(isWords ? Int32Array.from(input) : Float32Array.from(input), shape);
    try {
      const { output } = await run(bytes, { input: x });
      say(file, difference(output, (await decodeOnnx(bytes)).forward(x)));
    } catch (error) {
      say(file, error.message);
    }
  }
}

/** onnx's own checker, strict about types and shapes, where Python has it. */
function checkWithOnnx() {
  const python = process.env.NODEGRAD_PYTHON ?? 'python3';
  if (spawnSync(python, ['-c', 'import onnx']).status !== 0) {
    console.log(`${python} has no onnx: its checker is left out`);
    return;
  }
  const place = mkdtempSync(join(tmpdir(), 'nodegrad-onnx-'));
  try {
    for (const [i, [, bytes]] of written.entries()) writeFileSync(join(place, `${i}.onnx`), bytes);
    const program =
      'import sys, onnx\nfor i in range(int(sys.argv[2])):\n  onnx.checker.check_model(f"{sys.argv[1]}/{i}.onnx", full_check=True)\n  print(i)';
    const { status, stdout, stderr } = spawnSync(python, ['-c', program, place, String(written.length)], { encoding: 'utf8' });
    const reached = stdout.trim().split('\n').length;
    say(`onnx's checker`, status === 0 ? null : `${written[reached]?.[0]}: ${stderr.trim().split('\n').slice(-3).join(' ')}`);
    if (status === 0) console.log(`onnx's checker accepts ${written.length} of them`);
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}
