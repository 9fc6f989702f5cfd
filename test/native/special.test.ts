// The table of special values: what each operation makes of NaN, infinities, zeros, denormals and the largest numbers, in every lane.
import test from 'ava';
import type { TypedArray } from '../../lib/dtype.js';
import { arrayTypes, type DType } from '../../lib/dtype.js';
import {
  Accuracy,
  addRelu,
  binaryCrossEntropy,
  concat,
  crossEntropy,
  exp,
  histogram,
  localResponseNorm,
  log,
  logSoftmax,
  mseLoss,
  relu,
  sigmoid,
  softmax,
  sqrt,
  stack,
  Tensor,
  tanh,
  where,
} from '../../lib/index.js';
import { ruleSamples } from '../helpers/optimizers.js';
import { binding } from '../../lib/native.js';
import { limits, specials } from '../helpers/special.js';
import { ulp32 } from '../helpers/ulp.js';
import { bits, type Float, runInto } from './samples.js';

const dtypes: readonly Float[] = ['float32', 'float64'];
const positions = Array.from({ length: 17 }, (_, i) => i);
// 17 elements end in a tail of one; 40 have two full vectors and a tail of eight.
const lengths = [17, 40];
const filler = 0.5;

const round = { float32: Math.fround, float64: (value: number) => value };
const floats = (dtype: Float, values: readonly number[]): Float32Array => arrayTypes[dtype].from(values) as Float32Array;

function evaluate(op: string, output: DType, inputs: TypedArray[], ints: number[], reals: number[]): TypedArray {
  const y = new arrayTypes[output](inputs[0].length + 32).subarray(0, inputs[0].length);
  runInto({ op, form: '', outputs: [], inputs, ints, reals }, [y], inputs);
  return y;
}

// ---- the table: results in float64, rounded to the dtype ----

// These are exact or correctly rounded; `close` ones may be 1 ULP away where the result is an ordinary number.
interface Row {
  readonly op: string;
  readonly truth: (...x: number[]) => number;
  readonly inputs: 1 | 2;
  readonly broadcasts?: boolean;
  readonly output?: DType;
  readonly reals?: readonly number[];
  readonly close?: boolean;
}

const nanWins =
  (choose: (...x: number[]) => number) =>
  (a: number, b: number): number =>
    choose(a, b);

// IEEE 754 pow but for NaN to the power 0, which is 1: whole powers are products.
function power(a: number, b: number): number {
  if (Math.abs(b) === Infinity && Math.abs(a) === 1) return 1;
  return a ** b;
}

const table: readonly Row[] = [
  { op: 'neg', inputs: 1, truth: (x) => -x },
  { op: 'abs', inputs: 1, truth: Math.abs },
  { op: 'sign', inputs: 1, truth: Math.sign },
  { op: 'sqrt', inputs: 1, truth: Math.sqrt },
  { op: 'relu', inputs: 1, truth: (x) => (x > 0 || Number.isNaN(x) ? x : 0) },
  { op: 'clip', inputs: 1, reals: [-1, 2], truth: (x) => Math.min(2, Math.max(-1, x)) },
  { op: 'exp', inputs: 1, close: true, truth: Math.exp },
  { op: 'log', inputs: 1, close: true, truth: Math.log },
  { op: 'sigmoid', inputs: 1, close: true, truth: (x) => 1 / (1 + Math.exp(-x)) },
  { op: 'tanh', inputs: 1, close: true, truth: Math.tanh },
  // upstream gradient, then the output (relu, sigmoid, tanh) or the input (clip) of the forward pass: a NaN of either stays
  { op: 'relu_backward', inputs: 2, truth: (dy, y) => (y > 0 ? dy : Number.isNaN(y) ? NaN : 0) },
  { op: 'clip_backward', inputs: 2, reals: [-1, 2], truth: (dy, x) => (x >= -1 && x <= 2 ? dy : Number.isNaN(x) ? NaN : 0) },
  { op: 'add', inputs: 2, broadcasts: true, truth: (a, b) => a + b },
  { op: 'sub', inputs: 2, broadcasts: true, truth: (a, b) => a - b },
  { op: 'mul', inputs: 2, broadcasts: true, truth: (a, b) => a * b },
  { op: 'div', inputs: 2, broadcasts: true, truth: (a, b) => a / b },
  { op: 'minimum', inputs: 2, broadcasts: true, truth: nanWins(Math.min) },
  { op: 'maximum', inputs: 2, broadcasts: true, truth: nanWins(Math.max) },
  { op: 'add + relu', inputs: 2, broadcasts: true, truth: (a, b) => (a + b > 0 || Number.isNaN(a + b) ? a + b : 0) },
  { op: 'pow', inputs: 2, broadcasts: true, close: true, truth: power },
  { op: 'equal', inputs: 2, broadcasts: true, output: 'uint8', truth: (a, b) => Number(a === b) },
  { op: 'not_equal', inputs: 2, broadcasts: true, output: 'uint8', truth: (a, b) => Number(a !== b) },
  { op: 'less', inputs: 2, broadcasts: true, output: 'uint8', truth: (a, b) => Number(a < b) },
  { op: 'less_equal', inputs: 2, broadcasts: true, output: 'uint8', truth: (a, b) => Number(a <= b) },
];

