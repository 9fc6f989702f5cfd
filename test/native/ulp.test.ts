// How far exp, log, tanh and sigmoid lie from the truth, in units in the last place; NODEGRAD_EXHAUSTIVE=1 looks at every float32.
import test from 'ava';
import { arrayTypes, type TypedArray } from '../../lib/dtype.js';
import { order32, steps64, ulp32, ulpSize32 } from '../helpers/ulp.js';
import { type Float, runInto, type Sample } from './samples.js';

const exhaustive = process.env['NODEGRAD_EXHAUSTIVE'] === '1';
const step = exhaustive ? 1 : 2039;
const chunk = 1 << 20;

function evaluate(op: string, dtype: Float, inputs: TypedArray[]): TypedArray {
  const sample: Sample = { op, form: '', outputs: [], inputs, ints: [], reals: [] };
  const output = new arrayTypes[dtype](inputs[0].length);
  runInto(sample, [output], inputs);
  return output;
}

// The references are float64 with errors of at most a few 2^-53: 1e-8 of a float32 unit in the last place, and no more.
const references: Record<string, (x: number) => number> = {
  exp: Math.exp,
  log: Math.log,
  tanh: Math.tanh,
  // 1 / (1 + e^-x) loses nothing: all terms are positive.
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

// Where a formula could change its mind: powers of two, the ends of ranges, multiples of ln 2 / 2, and their neighbours.
function boundaries(): Float32Array {
  const list: number[] = [0, Infinity, NaN, 3.4028234663852886e38, 2 ** -126, 2 ** -126 - 2 ** -149, 2 ** -149];
  for (let e = -149; e <= 127; e++) list.push(2 ** e, 1.5 * 2 ** e);
  for (let k = 0; k <= 320; k++) list.push((k * Math.LN2) / 2, k / 4, k / 3);
  list.push(88.72283, 88.72284, 87.33654, 103.27892, 103.97208, 104, 105, 89, 9.01, 9.0109, 10, 16.63553, 17.32868, 20, 2 / 3, 4 / 3);
  const around = new Int32Array(5);
  const asFloat = new Float32Array(around.buffer);
  const result: number[] = [];
  for (const value of list) {
    for (const sign of [1, -1]) {
      asFloat.fill(sign * value);
      for (let d = 0; d < 5; d++) around[d] += d - 2;
      result.push(...asFloat);
    }
  }
  return Float32Array.from(result);
}

function* sweep(): Generator<Float32Array> {
  yield boundaries();
  for (let begin = 0; begin < 2 ** 32; begin += step * chunk) {
    const count = Math.min(chunk, Math.ceil((2 ** 32 - begin) / step));
    const patterns = new Uint32Array(count);
    for (let i = 0; i < count; i++) patterns[i] = begin + i * step;
    yield new Float32Array(patterns.buffer);
  }
}

for (const [op, reference] of Object.entries(references)) {
  test(`${op} of float32 is within 1 ULP everywhere, NaN, infinities and denormals included`, (t) => {
    if (exhaustive) t.timeout(3_600_000);
    let worst = 0;
    let at = NaN;
    let count = 0;
    for (const x of sweep()) {
      const y = evaluate(op, 'float32', [x]);
      for (let i = 0; i < x.length; i++) {
        const distance = ulp32(y[i], reference(x[i]));
        if (distance > worst) {
          worst = distance;
          at = x[i];
        }
      }
      count += x.length;
    }
    t.log(`${op}: ${worst.toFixed(4)} ULP at ${at}, over ${count} floats`);
    t.true(worst <= 1, `${op}(${at}) is ${worst} ULP off`);
  });

  test(`${op} of float64 is within 2 ULP of the engine's own`, (t) => {
    // Math's functions are no better than 1 ULP themselves, so 1 ULP of ours may show as 2.
    const x = new Float64Array(200_000);
    const bits = new BigUint64Array(x.buffer);
    for (let i = 0; i < x.length; i++) {
      if (i % 2 === 0) bits[i] = BigInt(i) * 92233720368547n;
      else x[i] = (op === 'log' ? 0.5 : -40) + (i / x.length) * (op === 'log' ? 1 : 80);
    }
    const y = evaluate(op, 'float64', [x]);
    let worst = 0;
    let at = NaN;
    for (let i = 0; i < x.length; i++) {
      // Our sigmoid of a very small result is exact where 1 / (1 + e^-x) is not representable on the way.
      const wanted = op === 'sigmoid' && x[i] < -36 ? Math.exp(x[i]) : reference(x[i]);
      const distance = steps64(y[i], wanted);
      if (distance > worst) {
        worst = distance;
        at = x[i];
      }
    }
    t.log(`${op}: ${worst} steps of float64 at ${at}`);
    t.true(worst <= (op === 'sigmoid' ? 3 : 2), `${op}(${at}) is ${worst} steps off`);
  });
}

test('the slopes of sigmoid and tanh, from the stored output, are rounded once', (t) => {
  // Every float32 in [0, 1], thinned; tanh also below 0.
  const slopes: [string, (y: number) => number, number][] = [
    ['sigmoid_backward', (y) => y - y * y, 0],
    ['tanh_backward', (y) => 1 - y * y, -1],
  ];
  for (const [op, exact, low] of slopes) {
    const top = order32(1);
    let worst = 0;
    let worstScaled = 0;
    for (const sign of low < 0 ? [1, -1] : [1]) {
      const patterns: number[] = [];
      for (let place = 0; place <= top; place += exhaustive ? 61 : 509) patterns.push(place);
      for (let place = top - 5000; place <= top; place++) patterns.push(place);
      const y = new Float32Array(Int32Array.from(patterns).buffer).map((value) => sign * value);
      const ones = new Float32Array(y.length).fill(1);
      const dy = Float32Array.from(y, (_, i) => (i % 7) / 4 - 0.7);
      const slope = evaluate(op, 'float32', [ones, y]);
      const scaled = evaluate(op, 'float32', [dy, y]);
      for (let i = 0; i < y.length; i++) {
        // y² has 48 bits and is exact in float64; the difference rounds in its 53rd.
        const wanted = exact(y[i]);
        worst = Math.max(worst, ulp32(slope[i], wanted));
        // Two roundings: half a unit each, and up to a whole one after a change of binade; below the normal range units are absolute.
        if (Math.abs(wanted) >= 2 ** -124) worstScaled = Math.max(worstScaled, ulp32(scaled[i], wanted * dy[i]));
      }
    }
    t.log(`${op}: ${worst.toFixed(4)} ULP with an upstream gradient of 1, ${worstScaled.toFixed(4)} ULP with others`);
    t.true(worst <= 0.5 + 1e-7, `${op} rounds more than once: ${worst} ULP`);
    t.true(worstScaled <= 1.5, `${op} times an upstream gradient is ${worstScaled} ULP off`);
  }
});

test('the slope of ReLU passes the upstream gradient or nothing', (t) => {
  const y = Float32Array.of(0, -0, 2 ** -149, 1, 3.4e38, Infinity);
  const dy = new Float32Array(y.length).fill(-1.25);
  t.deepEqual([...evaluate('relu_backward', 'float32', [dy, y])], [0, 0, -1.25, -1.25, -1.25, -1.25]);
});

test('square root and the four operations are correctly rounded', (t) => {
  // float64 arithmetic rounded to float32 once more is the correct rounding of + - * / and sqrt (53 ≥ 2·24 + 2).
  const x = boundaries();
  const z = x.slice().reverse();
  const pairs: [string, (a: number, b: number) => number][] = [
    ['add', (a, b) => a + b],
    ['sub', (a, b) => a - b],
    ['mul', (a, b) => a * b],
    ['div', (a, b) => a / b],
  ];
  for (const [op, exact] of pairs) {
    const y = new Float32Array(x.length);
    runInto({ op, form: '', outputs: [], inputs: [x, z], ints: [1, x.length, 1, 1], reals: [] }, [y], [x, z]);
    t.is(
      y.findIndex((value, i) => !Object.is(value, Math.fround(exact(x[i], z[i])))),
      -1,
      op,
    );
  }
  const y = evaluate('sqrt', 'float32', [x]);
  t.is(
    y.findIndex((value, i) => !Object.is(value, Math.fround(Math.sqrt(x[i])))),
    -1,
    'sqrt',
  );
});

test('the ruler measures: one float32 step is one ULP, and a wrong infinity is infinitely wrong', (t) => {
  t.is(ulp32(1 + 2 ** -23, 1), 1);
  t.is(ulp32(2 ** -149, 0), 1);
  t.is(ulp32(Infinity, 3.4028234663852886e38), Infinity);
  t.is(ulp32(NaN, 1), Infinity);
  t.is(ulpSize32(1.5), 2 ** -23);
});
