// Adaptive and fractional max pooling: the contract, where windows lie and how they are drawn, ties and NaN, recorded steps, and what is refused.
import test from 'ava';
import {
  AdaptiveMaxPool2d,
  ArgumentError,
  adaptiveMaxPool2d,
  compileStep,
  FractionalMaxPool2d,
  type FractionalMaxPool2dOptions,
  fractionalMaxPool2d,
  maxPool2d,
  noGrad,
  Random,
  ShapeError,
  setSeed,
  type Tensor,
} from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32, f64 } from '../helpers/build.js';
import { Seeded } from '../helpers/seeded.js';

const refuses = [
  [[3, 5, 6], /\[N, H, W, C\]/],
  [[3, 0, 6, 3], /at least one pixel/],
] as const;

test('AdaptiveMaxPool2d keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new AdaptiveMaxPool2d([2, 4]),
    inputShape: [3, 5, 6, 3],
    outputShape: [3, 2, 4, 3],
    parameters: {},
    refuses,
  }));

test('FractionalMaxPool2d keeps the layer contract', (t) => {
  for (const sequence of ['random', 'pseudorandom'] as const) {
    const create = () => new FractionalMaxPool2d([5, 4], { sequence, overlapping: false });
    layerContract(t, {
      create,
      inputShape: [4, 8, 7, 3],
      outputShape: [4, 5, 4, 3],
      parameters: {},
      random: 'windows are drawn anew',
      refuses,
    });
  }
});

/** Numbers that grow along the rows, so that a maximum says where its window ends. */
const rising = (n: number, size: number): Tensor =>
  f32(
    Float32Array.from({ length: n * 2 * size }, (_, i) => i % size),
    [n, 2, size, 1],
  );
/** Last column of each window, by image. */
function ends(n: number, size: number, out: number, options: FractionalMaxPool2dOptions): number[][] {
  const y = fractionalMaxPool2d(rising(n, size), [1, out], options);
  return Array.from({ length: n }, (_, i) => [...y.data.slice(i * out, (i + 1) * out)]);
}
/** Steps of the sequences a₀ … a_H', from the windows that do not overlap. */
const steps = (all: number[][]): number[][] => all.map((row) => row.map((end, o) => end - (o === 0 ? -1 : row[o - 1])));

test('[F10] fractional windows of 25 pixels into 18 have steps of one and two, six of them two, random and pseudo-random', (t) => {
  t.deepEqual([...fractionalMaxPool2d(f32(new Float32Array(2 * 25 * 25 * 3), [2, 25, 25, 3]), 18).shape], [2, 18, 18, 3]);
  for (const sequence of ['random', 'pseudorandom', 'fixed'] as const) {
    const options = { sequence, overlapping: false, random: new Random(3) };
    const found = steps(ends(40, 25, 18, options));
    for (const row of found) {
      t.is(row.filter((step) => step === 2).length, 6, `${sequence}: ${row}`);
      t.is(row.filter((step) => step === 1).length, 12);
    }
    // Fixed windows are the same for all images; drawn ones are not.
    const different = new Set(found.map(String)).size;
    t.is(different === 1, sequence === 'fixed', sequence);
    // Pseudo-random sequences are shifted, so that two long steps are never neighbours for α below 1½.
    const neighbours = found.some((row) => row.some((step, o) => step === 2 && row[o + 1] === 2));
    t.is(neighbours, sequence === 'random', sequence);
  }
});

test('[F10] every order of the steps is as likely as any other, and every shift of a pseudo-random sequence', (t) => {
  const count = (sequence: 'random' | 'pseudorandom') => {
    const seen = new Map<string, number>();
    for (const row of steps(ends(6000, 7, 4, { sequence, overlapping: false, random: new Random(1) }))) {
      seen.set(String(row), (seen.get(String(row)) ?? 0) + 1);
    }
    return [...seen].sort();
  };
  // Four steps that make 6 pixels: two of one, two of two, in six orders; by shifts of α = 1½ two of them.
  const random = count('random');
  t.is(random.length, 6);
  for (const [order, times] of random) t.true(Math.abs(times - 1000) < 5 * Math.sqrt(6000 / 6), `${order}: ${times}`);
  const shifted = count('pseudorandom');
  t.deepEqual(
    shifted.map(([order]) => order),
    ['1,2,1,2', '2,1,2,1'],
  );
  for (const [order, times] of shifted) t.true(Math.abs(times - 3000) < 5 * Math.sqrt(6000 / 4), `${order}: ${times}`);
});

test('overlapping windows take one column of the next, and reach the last', (t) => {
  for (const sequence of ['random', 'pseudorandom', 'fixed'] as const) {
    const [apart, over] = [false, true].map((overlapping) => ends(9, 20, 7, { sequence, overlapping, random: new Random(2) }));
    t.deepEqual(
      over,
      apart.map((row) => row.map((end) => end + 1)),
    );
    t.true(over.every((row) => row[6] === 19));
  }
  t.deepEqual(ends(1, 5, 4, { sequence: 'random', overlapping: true })[0], [1, 2, 3, 4]);
  t.deepEqual(ends(1, 9, 2, { sequence: 'fixed', overlapping: false })[0], [3, 7]);
});

