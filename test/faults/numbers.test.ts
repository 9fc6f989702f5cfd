// Numbers that meet tensors of another type, and gradients at corners and ties: each rule a table, beside plain JavaScript.
import test from 'ava';
import {
  type AnyTensor,
  ArgumentError,
  Buffer,
  compileStep,
  type DType,
  DTypeError,
  elu,
  exp,
  full,
  hardTanh,
  leakyRelu,
  log,
  maxPool2d,
  relu,
  relu6,
  sqrt,
  step,
  tensor,
  Tensor,
  where,
} from '../../lib/index.js';

const dtypes = ['float32', 'float64', 'int32', 'uint8'] as const;
const isInteger = (dtype: DType): boolean => dtype === 'int32' || dtype === 'uint8';
const arrays = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array };
const of = (dtype: (typeof dtypes)[number], values: readonly number[]): AnyTensor => Tensor.from(arrays[dtype].from(values) as Float32Array);

const elements: Record<(typeof dtypes)[number], readonly number[]> = {
  float32: [-Infinity, -2.5, -1, -0, 0, Math.fround(1e-45), 1, 1.5, 2, 16777216, 3.4028234663852886e38, Infinity, Number.NaN],
  float64: [-Infinity, -2.5, -1, -0, 0, 5e-324, 1, 1.5, 2, 2 ** 53, 1e308, Infinity, Number.NaN],
  int32: [-(2 ** 31), -2, -1, 0, 1, 2, 255, 2 ** 31 - 1],
  uint8: [0, 1, 2, 254, 255],
};
const numbers = [
  ...[-Infinity, -1e308, -(2 ** 31) - 1, -(2 ** 31), -(2 ** 31) + 0.5, -1.5, -1, -0.5, -5e-324, -0, 0, 5e-324, 1e-45, 0.1, 0.5, 1, 1.5, 2],
  ...[254.5, 255, 255.5, 256, 16777217, 2 ** 31 - 1, 2 ** 31 - 0.5, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, Infinity, Number.NaN],
];

const comparisons: Record<string, (a: number, b: number) => boolean> = {
  equal: (a, b) => a === b,
  notEqual: (a, b) => a !== b,
  less: (a, b) => a < b,
  lessEqual: (a, b) => a <= b,
  greater: (a, b) => a > b,
  greaterEqual: (a, b) => a >= b,
};

test('a comparison with a number answers as the two numbers compare, whatever the type of the tensor (fault F08)', (t) => {
  for (const dtype of dtypes) {
    const x = of(dtype, elements[dtype]);
    for (const [name, compare] of Object.entries(comparisons)) {
      const method = name as 'less';
      for (const number of numbers) {
        // A float32 tensor takes the number in its own type, as PyTorch and JAX do: tensor([0.1]).equal(0.1) holds.
        const taken = dtype === 'float32' ? Math.fround(number) : number;
        const expected = elements[dtype].map((value) => (compare(value, taken) ? 1 : 0));
        t.deepEqual([...x[method](number).data], expected, `${dtype} ${name} ${number}`);
      }
    }
  }
  t.deepEqual(tensor([0.1]).equal(0.1).toArray(), [1]);
});

test('a compiled step compares integers with fractions as the eager one does (fault F08)', (t) => {
  const body = (x: Tensor<'int32'>) => [x.less(1.5), x.equal(1.5), x.greaterEqual(2 ** 31), x.notEqual(Number.NaN)];
  const step = compileStep(body as never) as unknown as { sync(x: Tensor<'int32'>): Tensor<'uint8'>[]; dispose(): void };
  const x = of('int32', elements.int32) as Tensor<'int32'>;
  t.deepEqual(
    step.sync(x).map(({ data }) => [...data]),
    body(x).map(({ data }) => [...data]),
  );
  step.dispose();
});

const arithmetic: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  minimum: (a, b) => Math.min(a, b),
  maximum: (a, b) => Math.max(a, b),
};

test('arithmetic with a number is that of the float type; integer tensors refuse it, and say how to convert (fault F08)', (t) => {
  for (const dtype of dtypes) {
    const x = of(dtype, elements[dtype]);
    const round = dtype === 'float32' ? Math.fround : (value: number) => value;
    for (const [name, compute] of Object.entries(arithmetic)) {
      for (const number of numbers) {
        const call = (): AnyTensor => (x as Tensor)[name as 'add'](number);
        if (isInteger(dtype)) {
          t.throws(call, { instanceOf: DTypeError, message: new RegExp(`^\\[${name}\\] .*\\.to\\('float32'\\)`) });
          continue;
        }
        // Both operands have the type; the result is rounded to it once.
        const expected = elements[dtype].map((value) => round(compute(value, round(number))));
        const zeros = /imum/.test(name); // of two zeros either may be taken
        t.deepEqual([...call().data].map((v) => (zeros && v === 0 ? 0 : v)), expected.map((v) => (zeros && v === 0 ? 0 : v)), `${dtype} ${name} ${number}`); // biome-ignore format: one table line
      }
    }
    if (!isInteger(dtype)) continue;
    for (const call of [
      () => (x as Tensor).pow(0.5),
      () => (x as Tensor).clip(0.5, 1.5),
      () => (x as Tensor).neg(),
      () => (x as Tensor).abs(),
      () => (x as Tensor).sum(),
      () => exp(x as Tensor),
    ]) {
      t.throws(call, { instanceOf: DTypeError, message: /\.to\('float32'\)/ });
    }
  }
});

