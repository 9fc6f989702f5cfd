// Every op against PyTorch: values and the gradients of all inputs, in float64 and float32, within bounds derived per element.
import test from 'ava';
import { Tensor } from '../../lib/index.js';
import { callable, callCase, inputsOf, type Real, tensorOf } from '../helpers/cases.js';
import { close } from '../helpers/close.js';
import { type GoldenArray, golden, type OpCase, opStems, values } from '../helpers/golden.js';
import { unitRoundoff } from '../helpers/special.js';

const cases = opStems.flatMap((stem) => golden(stem).cases);
const families = new Map<string, OpCase[]>();
for (const one of cases) families.set(one.op, [...(families.get(one.op) ?? []), one]);

/**
 * roundings * u * bound, see make.py: `roundings` made by our algorithm, and in float64 as many again by PyTorch's.
 * A value that underflows may also lose half of the smallest denormal.
 */
function tolerance(bound: GoldenArray, roundings: number, dtype: 'float32' | 'float64'): Float64Array {
  const unit = unitRoundoff[dtype] * (dtype === 'float64' ? 2 : 1) * roundings;
  return values(bound, 'float64').map((value) => value * unit + (roundings > 0 ? 2 ** -150 : 0));
}

/** What the file says, rounded to the dtype: an exact op (no roundings) must give exactly that. */
function truth(array: GoldenArray, dtype: 'float32' | 'float64', roundings: number): { data: Float64Array; shape: readonly number[] } {
  const exact = values(array, 'float64');
  return { data: roundings === 0 && dtype === 'float32' ? exact.map(Math.fround) : exact, shape: array.shape };
}

for (const [op, family] of families) {
  for (const dtype of ['float64', 'float32'] as const) {
    test(`${op} gives PyTorch's values in ${dtype}`, (t) => {
      for (const one of family) {
        const output = callCase(one, inputsOf(one, dtype, false));
        const { outputRoundings = 0 } = one;
        const integer = one.output.dtype === 'int32';
        t.is(output.dtype as string, integer ? 'int32' : dtype, one.name);
        const absolute = one.outputBound === undefined ? 0 : tolerance(one.outputBound, outputRoundings, dtype);
        close(t, output, truth(one.output, dtype, integer ? 0 : outputRoundings), { absolute }, one.name);
      }
    });

    if (family[0].gradients === undefined) continue;
    test(`${op} gives PyTorch's gradients in ${dtype}`, (t) => {
      for (const one of family) {
        const { upstream, gradients, gradientBounds, gradientRoundings } = one as Required<OpCase>;
        const inputs = inputsOf(one, dtype, true);
        callCase(one, inputs).mul(tensorOf(upstream, dtype)).sum().backward();
        for (const [index, input] of inputs.entries()) {
          const name = `${one.name}, gradient of input ${index}`;
          t.truthy(input.grad, name);
          t.is(input.grad?.dtype as string, dtype, name);
          const absolute = tolerance(gradientBounds[index], gradientRoundings, dtype);
          close(t, input.grad as Real, truth(gradients[index], dtype, gradientRoundings), { absolute }, name);
        }
      }
    });
  }
}

test('the golden files cover every op that the helpers can call, and the other way round', (t) => {
  t.deepEqual([...families.keys()].sort(), [...callable].sort());
});

test('without options reductions take all axes, drop them, and variance is the unbiased estimate', (t) => {
  const x = Tensor.from(Float64Array.of(1, 2, 3, 4), [2, 2]);
  t.deepEqual(
    [x.sum(), x.mean(), x.max(), x.min()].map((result) => [result.item(), result.rank]),
    [
      [10, 0],
      [2.5, 0],
      [4, 0],
      [1, 0],
    ],
  );
  t.is(x.var().item(), 5 / 3);
  t.is(x.std().item(), Math.sqrt(5 / 3));
  t.is(x.var(undefined, { correction: 0 }).item(), 1.25);
  t.is(x.argmax().item(), 3);
  t.is(x.argmin().item(), 0);
});
