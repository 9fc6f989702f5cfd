// Initializers: the contract for a weight of 500 inputs and 100 outputs, and their options.
import test from 'ava';
import {
  ArgumentError,
  Constant,
  gainOf,
  He,
  IdentityMatrix,
  type Initializer,
  LeCun,
  Linear,
  Normal,
  Orthogonal,
  Random,
  ShapeError,
  Sparse,
  setSeed,
  TruncatedNormal,
  Uniform,
  Xavier,
  Zeros,
} from '../../lib/index.js';
import { close, identical } from '../helpers/close.js';
import { moments } from '../helpers/seeded.js';
import { initializerContract } from '../contracts/initializer.js';

const third = Math.sqrt(3);
const cases = [
  { name: 'Normal by default', create: () => new Normal(), mean: 0, deviation: 0.01, bound: 'none' as const },
  { name: 'Normal around 2', create: () => new Normal({ mean: 2, std: 0.5 }), mean: 2, deviation: 0.5, bound: 'none' as const },
  { name: 'Uniform by default', create: () => new Uniform(), mean: 0, deviation: 0.05 / third, bound: 0.05 },
  { name: 'Uniform from 1 to 3', create: () => new Uniform({ low: 1, high: 3 }), mean: 2, deviation: 1 / third, bound: 1 },
  { name: 'Xavier', create: () => new Xavier(), mean: 0, deviation: Math.sqrt(2 / 600), bound: 'none' as const },
  { name: 'Xavier by inputs', create: () => new Xavier({ mode: 'fanIn' }), mean: 0, deviation: Math.sqrt(1 / 500), bound: 'none' as const },
  { name: 'Xavier by outputs', create: () => new Xavier({ mode: 'fanOut' }), mean: 0, deviation: Math.sqrt(1 / 100), bound: 'none' as const },
  {
    name: 'uniform Xavier',
    create: () => new Xavier({ distribution: 'uniform' }),
    mean: 0,
    deviation: Math.sqrt(2 / 600),
    bound: Math.sqrt(6 / 600),
  },
  {
    name: 'Xavier with the gain of tanh',
    create: () => new Xavier({ gain: 5 / 3 }),
    mean: 0,
    deviation: (5 / 3) * Math.sqrt(2 / 600),
    bound: 'none' as const,
  },
  { name: 'He', create: () => new He(), mean: 0, deviation: Math.sqrt(2 / 500), bound: 'none' as const },
  { name: 'He by outputs', create: () => new He({ mode: 'fanOut' }), mean: 0, deviation: Math.sqrt(2 / 100), bound: 'none' as const },
  { name: 'He by the average', create: () => new He({ mode: 'average' }), mean: 0, deviation: Math.sqrt(2 / 300), bound: 'none' as const },
  { name: 'uniform He', create: () => new He({ distribution: 'uniform' }), mean: 0, deviation: Math.sqrt(2 / 500), bound: Math.sqrt(6 / 500) },
  { name: 'LeCun', create: () => new LeCun(), mean: 0, deviation: Math.sqrt(1 / 500), bound: 'none' as const },
  {
    name: 'TruncatedNormal',
    create: () => new TruncatedNormal({ mean: 1, std: 0.5 }),
    mean: 1,
    deviation: 0.5 * 0.8796256610342398,
    bound: 1,
  },
  {
    name: 'truncated He, with the deviation of the others',
    create: () => new He({ distribution: 'truncated-normal' }),
    mean: 0,
    deviation: Math.sqrt(2 / 500),
    bound: (2 * Math.sqrt(2 / 500)) / 0.8796256610342398,
  },
  { name: 'Constant', create: () => new Constant(0.25), mean: 0.25, deviation: 0, bound: 0 },
  { name: 'Zeros', create: () => new Zeros(), mean: 0, deviation: 0, bound: 0 },
];

for (const { name, ...expectations } of cases) test(`${name} keeps the initializer contract`, (t) => initializerContract(t, expectations));

test('values of float64 parameters carry float64 digits', (t) => {
  setSeed(3);
  const layer = new Linear(50, 50, { init: new He() });
  layer.weight.convert('float64');
  const values: number[] = [...layer.weight.data];
  t.true(values.filter((value) => Math.fround(value) !== value).length > 2000);
});

test('options outside their range, and unknown ones, are refused by name', (t) => {
  const refused: [() => unknown, RegExp][] = [
    [() => new Normal({ std: -1 }), /std/],
    [() => new Normal({ mean: NaN }), /mean/],
    [() => new Normal({ sigma: 1 } as never), /sigma/],
    [() => new Uniform({ low: 1, high: 0 }), /high/],
    [() => new Uniform({ low: -Infinity }), /low/],
    [() => new Xavier({ mode: 'fan_in' as never }), /mode/],
    [() => new He({ distribution: 'truncated' as never }), /distribution/],
    [() => new He({ gain: NaN }), /gain/],
    [() => new Constant('1' as never), /value/],
    [() => new Orthogonal({ gain: Number.NaN }), /gain/],
    [() => new IdentityMatrix({ scale: 2 } as never), /unknown option `scale`/],
    [() => new Sparse({ sparsity: 1.5 }), /sparsity/],
    [() => new Sparse({ inputs: -1 }), /inputs/],
    [() => new Sparse({ inputs: 3, sparsity: 0.5 }), /give one of them/],
    [() => gainOf('maxout' as never), /activation/],
    [() => gainOf('relu', 0.2), /`slope` is for 'leakyRelu'/],
  ];
  for (const [make, says] of refused) t.throws(make, { instanceOf: ArgumentError, message: says });
});