function agrees(found: number, wanted: number, dtype: Float, close: boolean, zeroSigned: boolean): boolean {
  if (Object.is(found, wanted)) return true;
  if (found === 0 && wanted === 0) return !zeroSigned;
  if (!close) return false;
  if (dtype === 'float32') return ulp32(found, wanted) <= 1;
  return Math.abs(found - wanted) <= 4 * Number.EPSILON * Math.abs(wanted) + 4 * Number.MIN_VALUE;
}

for (const row of table) {
  test(`${row.op} gives its documented result for every special value in every lane`, (t) => {
    for (const dtype of dtypes) {
      const values = specials(dtype);
      const { max, minNormal } = limits[dtype];
      const partners = row.inputs === 1 ? [filler] : [filler, -2, NaN, Infinity, -Infinity, 0, -0, max, minNormal];
      for (const special of values) {
        for (const partner of partners) {
          for (const length of lengths) {
            for (const position of positions) {
              const x = new Array<number>(length).fill(filler);
              const y = new Array<number>(length).fill(filler);
              x[position] = special.value;
              y[position] = partner;
              const inputs = row.inputs === 1 ? [floats(dtype, x)] : [floats(dtype, x), floats(dtype, y)];
              const output = row.output ?? dtype;
              const found = evaluate(row.op, output, inputs, row.broadcasts ? [1, length, 1, 1] : [], [...(row.reals ?? [])]);
              for (let i = 0; i < length; i++) {
                const exact = row.truth(inputs[0][i], inputs[1]?.[i]);
                const wanted = output === 'uint8' ? exact : row.close ? exact : round[dtype](exact);
                // min, max and ReLU of zeros of both signs give either zero.
                const zeroSigned = !['minimum', 'maximum', 'clip', 'relu'].includes(row.op);
                const target = row.close && (dtype === 'float64' || !Number.isFinite(wanted) || wanted === 0) ? round[dtype](wanted) : wanted;
                if (!agrees(found[i], target, dtype, row.close === true, zeroSigned)) {
                  return t.fail(
                    `${row.op}(${bits(inputs[0][i])}${row.inputs === 2 ? `, ${bits(inputs[1][i])}` : ''}) in lane ${i} of ${length} is ${bits(found[i])}, not ${bits(wanted)} (${dtype}, ${special.name} at ${position})`,
                  );
                }
              }
            }
          }
        }
      }
    }
    t.pass();
  });
}

test('pow keeps the sign of odd whole exponents however large, and has none between them', (t) => {
  for (const dtype of dtypes) {
    const cases: [number, number, number][] = [
      [-1, 1048577, -1],
      [-1, 1048578, 1],
      [-1, -1048577, -1],
      [-2, 1048577, -Infinity],
      [-0, 1048577, -0],
      [-0, -1048577, -Infinity],
      [0, -1048577, Infinity],
      [-Infinity, 1048577, -Infinity],
      [-Infinity, -1048577, -0],
      [-1, 16777215, -1],
      [-1, 2 ** 40, 1],
      [-0, 0.5, 0],
      [-0, -0.5, Infinity],
      [-Infinity, 0.5, Infinity],
      [-Infinity, -0.5, 0],
      [-Infinity, 1.5, Infinity],
      [-1, 1.5, NaN],
      [-1, 0.5, NaN],
      [NaN, 0, 1],
      [1, NaN, NaN],
    ];
    for (const [a, b, wanted] of cases) {
      const [found] = evaluate('pow', dtype, [floats(dtype, [a]), floats(dtype, [b])], [1, 1, 1, 1], []);
      t.true(Object.is(found, wanted), `${bits(a)} to the power ${b} is ${bits(found)}, not ${bits(wanted)} (${dtype})`);
    }
  }
});

