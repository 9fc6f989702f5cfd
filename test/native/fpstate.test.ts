// The process's floating-point state: the same after every call as before it, and without effect on results. And what the binary holds.
import { execFileSync } from 'node:child_process';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { backward } from '../../lib/ops/backward.js';
import * as nodegrad from '../../lib/index.js';
import { binaryPath, binding, nativeOps, run } from '../../lib/native.js';
import { beside, result } from './child.js';
import { bytesOf, runInto, runSample, sampled, samplesOf } from './samples.js';

const fpState = (binding as unknown as { fpState(control?: number): [control: number, x87: number] }).fpState;
const x86 = process.arch === 'x64' || process.arch === 'ia32';
const known = x86 || process.arch === 'arm64';
// MXCSR or FPCR. Untouched: round to nearest, denormals kept, exceptions masked, no flags. Flushing: denormals are zero, those that come in and those that
// go out. Disturbances: flush denormals to zero, take them for zero, round towards infinity, default NaNs; and the processor's default.
const { untouched, flags, flushing, disturbances } = x86
  ? {
      untouched: 0x1f80,
      flags: 0x3f,
      flushing: 0x9fc0,
      disturbances: [0x8000, 0x40, 0x4000, 0x8000 | 0x40 | 0x2000, 0].map((bits) => 0x1f80 | bits),
    }
  : { untouched: 0, flags: 0, flushing: 1 << 24, disturbances: [1 << 24, 1 << 25, 1 << 22, (1 << 24) | (1 << 25) | (1 << 23), 0] };
const x87Control = x86 ? 0x37f : 0;

function withState<R>(control: number, body: () => R): R {
  fpState(control);
  try {
    return body();
  } finally {
    fpState(untouched);
  }
}

test('the probe sees and sets the state', (t) => {
  if (!known) return t.pass('no state of this processor is known');
  const [control, x87] = fpState();
  t.is(control & ~flags, untouched, 'rounding and denormals are as Node.js has them');
  t.is(x87, x87Control, 'the x87 unit computes in extended precision, exceptions masked');
  t.is(
    withState(flushing, () => fpState()[0] & ~flags),
    flushing,
  );
  t.is(fpState()[0] & ~flags, untouched);
});

test('every operation leaves the floating-point state as it was, whatever it was, and computes the same bits in each', (t) => {
  const faults: string[] = [];
  for (const op of sampled) {
    for (const dtype of ['float32', 'float64'] as const) {
      for (const n of [1, 37, 40000]) {
        for (const sample of samplesOf(op, n, dtype)) {
          const wanted = runSample(sample);
          for (const control of disturbances) {
            const [found, after] = withState(control, () => [runSample(sample), fpState()]);
            // The sticky flags may come from V8's own arithmetic between the calls.
            if (known && ((after[0] & ~flags) !== control || after[1] !== x87Control))
              faults.push(`${op} leaves ${after[0].toString(16)} behind`);
            if (found.some((array, i) => Buffer.compare(bytesOf(array), bytesOf(wanted[i])) !== 0)) {
              faults.push(`${op} ${dtype} of ${n}, ${sample.form}: other bits under ${control.toString(16)}`);
            }
          }
        }
      }
    }
  }
  t.deepEqual(faults.slice(0, 5), []);
});

test('denormals are kept, with the host in flush-to-zero mode too, on every thread', (t) => {
  for (const [n, threads] of [
    [40, 1],
    [1 << 20, 1],
    [1 << 20, 4],
  ]) {
    nodegrad.setNumThreads(threads);
    const denormals = new Float32Array(n).fill(2 ** -140);
    for (const control of [untouched, flushing]) {
      const sum = new Float32Array(n);
      withState(control, () =>
        runInto({ op: 'add', form: '', outputs: [], inputs: [], ints: [1, n, 1, 1], reals: [] }, [sum], [denormals, denormals]),
      );
      t.true(sum.every((value) => value === 2 ** -139));
    }
  }
  t.is(Number.MIN_VALUE / 2, 0);
  t.is(Number.MIN_VALUE + Number.MIN_VALUE, 2 * Number.MIN_VALUE);
  t.not(Number.MIN_VALUE, 0);
});

