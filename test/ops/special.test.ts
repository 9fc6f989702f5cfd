// Elementwise ops at the numbers where kernels go wrong, in every lane position: nothing is flushed, clamped or lost.
import test from 'ava';
import { exp, log, relu, sigmoid, sqrt, type Tensor, tanh, where } from '../../lib/index.js';
import { f32, f64 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { specials } from '../helpers/special.js';

type Real = Tensor<'float32'>;

// JavaScript computes in float64: rounding its result to float32 gives the correctly rounded float32 result of + - * / and sqrt.
const kinds = [
  { dtype: 'float32' as const, build: f32, round: Math.fround },
  { dtype: 'float64' as const, build: f64 as unknown as typeof f32, round: (value: number) => value },
];

const unaries: [string, (x: Real) => Real, (x: number) => number][] = [
  ['neg', (x) => x.neg(), (x) => -x],
  ['abs', (x) => x.abs(), Math.abs],
  ['sign', (x) => x.sign(), (x) => (x === 0 ? 0 : Math.sign(x))],
  ['sqrt', sqrt, Math.sqrt],
  ['relu', relu, (x) => (x > 0 || Number.isNaN(x) ? x : 0)],
  ['clip', (x) => x.clip(-1, 1), (x) => Math.max(-1, Math.min(1, x))],
  ['the sign of zero after adding 0', (x) => x.add(0), (x) => x + 0],
];

const binaries: [string, (a: Real, b: Real) => Real, (a: number, b: number) => number][] = [
  ['add', (a, b) => a.add(b), (a, b) => a + b],
  ['sub', (a, b) => a.sub(b), (a, b) => a - b],
  ['mul', (a, b) => a.mul(b), (a, b) => a * b],
  ['div', (a, b) => a.div(b), (a, b) => a / b],
];

for (const { dtype, build, round } of kinds) {
  const list = specials(dtype);
  const numbers = list.map(({ value }) => value);

  for (const [name, op, truth] of unaries) {
    test(`${name} is right at every special value in ${dtype}`, (t) => {
      // Lengths around the vector width put each value into full vectors and into tails.
      for (const shift of [0, 1, 15]) {
        const x = [...new Array<number>(shift).fill(0.5), ...numbers];
        const zeroless = (values: ArrayLike<number>) =>
          name === 'relu' || name === 'sign' ? Array.from(values, (value) => value + 0) : values;
        identical(t, zeroless(op(build(x)).data), zeroless(x.map((value) => round(truth(value)))), `${name}, shifted by ${shift}`);
      }
    });
  }

  const left = numbers.flatMap((a) => numbers.map(() => a));
  const right = numbers.flatMap(() => numbers);
  for (const [name, op, truth] of binaries) {
    test(`${name} is right at every pair of special values in ${dtype}`, (t) => {
      identical(
        t,
        op(build(left), build(right)).data,
        left.map((a, index) => round(truth(a, right[index]))),
        name,
      );
    });
  }

  test(`minimum and maximum keep a NaN from either side in ${dtype}`, (t) => {
    const [a, b] = [build(left), build(right)];
    const pick = (choose: (...values: number[]) => number) => left.map((value, index) => choose(value, right[index]) + 0);
    const plain = (values: ArrayLike<number>) => Array.from(values, (value) => value + 0);
    identical(t, plain(a.minimum(b).data), pick(Math.min), 'minimum');
    identical(t, plain(a.maximum(b).data), pick(Math.max), 'maximum');
  });

  test(`comparisons follow IEEE at every pair of special values in ${dtype}`, (t) => {
    const [a, b] = [build(left), build(right)];
    const truth = (compare: (a: number, b: number) => boolean) => left.map((value, index) => Number(compare(value, right[index])));
    t.deepEqual(
      [...a.equal(b).data],
      truth((x, y) => x === y),
    );
    t.deepEqual(
      [...a.notEqual(b).data],
      truth((x, y) => x !== y),
    );
    t.deepEqual(
      [...a.less(b).data],
      truth((x, y) => x < y),
    );
    t.deepEqual(
      [...a.lessEqual(b).data],
      truth((x, y) => x <= y),
    );
    t.deepEqual(
      [...a.greater(b).data],
      truth((x, y) => x > y),
    );
    t.deepEqual(
      [...a.greaterEqual(b).data],
      truth((x, y) => x >= y),
    );
  });

  test(`where carries special values through unchanged in ${dtype}`, (t) => {
    const [a, b] = [build(left), build(right)];
    identical(
      t,
      where(a.less(b), a, b).data,
      left.map((value, index) => [right[index], value][Number(value < right[index])]),
      'where',
    );
  });

  test(`exp, log, sigmoid and tanh have their limits in ${dtype}`, (t) => {
    const limits: [string, (x: Real) => Real, [number, number][]][] = [
      [
        'exp',
        exp,
        [
          [NaN, NaN],
          [Infinity, Infinity],
          [-Infinity, 0],
          [0, 1],
          [-0, 1],
        ],
      ],
      [
        'log',
        log,
        [
          [NaN, NaN],
          [Infinity, Infinity],
          [-Infinity, NaN],
          [-1, NaN],
          [0, -Infinity],
          [-0, -Infinity],
          [1, 0],
        ],
      ],
      [
        'sigmoid',
        sigmoid,
        [
          [NaN, NaN],
          [Infinity, 1],
          [-Infinity, 0],
          [0, 0.5],
          [-0, 0.5],
        ],
      ],
      [
        'tanh',
        tanh,
        [
          [NaN, NaN],
          [Infinity, 1],
          [-Infinity, -1],
          [0, 0],
          [-0, -0],
        ],
      ],
    ];
    for (const [name, op, pairs] of limits) {
      for (const [x, y] of pairs) identical(t, op(build(new Array(17).fill(x))).data, new Array(17).fill(y), `${name}(${x})`);
    }
  });
}

test('reductions let a NaN through, and infinities meet as IEEE says', (t) => {
  for (const { build } of kinds) {
    for (const at of [0, 7, 63, 64, 99]) {
      const numbers = new Array<number>(100).fill(1);
      numbers[at] = NaN;
      const x = build(numbers);
      for (const value of [x.sum(), x.mean(), x.max(), x.min(), x.var()]) t.is(value.item(), NaN);
      t.is(x.argmax().item(), at);
      numbers[at] = Infinity;
      t.is(build(numbers).sum().item(), Infinity);
      t.is(build(numbers).max().item(), Infinity);
      numbers[(at + 50) % 100] = -Infinity;
      t.is(build(numbers).sum().item(), NaN);
      t.is(build(numbers).min().item(), -Infinity);
    }
  }
});