test('operations that move elements move special values bit for bit', (t) => {
  for (const dtype of dtypes) {
    const values = specials(dtype).map(({ value }) => value);
    const x = Tensor.from(floats(dtype, values)) as Tensor;
    const same = (y: Tensor): boolean => y.data.every((value, i) => Object.is(value, values[i]));
    t.true(same(x.clone()));
    t.true(same(x.reshape([1, -1]).transpose().reshape([-1])));
    t.true(same(x.gather(values.map((_, i) => i))));
    t.true(same(concat([x.slice(0, 5), x.slice(5)])));
    t.true(same(stack([x, x]).slice(1).reshape([-1])));
    t.true(
      same(
        x
          .reshape([values.length, 1])
          .pad([
            [0, 0],
            [1, 1],
          ])
          .slice([0, 1], [values.length, 2])
          .reshape([-1]),
      ),
    );
    t.true(same(where(x.notEqual(x), x, x)));
  }
});

test('casts saturate and truncate', (t) => {
  for (const dtype of dtypes) {
    const x = Tensor.from(floats(dtype, [Infinity, -Infinity, 1e30, -1e30, -0.9, 0.9, 255.9, 256, -1, 2 ** -149])) as Tensor;
    t.deepEqual([...x.to('int32').data], [2147483647, -2147483648, 2147483647, -2147483648, 0, 0, 255, 256, -1, 0]);
    t.deepEqual([...x.to('uint8').data], [255, 0, 255, 0, 0, 0, 255, 255, 0, 0]);
  }
  const wide = Tensor.from(Float64Array.of(1e300, -1e300, 2 ** -150, 2 ** -149, NaN));
  t.deepEqual([...wide.to('float32').data], [Infinity, -Infinity, 0, 2 ** -149, NaN]);
});

// ---- NaN is never swallowed ----

type Real = Tensor<'float32'>;
const vectorOps: [string, (x: Real) => Real][] = [
  ['relu', relu],
  ['addRelu', (x) => addRelu(x, x)],
  ['sigmoid', sigmoid],
  ['tanh', tanh],
  ['exp', exp],
  ['log', log],
  ['sqrt', sqrt],
  ['abs', (x) => x.abs()],
  ['sign', (x) => x.sign()],
  ['neg', (x) => x.neg()],
  ['clip', (x) => x.clip(0, 1)],
  ['maximum with a number', (x) => x.maximum(1)],
  ['minimum with a number', (x) => x.minimum(1)],
  ['maximum, NaN on the right', (x) => (x.mul(0).add(1) as Real).clip(1, 1).maximum(x)],
  ['minimum, NaN on the right', (x) => (x.mul(0).add(1) as Real).clip(1, 1).minimum(x)],
  ['max', (x) => x.max()],
  ['min', (x) => x.min()],
  ['sum', (x) => x.sum()],
  ['mean', (x) => x.mean()],
  ['var', (x) => x.var()],
  ['std', (x) => x.std()],
  ['max over columns', (x) => x.reshape([-1, 2]).max(0)],
  ['sum over columns', (x) => x.reshape([-1, 2]).sum(0)],
  ['softmax', (x) => softmax(x)],
  ['logSoftmax', (x) => logSoftmax(x)],
  ['softmax over columns', (x) => softmax(x.reshape([-1, 2]), 0)],
  ['crossEntropy', (x) => crossEntropy(x.reshape([1, -1]), Tensor.from(Int32Array.of(0)))],
  ['crossEntropy with smoothing', (x) => crossEntropy(x.reshape([1, -1]), Tensor.from(Int32Array.of(1)), { labelSmoothing: 0.1 })],
  [
    'crossEntropy of probabilities',
    (x) => crossEntropy(x.reshape([1, -1]), Tensor.from(floats(x.dtype, new Array(x.size).fill(1 / x.size)), [1, x.size]) as Real),
  ],
  ['binaryCrossEntropy', (x) => binaryCrossEntropy(x, x.mul(0), { reduction: 'none' })],
  ['localResponseNorm', (x) => localResponseNorm(x.reshape([1, -1]), 3)],
  ['mseLoss', (x) => mseLoss(x, x.neg())],
  ['pow', (x) => x.pow(2)],
];