test('with setFlushDenormals, denormals are zero on every thread and in compiled steps, and the state is the same after a call', (t) => {
  if (!known) return t.pass('no state of this processor is known');
  const { compileStep, info, setFlushDenormals, setNumThreads, tensor } = nodegrad;
  const twice = compileStep((x: nodegrad.Tensor) => x.mul(2));
  const sumOf = (n: number): Float32Array => {
    const [sum, denormals] = [new Float32Array(n), new Float32Array(n).fill(2 ** -140)];
    runInto({ op: 'add', form: '', outputs: [], inputs: [], ints: [1, n, 1, 1], reals: [] }, [sum], [denormals, denormals]);
    return sum;
  };
  try {
    setFlushDenormals();
    t.true(info().flushesDenormals);
    for (const threads of [1, 4]) {
      setNumThreads(threads);
      t.true(
        sumOf(1 << 20).every((value) => value === 0),
        `${threads} threads: denormals that come in`,
      );
    }
    t.is(tensor([1e-30]).mul(1e-10).item(), 0, 'a product that is a denormal');
    t.is(twice.sync(tensor([2 ** -140])).item(), 0);
    t.is(fpState()[0] & ~flags, untouched);
  } finally {
    setFlushDenormals(false);
  }
  t.true(sumOf(40).every((value) => value === 2 ** -139));
  t.is(twice.sync(tensor([2 ** -140])).item(), 2 ** -139);
  t.false(info().flushesDenormals);
});

test('setFlushDenormals takes true and false alone', (t) => {
  for (const value of [1, 'off', null]) t.throws(() => nodegrad.setFlushDenormals(value as never), { message: /true or false for `on`/ });
});

test('a refused call leaves the floating-point state as it was', (t) => {
  if (!known) return t.pass('no state of this processor is known');
  for (const [index, op] of nativeOps.entries()) {
    for (const control of disturbances) {
      const wrong: (() => void)[] = [
        () => run(index, [], [], []),
        () => run(index, [new Float32Array(3), new Float64Array(2)], [], []),
        () => run(index, [new Float32Array(3), new Float32Array(2), new Int32Array(5)], new Array(Math.max(0, op.ints)).fill(-1), []),
      ];
      for (const call of wrong) {
        const state = withState(control, () => {
          try {
            call();
          } catch {
            // As it should. `fill` alone takes its output as it comes.
          }
          return fpState();
        });
        t.is(state[0] & ~flags, control, op.name);
        t.is(state[1], x87Control, op.name);
      }
    }
  }
});

test('the public API, training, and its errors leave the floating-point state as it was', (t) => {
  if (!known) return t.pass('no state of this processor is known');
  const { Adam, crossEntropy, info, Linear, Sequential, ReLU, Tensor, tensor, zeros } = nodegrad;
  const model = new Sequential([new Linear(8, 16), new ReLU(), new Linear(16, 3)]);
  const optimizer = new Adam(model);
  const calls: (() => unknown)[] = [
    () => {
      crossEntropy(model.forward(zeros([5, 8])), Tensor.from(new Int32Array(5))).backward();
      optimizer.step();
      optimizer.zeroGrad();
    },
    () => model.forward(zeros([5, 9])),
    () => tensor([[1, 2]]).matmul(tensor([[1, 2]])),
    () => tensor([1]).backward(),
    () => backward(tensor([1])),
    () => info(),
    () => nodegrad.setNumThreads(3),
    () => nodegrad.setNumThreads(0),
    () => model.summary({ inputShape: [8] }),
  ];
  for (const call of calls) {
    try {
      call();
    } catch (error) {
      t.true(error instanceof nodegrad.NodegradError);
    }
    t.is(fpState()[0] & ~flags, untouched);
    t.is(fpState()[1], x87Control);
  }
});

test('loading the addon in a worker thread, computing there and failing there leaves its floating-point state as it was', async (t) => {
  if (!known) return t.pass('no state of this processor is known');
  const states = await new Promise<number[]>((resolve, reject) => {
    const worker = new Worker(new URL('fpstate.worker.js', import.meta.url));
    worker.on('message', resolve);
    worker.on('error', reject);
  });
  t.deepEqual(states, [untouched, x87Control, untouched, x87Control, untouched, x87Control, 2 * Number.MIN_VALUE]);
});

