// Initializers: the contract for a weight of 500 inputs and 100 outputs, and their options.
import test from 'ava';
import { ArgumentError, Constant, He, Linear, Normal, setSeed, Uniform, Xavier, Zeros } from '../../lib/index.js';
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
  ];
  for (const [make, says] of refused) t.throws(make, { instanceOf: ArgumentError, message: says });
});