for (const [name, op] of vectorOps) {
  test(`a NaN in any place comes out of ${name}`, (t) => {
    for (const dtype of dtypes) {
      for (const length of [2, 18, 66, 134]) {
        for (let at = 0; at < length; at++) {
          const numbers = Array.from({ length }, (_, i) => ((i * 37) % 11) / 4 - 1);
          numbers[at] = NaN;
          const result = op(Tensor.from(floats(dtype, numbers)) as Real);
          if (!result.data.some(Number.isNaN)) return t.fail(`${name} loses a NaN at ${at} of ${length} (${dtype})`);
        }
      }
    }
    t.pass();
  });

  test(`a NaN in any place comes back through the gradient of ${name}`, (t) => {
    if (name === 'sign') return t.pass('sign has no gradient');
    for (const at of [0, 3, 17, 65]) {
      const numbers = Array.from({ length: 66 }, (_, i) => 0.25 + ((i * 37) % 11) / 4);
      numbers[at] = NaN;
      const x = Tensor.from(Float32Array.from(numbers));
      x.requiresGrad = true;
      op(x).sum().backward();
      if (!(x.grad as Tensor).data.some(Number.isNaN) && !passesConstants.has(name)) {
        return t.fail(`the gradient of ${name} loses a NaN at ${at}`);
      }
    }
    t.pass();
  });
}
// Slopes that do not depend on the value: the loss is NaN, its gradient is not.
const passesConstants = new Set([
  'neg',
  'sum',
  'mean',
  'max',
  'min',
  'max over columns',
  'sum over columns',
  'maximum with a number',
  'minimum with a number',
]);

test('argmax and argmin point at the first NaN wherever it stands', (t) => {
  for (const dtype of dtypes) {
    for (const length of [1, 16, 17, 65, 130]) {
      for (let at = 0; at < length; at++) {
        const numbers = Array.from({ length }, (_, i) => (i * 37) % 11);
        numbers[at] = NaN;
        if (at + 3 < length) numbers[at + 3] = NaN;
        const x = Tensor.from(floats(dtype, numbers)) as Real;
        t.is(x.argmax().item(), at);
        t.is(x.argmin().item(), at);
        t.is(x.reshape([length, 1]).argmax(0).item(), at);
      }
    }
  }
});

test('matrix products hide no NaN behind a zero, and infinity times zero is NaN, whichever library multiplies', (t) => {
  for (const gemm of ['own', 'openblas'] as const) {
    binding.setGemm(gemm);
    for (const dtype of dtypes) {
      for (const [m, k, n] of [
        [1, 1, 1],
        [3, 17, 5],
        [9, 33, 70],
      ]) {
        for (const bad of [NaN, Infinity]) {
          for (const [transposeA, transposeB] of [
            [false, false],
            [true, false],
            [false, true],
            [true, true],
          ]) {
            const a = new Array<number>(m * k).fill(1);
            const [i, j] = [m - 1, k >> 1];
            a[transposeA ? j * m + i : i * k + j] = bad;
            const left = Tensor.from(floats(dtype, a), transposeA ? [k, m] : [m, k]) as Real;
            const right = Tensor.from(floats(dtype, new Array<number>(k * n).fill(0)), transposeB ? [n, k] : [k, n]) as Real;
            const c = left.matmul(right, { transposeA, transposeB });
            for (let row = 0; row < m; row++) {
              for (let column = 0; column < n; column++) {
                const wanted = row === i ? NaN : 0;
                if (!Object.is(c.data[row * n + column], wanted)) {
                  binding.setGemm('auto');
                  return t.fail(`${gemm} ${dtype} ${m}×${k}×${n}: element ${row}, ${column} is ${c.data[row * n + column]}, not ${wanted}`);
                }
              }
            }
          }
        }
      }
    }
  }
  binding.setGemm('auto');
  t.pass();
});