test('a fresh process computes with denormals after loading the addon and OpenBLAS', async (t) => {
  const { tiny, openblas, kept } = await result<{ tiny: number; openblas: boolean; kept: number }>(
    beside(import.meta.url, 'fpstate.child.js'),
    {
      env: { NODEGRAD_GEMM: 'openblas', NODEGRAD_NUM_THREADS: '4' },
    },
  );
  t.is(tiny, Number.MIN_VALUE);
  t.is(kept, 1, 'threads that start while the host flushes denormals keep them');
  t.log(openblas ? 'with OpenBLAS' : 'without OpenBLAS');
});

// ---- the binary ----

function tool(t: { log(text: string): void }, command: string, args: string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    t.log(`skipped: ${command} cannot be run here`);
    return undefined;
  }
}

test('the binary asks libm for no transcendental function: their last bits differ from system to system', (t) => {
  const symbols = tool(t, 'nm', ['-D', '-u', binaryPath]);
  if (symbols === undefined) return t.pass();
  t.regex(symbols, /napi_/, 'the list is one of undefined symbols');
  const transcendental =
    /\b(v?exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sincos|a?sinh|a?cosh|a?tanh|asin|acos|atan2?|erfc?|[tl]gamma|cbrt|hypot|_ZGV\w+)[fl]?(_finite)?(@|$)/m;
  t.is(transcendental.exec(symbols.replaceAll(/^\s*[UuwWvV] /gm, ''))?.[0], undefined);
});

test('the units compiled for AVX share no code with others: they define no weak symbol that the linker could hand to every CPU', (t) => {
  const symbols = tool(t, 'nm', ['-C', binaryPath]);
  if (symbols === undefined) return t.pass();
  const lines = symbols.split('\n');
  if (lines.length < 20) {
    t.log('skipped: the binary has no symbol table');
    return t.pass();
  }
  t.true(
    lines.some((line) => /avx512::|neon::/.test(line)),
    'the kernels are in the list',
  );
  t.deepEqual(
    lines.filter((line) => /^[0-9a-f]+ [WVu] /.test(line) && /avx2|avx512|neon::|scalar::/.test(line)),
    [],
  );
  // Only the tables are visible between translation units.
  const global = lines.filter((line) => /^[0-9a-f]+ [TDBR] /.test(line) && /avx2::|avx512::|neon::|scalar::/.test(line));
  t.deepEqual(
    global.filter((line) => !/(table|kernels)/i.test(line)),
    [],
  );
});

test('no approximate reciprocal is in the binary, and wide registers only in the kernels that were chosen for them', (t) => {
  if (process.arch !== 'x64') return t.pass('not an x86-64 processor');
  const code = tool(t, 'objdump', ['-d', '-C', '--no-show-raw-insn', binaryPath]);
  if (code === undefined) return t.pass();
  const approximate: string[] = [];
  const strayed = new Map<string, string>();
  let inside = '';
  for (const line of code.split('\n')) {
    const head = /^[0-9a-f]+ <(.*)>:$/.exec(line);
    if (head) inside = head[1];
    else if (/\bv?r(cp|sqrt)(14|28)?[ps][sd]\b/.test(line)) approximate.push(`${inside}: ${line.trim()}`);
    else if (/%[yz]mm/.test(line) && !/avx2|avx512|calibrat|Avx/i.test(inside)) strayed.set(inside, line.trim());
    else if (/%zmm/.test(line) && /avx2::/.test(inside)) strayed.set(inside, line.trim());
  }
  t.true(code.length > 1e6);
  t.deepEqual(approximate, []);
  // A release build has no names but those that it shows, so that nobody can say where an instruction stands.
  if (/^[0-9a-f]+ <.*avx2.*>:$/m.test(code)) t.deepEqual([...strayed].slice(0, 5), []);
});

test('nothing in the binary runs at exit or switches the process to flush-to-zero when it is loaded', (t) => {
  const symbols = tool(t, 'nm', ['-C', binaryPath]);
  if (symbols === undefined) return t.pass();
  t.notRegex(symbols, /set_fast_math/);
});