const drawn = (init: Initializer, shape: readonly number[], dtype: 'float32' | 'float64' = 'float64') =>
  init.values(shape, dtype, new Random(9, 'test')).data as Float64Array;

for (const shape of [
  [20, 20],
  [50, 8],
  [8, 50],
  [3, 3, 4, 10],
]) {
  test(`an orthogonal parameter of shape [${shape.join(', ')}] has orthonormal vectors along its shorter side, times the gain`, (t) => {
    const columns = shape[shape.length - 1];
    const rows = shape.slice(0, -1).reduce((a, b) => a * b);
    const values = drawn(new Orthogonal({ gain: 1.5 }), shape);
    const isTall = rows >= columns;
    const at = (vector: number, k: number): number => (isTall ? values[k * columns + vector] : values[vector * columns + k]);
    for (let i = 0; i < Math.min(rows, columns); i++)
      for (let j = 0; j <= i; j++) {
        let dot = 0;
        for (let k = 0; k < Math.max(rows, columns); k++) dot += at(i, k) * at(j, k);
        t.true(Math.abs(dot - (i === j ? 2.25 : 0)) < 1e-13, `${i}, ${j}: ${dot}`);
      }
    identical(t, drawn(new Orthogonal({ gain: 1.5 }), shape), values, 'the same seed and name');
  });
}

test('orthogonal matrices are spread evenly: the trace of 2×2 ones has mean 0 and, as that of all sizes, variance 1', (t) => {
  // Without the sign rule the first component of each vector would have one sign, and the trace a mean.
  const random = new Random(5);
  const traces = Array.from({ length: 4000 }, () => {
    const { data } = new Orthogonal().values([2, 2], 'float64', random);
    return data[0] + data[3];
  });
  const { mean, deviation } = moments(traces);
  t.true(Math.abs(mean) < 4 / Math.sqrt(4000), `${mean}`);
  t.true(Math.abs(deviation ** 2 - 1) < 0.1, `${deviation ** 2}`);
});

test('the identity is a matrix of ones on the diagonal, or a kernel that hands its input on', (t) => {
  t.deepEqual([...drawn(new IdentityMatrix(), [2, 3])], [1, 0, 0, 0, 1, 0]);
  t.deepEqual([...drawn(new IdentityMatrix({ gain: 2 }), [3, 1, 2, 1])], [0, 0, 2, 0, 0, 0]);
  t.throws(() => drawn(new IdentityMatrix(), [3]), { instanceOf: ShapeError });
});

test('sparse weights leave each unit so many inputs, with the deviation that is asked for', (t) => {
  const of = (init: Sparse): number[] => {
    const values = drawn(init, [400, 50]);
    return Array.from({ length: 50 }, (_, unit) => values.filter((value, i) => i % 50 === unit && value !== 0).length);
  };
  t.deepEqual(new Set(of(new Sparse())), new Set([10]));
  t.deepEqual(new Set(of(new Sparse({ sparsity: 0.9 }))), new Set([40]));
  t.deepEqual(new Set(of(new Sparse({ inputs: 1000 }))), new Set([400]));
  const values = drawn(new Sparse({ inputs: 200, std: 0.5 }), [400, 50]).filter((value) => value !== 0);
  close(t, [moments(values).deviation], [0.5], { relative: 0.03 });
  t.throws(() => drawn(new Sparse(), [3]), { instanceOf: ShapeError });
});

test('bounds, deviations and gains are those of PyTorch for 500 inputs and 500 outputs', (t) => {
  const bound = (init: Initializer): number => drawn(init, [500, 500]).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  close(t, [bound(new Xavier({ distribution: 'uniform' })), bound(new He({ distribution: 'uniform' }))], [0.0774597, 0.1095445], {
    relative: 1e-4,
  });
  t.is(Number(new Xavier().standardDeviation([500, 500]).toFixed(7)), 0.0447214);
  t.is(Number(new He().standardDeviation([500, 500]).toFixed(7)), 0.0632456);
  t.is(new LeCun().standardDeviation([500, 100]), new Xavier({ mode: 'fanIn' }).standardDeviation([500, 100]));
  const gains = [
    gainOf('linear'),
    gainOf('sigmoid'),
    gainOf('tanh'),
    gainOf('relu'),
    gainOf('selu'),
    gainOf('leakyRelu'),
    gainOf('leakyRelu', 0.25),
  ];
  close(t, gains, [1, 1, 5 / 3, Math.SQRT2, 0.75, 1.4141429, 1.3719887], { relative: 1e-7 });
});