// ---- rows that have no ordinary answer ----

test('softmax and crossEntropy of rows with infinities give what is documented', (t) => {
  for (const dtype of dtypes) {
    const row = (values: number[]): Real => Tensor.from(floats(dtype, values), [1, values.length]) as Real;
    const label = Tensor.from(Int32Array.of(0));
    // −∞ is a class that cannot be: probability 0.
    t.deepEqual([...softmax(row([0, -Infinity, 0])).data], [0.5, 0, 0.5]);
    t.is(logSoftmax(row([0, -Infinity])).data[1], -Infinity);
    t.is(crossEntropy(row([-Infinity, 0]), label).item(), Infinity);
    t.is(crossEntropy(row([0, -Infinity]), label).item(), 0);
    // Nothing but −∞, or a +∞: no distribution.
    for (const values of [
      [-Infinity, -Infinity],
      [Infinity, 0],
      [Infinity, -Infinity],
    ]) {
      t.true([...softmax(row(values)).data].every(Number.isNaN), `softmax of ${values}`);
      t.true(Number.isNaN(crossEntropy(row(values), label).item()), `crossEntropy of ${values}`);
    }
    // The largest finite logits are ordinary.
    const { max } = limits[dtype];
    t.deepEqual([...softmax(row([max, max])).data], [0.5, 0.5]);
    t.deepEqual([...softmax(row([max, -max])).data], [1, 0]);
    // A class without a target takes no part even where it is impossible.
    const target = Tensor.from(floats(dtype, [1, 0]), [1, 2]) as Real;
    t.is(crossEntropy(row([0, -Infinity]), target).item(), 0);
  }
});

test('the histogram counts finite elements inside its range and nothing else', (t) => {
  const x = Tensor.from(Float32Array.of(NaN, Infinity, -Infinity, 0, -0, 1, 0.5, 2, -1, 1e-45));
  t.deepEqual([...histogram(x, { bins: 2, range: [0, 1] }).data], [3, 2]);
  t.throws(() => histogram(x), { message: /range/ });
  // Ranges so narrow that bins per unit overflow.
  for (const high of [Number.MIN_VALUE, 1e-310, 1e-300]) {
    const narrow = Tensor.from(Float64Array.of(0, high / 4, high, 2 * high, -high));
    const counts = [...histogram(narrow, { bins: 30, range: [0, high] }).data];
    t.is(
      counts.reduce((sum, count) => sum + count, 0),
      3,
      `range [0, ${high}]`,
    );
    t.is(counts[29], 1);
  }
});

test('accuracy takes a NaN score for a wrong answer', (t) => {
  const accuracy = new Accuracy();
  accuracy.update(Tensor.from(Float32Array.of(NaN, 1, 0, 1), [2, 2]), Tensor.from(Int32Array.of(1, 1)));
  t.is(accuracy.result(), 0.5);
});

test('optimizers hand a NaN gradient on to the weight, and no further', (t) => {
  for (const dtype of dtypes) {
    for (let at = 0; at < 40; at++) {
      const g = floats(dtype, new Array<number>(40).fill(0.5));
      g[at] = NaN;
      const fresh = (value: number): TypedArray => floats(dtype, new Array<number>(40).fill(value));
      for (const [op, samples] of Object.entries(ruleSamples)) {
        for (const { hyper, state } of samples) {
          const targets = [fresh(1), ...state.map((low) => (low === null ? fresh(0).subarray(0, 0) : fresh(0.25)))];
          runInto({ op, form: '', outputs: [], inputs: [], ints: [0], reals: [] }, targets, [g, Float64Array.from(hyper)]);
          t.deepEqual(
            Array.from(targets[0], Number.isNaN),
            Array.from({ length: 40 }, (_, i) => i === at),
            `${op} ${dtype}`,
          );
        }
      }
    }
  }
});
