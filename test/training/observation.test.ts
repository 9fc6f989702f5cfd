// What observations look like: linear histograms as the course draws them, and the table for a terminal.

import test from 'ava';
import {
  ArgumentError,
  type Distribution,
  Flatten,
  decodeObservation,
  describeObservation,
  histogram,
  histogramEdges,
  Linear,
  linearHistogram,
  Normal,
  type Observation,
  observed,
  ReLU,
  Sequential,
  SGD,
  setSeed,
  Tanh,
  Tensor,
} from '../../lib/index.js';
import { observeForward } from '../../lib/layers/forward.js';
import { Seeded } from '../helpers/seeded.js';

/** Ten layers of tanh as in the course, observed in one step. */
function course(std: number): { observation: Observation; outputs: Map<string, Tensor> } {
  setSeed(2);
  const layers = Array.from({ length: 10 }, () => [new Linear(100, 100, { init: new Normal({ std }) }), new Tanh()]).flat();
  const model = new Sequential([new Flatten(), ...layers]);
  const optimizer = new SGD(model, { lr: 1e-3 });
  const x = Tensor.from(Float32Array.from(new Seeded(7).uniform(200 * 100, -1.7, 1.7)), [200, 100]);
  const outputs = new Map<string, Tensor>();
  observeForward(
    (_layer, path, output) => outputs.set(path, output as Tensor),
    () => model.forward(x),
  );
  const { observation } = observed(model, optimizer, () => model.forward(x).sum().backward(), () => optimizer.step()); // biome-ignore format: one line
  return { observation: decodeObservation(observation, 1), outputs };
}

const tanhs = ({ layers }: Observation) => layers.filter(({ type }) => type === 'Tanh');
const sum = (list: readonly number[]): number => list.reduce((total, value) => total + value, 0);

test('[C27] [J27] mean, std and 30 bins over (−1, 1) per layer: all counted, and where they belong', (t) => {
  const { observation, outputs } = course(0.1);
  for (const layer of tanhs(observation)) {
    const found = linearHistogram(layer, { bins: 30, range: [-1, 1] });
    const exact = [...histogram(outputs.get(layer.path) as Tensor, { bins: 30, range: [-1, 1] }).data];
    t.is(found.length, 30);
    t.true(Math.abs(sum(found) - 200 * 100) < 1e-6);
    const moved = sum(found.map((count, i) => Math.abs(count - exact[i]))) / 2;
    t.true(moved < 0.06 * 200 * 100, `layer ${layer.path}: ${moved} counts stand elsewhere`);
  }
});

test('[J27] too small first weights show as activations that collapse, too large ones as saturation', (t) => {
  const small = tanhs(course(0.01).observation);
  t.true(small[9].std < 1e-3 * small[0].std);
  const large = tanhs(course(1).observation);
  for (const layer of large) {
    const counts = linearHistogram(layer, { bins: 20, range: [-1, 1] });
    t.true(counts[0] + counts[19] > 0.7 * 200 * 100, 'most outputs lie within a tenth of the ends');
  }
});

test('the edges of bins grow, mirror each other, and meet at zero', (t) => {
  t.is(histogramEdges.length, 257);
  t.true(histogramEdges.every((edge, i) => i === 0 || edge > histogramEdges[i - 1]));
  t.true(histogramEdges.every((edge, i) => edge + histogramEdges[256 - i] === 0 || !Number.isFinite(edge)));
  t.deepEqual([histogramEdges[128], histogramEdges[129], histogramEdges[256]], [0, 1.25 * 2 ** -24, Infinity]);
  t.true([1, 1.25, 1.5, 1.75, 2].every((edge) => histogramEdges.includes(edge)));
});

const distribution = (histogram: Record<number, number>, min: number, max: number): Distribution => ({
  mean: 0,
  std: 0,
  min,
  max,
  zeros: 0,
  nonFinite: 0,
  histogram: Array.from({ length: 256 }, (_, i) => histogram[i] ?? 0),
});
const binOf = (edge: number): number => histogramEdges.indexOf(edge);

test('a linear histogram shares the count of a wide bin by width, within the least and the largest element', (t) => {
  t.deepEqual(linearHistogram(distribution({ [binOf(1)]: 8 }, 1, 1.25), { bins: 4, range: [1, 1.25] }), [2, 2, 2, 2]);
  t.deepEqual(linearHistogram(distribution({ [binOf(1)]: 8 }, 1, 1.125), { bins: 4, range: [1, 1.25] }), [4, 4, 0, 0]);
  t.deepEqual(linearHistogram(distribution({ [binOf(0)]: 5, 255: 3 }, 0, 300), { bins: 3 }), [5, 0, 3]);
  t.deepEqual(linearHistogram(distribution({ [binOf(2)]: 7 }, 2, 2), { bins: 3 }), [0, 7, 0]);
  t.deepEqual(linearHistogram(distribution({ [binOf(2)]: 7 }, 2, 2), { bins: 2, range: [0, 1] }), [0, 0]);
  t.deepEqual(linearHistogram(distribution({}, NaN, NaN), { bins: 2 }), [0, 0]);
});

test('the table names layers and parameters with their numbers and a picture, and says what is not finite', (t) => {
  setSeed(2);
  const model = new Sequential([new Linear(6, 8), new ReLU(), new Linear(8, 3)]);
  const optimizer = new SGD(model, { lr: 0.1 });
  const x = Tensor.from(Float32Array.from(new Seeded(7).uniform(30)), [5, 6]);
  const body = () => model.forward(x).sum().backward();
  const { observation } = observed(model, optimizer, body, () => optimizer.step());
  const text = describeObservation(decodeObservation(observation, 12));
  const lines = text.split('\n');
  t.is(lines[0], 'step 12');
  t.is(lines.length, 1 + 4 + 1 + 5);
  t.regex(lines[3], /^1 +ReLU +5×8 +[\d.]+ +[\d.]+ +[\d.]+ % +0 +[▁-█ ]{20} +[\d.]+$/);
  t.regex(lines[7], /^0\.weight +6×8 +[\d.]+ +[\d.]+ +[\d.]+ +\d\.\de-?\d$/);
  t.regex(lines[8], /^0\.bias +8 +0 .* –$/);
  x.data[0] = NaN;
  const bad = describeObservation(decodeObservation(observed(model, optimizer, body, () => optimizer.step()).observation, 13));
  t.regex(bad, /^0 +Linear .* 8 not finite$/m);
  t.regex(bad, /^0\.weight .* \d+ not finite$/m);
});

test('anything but an observation is refused', (t) => {
  for (const bad of [undefined, null, 3, 'x', {}, { step: 1, layers: [null], parameters: [] }, { step: 1, layers: [], parameters: [{}] }]) {
    t.throws(() => describeObservation(bad as never), { instanceOf: ArgumentError });
    t.throws(() => linearHistogram(bad as never), { instanceOf: ArgumentError });
  }
  const one = distribution({}, 0, 1);
  t.throws(() => linearHistogram({ ...one, histogram: [1] }), { instanceOf: ArgumentError });
  t.throws(() => linearHistogram(one, { bins: 0 }), { instanceOf: ArgumentError });
  t.throws(() => linearHistogram(one, { range: [1, 1] }), { instanceOf: ArgumentError });
  t.throws(() => linearHistogram(one, { range: [0, NaN] }), { instanceOf: ArgumentError });
  t.throws(() => linearHistogram(one, { bin: 3 } as never), { instanceOf: ArgumentError });
});