test('a number that an integer type does not hold never enters a tensor of it in silence (fault F08)', (t) => {
  for (const dtype of ['int32', 'uint8'] as const) {
    const [low, high] = dtype === 'int32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, 255];
    for (const number of numbers) {
      const fits = Number.isInteger(number) && number >= low && number <= high;
      const x = of(dtype, [1, 2]);
      const calls: Record<string, () => AnyTensor> = {
        full: () => full([2], number, { dtype }),
        tensor: () => tensor([0, number], { dtype }),
        'a typed array': () => tensor(Float64Array.of(0, number), { dtype }),
        buffer: () => new Buffer([2], { value: number, dtype }),
        pad: () => x.pad([[0, 1]], number),
      };
      for (const [name, call] of Object.entries(calls)) {
        if (fits) t.is(call().data.at(-1), number === 0 ? 0 : number, `${name} ${number}`);
        else t.throws(call, { instanceOf: ArgumentError, message: /expected|received/ }, `${name} ${dtype} ${number}`);
      }
    }
  }
  t.throws(() => tensor([[0, 1], [2, 1.5]], { dtype: 'int32' }), { message: /`values\[1\]\[1\]`, received 1\.5/ }); // biome-ignore format: a matrix
  t.throws(() => tensor(Float32Array.of(0, 256), { dtype: 'uint8' }), { message: /`values\[1\]`, received 256/ });
  t.throws(() => where(of('uint8', [1]) as Tensor<'uint8'>, of('int32', [1]), 1.5 as never), { instanceOf: ArgumentError });
});

// ---- corners ----

type Corner = readonly [f: (...x: Tensor[]) => Tensor, inputs: readonly (readonly number[])[], gradients: readonly (readonly number[])[]];
const nan = Number.NaN;
const inf = Infinity;

/** The rules of docs/guides/gradients.md, a line each: a function, its inputs, and the gradient of its sum by each of them. */
const corners: Record<string, Corner> = {
  'x^0 is constant': [(x) => x.pow(0), [[0, -0, 1, -2, inf]], [[0, 0, 0, 0, 0]]],
  'x^1 at 0': [(x) => x.pow(1), [[0, -0]], [[1, 1]]],
  'x^2 at 0': [(x) => x.pow(2), [[0, -3]], [[0, -6]]],
  'a root at 0 is infinitely steep': [(x) => x.pow(0.5), [[0, 4]], [[inf, 0.25]]],
  'a pole at 0': [(x) => x.pow(-1), [[0, 2]], [[-inf, -0.25]]],
  'a negative base': [(x) => x.pow(3), [[-2]], [[12]]],
  'a negative base with a broken exponent': [(x) => x.pow(0.5), [[-1]], [[nan]]],
  'base and exponent': [
    (x, e) => x.pow(e),
    [
      [0, 0, 0, 0, -2, 2],
      [0, 2, -1, 0.5, 2, 0],
    ],
    [
      [0, 0, -inf, inf, -4, 0],
      [0, 0, -inf, 0, nan, Math.LN2],
    ],
  ],
  'std of equal elements': [(x) => x.std(), [[1, 1, 1]], [[0, 0, 0]]],
  'std of equal elements, of the population': [(x) => x.std(undefined, { correction: 0 }), [[1, 1, 1]], [[0, 0, 0]]],
  'std of one element has no degree of freedom': [(x) => x.std(), [[1]], [[nan]]],
  'std of one element, of the population': [(x) => x.std(undefined, { correction: 0 }), [[1]], [[0]]],
  'var of equal elements': [(x) => x.var(), [[1, 1, 1]], [[0, 0, 0]]],
  'var of one element': [(x) => x.var(), [[1]], [[nan]]],
  'sqrt at 0 and below': [(x) => sqrt(x), [[0, -0, -1]], [[inf, -inf, nan]]],
  'a norm by hand at 0': [(x) => sqrt(x.mul(x).sum()), [[0, 0]], [[nan, nan]]],
  'abs at 0 and NaN': [(x) => x.abs(), [[0, -0, -2, nan]], [[0, 0, -1, nan]]],
  'clip at its bounds': [(x) => x.clip(-1, 1), [[-1, 1, 0, 2, -2, nan]], [[1, 1, 1, 0, 0, nan]]],
  'clip to one number': [(x) => x.clip(1, 1), [[1, 0]], [[1, 0]]],
  'maximum at ties and NaN': [
    (a, b) => a.maximum(b),
    [
      [1, nan, 1, 0, 2],
      [1, 1, nan, -0, 1],
    ],
    [
      [0.5, 0, 0, 0.5, 1],
      [0.5, 0, 0, 0.5, 0],
    ],
  ],
  'minimum at ties and NaN': [
    (a, b) => a.minimum(b),
    [
      [1, nan, 1, 0, 2],
      [1, 1, nan, -0, 1],
    ],
    [
      [0.5, 0, 0, 0.5, 0],
      [0.5, 0, 0, 0.5, 1],
    ],
  ],
  'max of ties: the first': [(x) => x.max(), [[1, 1, 0]], [[1, 0, 0]]],
  'max of NaN: the first NaN': [(x) => x.max(), [[1, nan, nan]], [[0, 1, 0]]],
  'min of ties: the first': [(x) => x.min(), [[2, 1, 1]], [[0, 1, 0]]],
  'max pooling of ties: the first': [(x) => maxPool2d(x.reshape([1, 2, 2, 1]), 2), [[1, 1, 0, 1]], [[1, 0, 0, 0]]],
  'relu at 0 and NaN': [(x) => relu(x), [[0, -0, 1, nan]], [[0, 0, 1, nan]]],
  'relu6 at its bounds': [(x) => relu6(x), [[0, 6, 3]], [[0, 0, 1]]],
  'hardTanh at its bounds': [(x) => hardTanh(x), [[-1, 1, 0]], [[0, 0, 1]]],
  'leakyRelu at 0': [(x) => leakyRelu(x), [[0]], [[0.01]]],
  'elu at 0': [(x) => elu(x, { alpha: 0.5 }), [[0]], [[0.5]]],
  'step at 0': [(x) => step(x), [[0, -1]], [[0, 0]]],
  'a leaky ReLU by where at 0': [(x) => where(x.less(0), x.mul(0.01), x), [[0]], [[1]]],
  'log at 0 and below': [(x) => log(x), [[0, -1]], [[inf, -1]]],
  'x / 0': [
    (a, b) => a.div(b),
    [
      [1, 0],
      [0, 0],
    ],
    [
      [inf, inf],
      [-inf, nan],
    ],
  ],
  'where does not shield a branch': [(x) => where(x.greater(0), sqrt(x), x.mul(0)), [[0, 4]], [[nan, 0.25]]],
};