test('rows and columns are drawn apart, and the gradient goes where the maximum was', (t) => {
  const x = f64(new Seeded(5).distinct(2 * 9 * 9 * 2, -1, 1), [2, 9, 9, 2]);
  x.requiresGrad = true;
  const y = fractionalMaxPool2d(x, 5, { random: new Random(8) });
  y.sum().backward();
  const grad = (x.grad as Tensor<'float64'>).data;
  t.is(
    grad.reduce((sum: number, value: number) => sum + value, 0),
    y.size,
  );
  const taken = new Set(y.data);
  t.true(x.data.every((value: number, i: number) => taken.has(value) === grad[i] > 0));
});

test('in evaluation an image has one result, alone and in a batch, and no numbers are drawn', (t) => {
  const layer = new FractionalMaxPool2d(5).eval();
  const x = f32(new Seeded(6).uniform(3 * 8 * 8 * 2), [3, 8, 8, 2]);
  const y = layer.forward(x);
  t.deepEqual(layer.forward(x).data, y.data);
  t.deepEqual(layer.forward(x.slice(1, 2)).data, y.data.slice(50, 100));
  t.is(layer.windows.state.offset, 0);
});

test('the windows depend on seed and path only, and each step of a recorded program draws new ones, those of eager steps', async (t) => {
  const x = f32(new Seeded(7).uniform(4 * 12 * 12 * 3), [4, 12, 12, 3]);
  const fresh = () => {
    setSeed(11);
    return new FractionalMaxPool2d(7);
  };
  const eager = fresh();
  const wanted = Array.from({ length: 5 }, () => noGrad(() => eager.forward(x)).data);
  t.is(new Set(wanted.map(String)).size, 5);
  const layer = fresh();
  const step = compileStep((input: Tensor) => layer.forward(input));
  for (const values of wanted) t.deepEqual((await step(x)).data, values);
  const other = fresh();
  const sync = compileStep((input: Tensor) => other.forward(input));
  for (const values of wanted) t.deepEqual(sync.sync(x).data, values);
});

test('adaptive windows share out the image, and are those of a kernel where it divides', (t) => {
  const x = f32(new Seeded(3).uniform(2 * 6 * 8 * 19), [2, 6, 8, 19]);
  t.deepEqual(adaptiveMaxPool2d(x, [3, 2]).data, maxPool2d(x, [2, 4]).data);
  t.deepEqual(adaptiveMaxPool2d(x, [6, 8]).data, x.data);
  // Three windows of five columns: 0–1, 1–3, 3–4.
  t.deepEqual([...adaptiveMaxPool2d(f32([1, 5, 2, 4, 3], [1, 1, 5, 1]), [1, 3]).data], [5, 5, 4]);
  t.deepEqual([...adaptiveMaxPool2d(f32([], [0, 6, 8, 2]), 2).shape], [0, 2, 2, 2]);
  t.deepEqual([...fractionalMaxPool2d(f32([], [0, 6, 8, 2]), 2).shape], [0, 2, 2, 2]);
});

test('of equal numbers the first pixel gets the gradient, and a NaN wins', (t) => {
  const gradient = (values: number[], width: number) => {
    const x = f32(values, [1, 1, width, 1]);
    x.requiresGrad = true;
    const y = adaptiveMaxPool2d(x, 1);
    y.sum().backward();
    return [...(x.grad as Tensor).data];
  };
  t.deepEqual(gradient([2, 7, 7, 7], 4), [0, 1, 0, 0]);
  for (let at = 0; at < 4; at++) {
    const values = [1, 2, 3, 4].map((value, i) => (i === at ? NaN : value));
    t.true(Number.isNaN(adaptiveMaxPool2d(f32(values, [1, 2, 2, 1]), 1).item()));
    t.is(gradient(values, 4)[at], 1);
  }
});

test('what cannot be pooled is refused with what was expected', (t) => {
  const x = f32(new Float32Array(32), [1, 4, 4, 2]);
  t.throws(() => adaptiveMaxPool2d(x, 0), { instanceOf: ArgumentError, message: /`outputSize`/ });
  t.throws(() => fractionalMaxPool2d(x, 4), { instanceOf: ShapeError, message: /more rows than 4/ });
  t.throws(() => fractionalMaxPool2d(x, [2, 5]), { instanceOf: ShapeError, message: /columns than 5/ });
  t.throws(() => fractionalMaxPool2d(x, 2, { sequence: 'pseudo' as never }), { instanceOf: ArgumentError, message: /sequence/ });
  t.throws(() => fractionalMaxPool2d(x, 2, { overlapping: 1 as never }), { instanceOf: ArgumentError, message: /overlapping/ });
  t.throws(() => fractionalMaxPool2d(x, 2, { random: 3 as never }), { instanceOf: ArgumentError, message: /Random/ });
  t.throws(() => new FractionalMaxPool2d(2, { ratio: 1 } as never), { instanceOf: ArgumentError, message: /unknown option/ });
});
