// How far the kernels of activations lie from their formulas, and what they make of special values; NODEGRAD_EXHAUSTIVE=1 looks at every float32.
import test from 'ava';
import { arrayTypes } from '../../lib/dtype.js';
import { activations } from '../helpers/activations.js';
import { limits } from '../helpers/special.js';
import { ulp32 } from '../helpers/ulp.js';
import { type Float, runInto } from './samples.js';

const exhaustive = process.env['NODEGRAD_EXHAUSTIVE'] === '1';

function evaluate(op: string, dtype: Float, inputs: readonly (Float32Array | Float64Array)[], reals: readonly number[] = []): Float64Array {
  const y = new arrayTypes[dtype](inputs[0].length);
  runInto({ op, form: '', outputs: [], inputs, ints: [], reals }, [y], inputs);
  return Float64Array.from(y);
}

function* floats(): Generator<Float32Array> {
  const [step, chunk] = [exhaustive ? 1 : 4093, 1 << 20];
  for (let begin = 0; begin < 2 ** 32; begin += step * chunk) {
    const patterns = Uint32Array.from({ length: Math.min(chunk, Math.ceil((2 ** 32 - begin) / step)) }, (_, i) => begin + i * step);
    yield new Float32Array(patterns.buffer);
  }
}

for (const { op, truth } of Object.values(activations)) {
  if (truth === undefined) continue;
  const { parameters, f, slope, ulps, limits: ends } = truth;
  test(`${op} of float32 lies within its bound everywhere, and its slope within 2^-19`, (t) => {
    if (exhaustive) t.timeout(3_600_000);
    let [worst, worstShare, at, worstSlope, slopeAt] = [0, 0, NaN, 0, NaN];
    for (const x of floats()) {
      const y = evaluate(op, 'float32', [x], parameters);
      const dx = evaluate(`${op}_backward`, 'float32', [new Float32Array(x.length).fill(1), x], parameters);
      for (let i = 0; i < x.length; i++) {
        if (!Number.isFinite(x[i])) continue;
        const distance = ulp32(y[i], f(x[i]));
        worst = Math.max(worst, distance);
        // Half a unit more for the reference, which is rounded as well.
        if (distance / ulps(x[i]) > worstShare) [worstShare, at] = [distance / ulps(x[i]), x[i]];
        const error = Math.abs(dx[i] - slope(x[i]));
        if (!(error <= worstSlope)) [worstSlope, slopeAt] = [error, x[i]];
      }
    }
    t.log(
      `${op}: ${worst.toFixed(2)} ULP; ${(100 * worstShare).toFixed(0)} % of the bound at ${at}; slope off by ${worstSlope.toExponential(1)}`,
    );
    t.true(worstShare <= 1, `${op}(${at}) is beyond its bound`);
    t.true(worstSlope <= 2 ** -19, `the slope of ${op} at ${slopeAt} is ${worstSlope} off`);
  });

  test(`${op} of float64 agrees with its formula to 1e-13 of its size, and its slope to 1e-14`, (t) => {
    const x = Float64Array.from({ length: 40_001 }, (_, i) => (i - 20_000) / 1000);
    const y = evaluate(op, 'float64', [x], parameters);
    const dx = evaluate(`${op}_backward`, 'float64', [new Float64Array(x.length).fill(1), x], parameters);
    // In the far tail the argument of a sigmoid is rounded in proportion to its size.
    const room = op === 'gelu_tanh' ? 1e-12 : 1e-13;
    const off = x.findIndex((value, i) => !(Math.abs(y[i] - f(value)) <= room * Math.abs(f(value)) + 1e-300));
    t.is(off, -1, `${op}(${x[off]}) is ${y[off]}, not ${f(x[off])}`);
    const slopeOff = x.findIndex((value, i) => !(Math.abs(dx[i] - slope(value)) <= 1e-14));
    t.is(slopeOff, -1, `the slope of ${op} at ${x[slopeOff]} is ${dx[slopeOff]}, not ${slope(x[slopeOff])}`);
  });

  test(`${op} takes NaN on, reaches its limits at both infinities, and nothing finite overflows in value or slope`, (t) => {
    for (const dtype of ['float32', 'float64'] as const) {
      const { max, minNormal } = limits[dtype];
      const build = (values: readonly number[]): Float32Array => arrayTypes[dtype].from(values) as Float32Array;
      const evaluated = evaluate(op, dtype, [build([NaN, -Infinity, Infinity])], parameters);
      t.deepEqual(
        [...evaluated].map((value) => value + 0),
        [NaN, ...ends].map((value) => value + 0),
        dtype,
      );
      const x = build([max, -max, minNormal, -minNormal, 0, -0, 100, -100, 1000, -1000, 1e18, -1e18, -Infinity, Infinity]);
      const ones = build(new Array(x.length).fill(1));
      const dx = evaluate(`${op}_backward`, dtype, [ones, x], parameters);
      t.true([...evaluate(op, dtype, [x], parameters)].slice(0, -2).every(Number.isFinite), `${dtype} values`);
      t.true([...dx].every(Number.isFinite), `${dtype} slopes`);
      t.deepEqual([...evaluate(`${op}_backward`, dtype, [build([1]), build([NaN])], parameters)], [NaN], `${dtype}: a NaN of the forward pass`);
    }
  });
}

test('the step function is 0 below zero and 1 from it on, of either sign, and keeps NaN', (t) => {
  t.deepEqual([...evaluate('step', 'float32', [Float32Array.of(-1, -(2 ** -149), -0, 0, Infinity, -Infinity, NaN)])], [0, 0, 1, 1, 1, 0, NaN]);
});

test('swish with a beta of 0 is half of x, infinities included, and with one below 0 it falls to 0 on the right', (t) => {
  for (const dtype of ['float32', 'float64'] as const) {
    const x = arrayTypes[dtype].from([-Infinity, -3, 4, Infinity, NaN]) as Float32Array;
    t.deepEqual([...evaluate('swish', dtype, [x], [0, 1])], [-Infinity, -1.5, 2, Infinity, NaN], dtype);
    t.deepEqual([...evaluate('swish', dtype, [x], [-1, 1])].slice(3), [0, NaN], dtype);
  }
});