const gradientsOf = (f: Corner[0], inputs: Corner[1], dtype: 'float32' | 'float64', compiled: boolean): number[][] => {
  const leaves = inputs.map((values) => of(dtype, values) as Tensor);
  if (!compiled) {
    for (const leaf of leaves) leaf.requiresGrad = true;
    f(...leaves).sum().backward(); // biome-ignore format: one chain
    return leaves.map(({ grad }) => [...(grad?.data ?? [])]);
  }
  // Arguments of a step are leaves of its tape once they are copied.
  const step = compileStep((...arguments_: Tensor[]) => {
    const copies = arguments_.map((argument) => argument.detach().clone());
    for (const copy of copies) copy.requiresGrad = true;
    f(...copies).sum().backward(); // biome-ignore format: one chain
    return copies.map(({ grad }) => grad as Tensor);
  });
  const found = (step.sync(...(leaves as [])) as Tensor[]).map(({ data }) => [...data]);
  step.dispose();
  return found;
};

for (const dtype of ['float32', 'float64'] as const) {
  for (const compiled of [false, true]) {
    test(`gradients at corners and ties follow the table of the guide, ${dtype}, ${compiled ? 'compiled' : 'eager'} (fault F14)`, (t) => {
      for (const [name, [f, inputs, gradients]] of Object.entries(corners)) {
        const expected = gradients.map((row) => row.map((value) => (dtype === 'float32' ? Math.fround(value) : value)));
        // 0 and −0 are the same slope.
        const found = gradientsOf(f, inputs, dtype, compiled).map((row) => row.map((value) => value + 0));
        t.deepEqual(found, expected.map((row) => row.map((value) => value + 0)), name); // biome-ignore format: one line
      }
      const tiny = dtype === 'float32' ? 1e-40 : 1e-310; // 1/x overflows
      t.deepEqual(
        gradientsOf((x) => x.pow(0), [[tiny]], dtype, compiled),
        [[0]],
      );
    });
  }
}

test('a constant feature that is standardized has the gradient 0, and the others theirs (fault F14)', (t) => {
  const x = Tensor.from(Float64Array.of(1, 2, 1, 4, 1, 9), [3, 2]);
  x.requiresGrad = true;
  const y = x.sub(x.mean(0, { keepDims: true })).div(x.std(0, { keepDims: true }).add(1e-5));
  y.mul(Tensor.from(Float64Array.of(1, 1, 2, 2, 4, 4), [3, 2]))
    .sum()
    .backward();
  t.true([...(x.grad?.data ?? [nan])].every(Number.isFinite));
});

test('a correction as large as the count leaves no degree of freedom: the divisor is 0, never negative (fault F14)', (t) => {
  t.is(tensor([1, 2]).var(undefined, { correction: 2 }).item(), inf);
  t.is(tensor([1, 2]).var(undefined, { correction: 3 }).item(), inf);
  t.is(tensor([1, 2]).std(undefined, { correction: 3 }).item(), inf);
  t.is(tensor([1, 1]).var(undefined, { correction: 3 }).item(), nan);
});
