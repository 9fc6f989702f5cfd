// What every initializer must do. Each initializer's own test calls this with the distribution it promises.
import type { ExecutionContext } from 'ava';
import { type Initializer, Linear, noGrad, ReLU, Sequential, setSeed } from '../../lib/index.js';
import { f32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { moments } from '../helpers/seeded.js';

/** The distribution that an initializer promises for a weight of 500 inputs and 100 outputs. */
export interface InitializerExpectations {
  readonly create: () => Initializer;
  readonly mean: number;
  readonly deviation: number;
  /** Largest absolute value, for uniform distributions; 'none' for normal ones. */
  readonly bound: number | 'none';
}

const [inputs, outputs] = [500, 100];

/** Runs every check on a [500, 100] weight: 50 000 draws. */
export function initializerContract(t: ExecutionContext, { create, mean, deviation, bound }: InitializerExpectations): void {
  const weights = drawn(create, 1);
  const found = moments(weights);
  const n = weights.length;
  // Standard errors of n draws: of the mean s / sqrt(n), of the deviation s sqrt((k - 1) / 4n), k the kurtosis (3 normal, 1.8 uniform).
  const kurtosis = bound === 'none' ? 3 : 1.8;
  t.true(Math.abs(found.mean - mean) <= 4 * (deviation / Math.sqrt(n)) + 1e-7 * Math.abs(mean), `mean ${found.mean}, promised ${mean}`);
  t.true(
    Math.abs(found.deviation - deviation) <= 4 * deviation * Math.sqrt((kurtosis - 1) / (4 * n)) + 1e-7 * Math.abs(mean),
    `standard deviation ${found.deviation}, promised ${deviation}`,
  );
  const largest = weights.reduce((most, value) => Math.max(most, Math.abs(value - mean)), 0);
  if (bound === 'none') {
    t.true(largest > 3.5 * deviation && largest < 6.5 * deviation, `largest of ${n} normal draws: ${largest / deviation} deviations`);
  } else {
    t.true(largest <= bound * (1 + 2 ** -23), `bound ${bound}, largest ${largest}`);
    // The chance that none of n draws comes within 0.1 % of the bound is exp(-50).
    t.true(largest >= bound * 0.999, `bound ${bound}, largest only ${largest}`);
  }

  identical(t, drawn(create, 1), weights, 'the same seed and path give the same values');
  if (deviation === 0) return;
  t.notDeepEqual(drawn(create, 2), weights, 'another seed gives other values');
  const two = layered(create, 1, (first, second) => [first, second]);
  t.notDeepEqual(two[1], two[0], 'another path gives other values, shape and seed being equal');
  const longer = layered(create, 1, (first, second) => [first, second, new ReLU(), new Linear(outputs, 7)]);
  identical(t, longer[0], two[0], 'layers added behind change nothing before them (first)');
  identical(t, longer[1], two[1], 'layers added behind change nothing before them (second)');
}

/** First use of a model is what draws its values. */
function use(model: Linear | Sequential, width: number): void {
  noGrad(() => model.forward(f32(new Float32Array(width), [1, width])));
}

function drawn(create: () => Initializer, seed: number): Float32Array {
  setSeed(seed);
  const layer = new Linear(inputs, outputs, { init: create() });
  use(layer, inputs);
  return Float32Array.from(layer.weight.data);
}

/** Values of two equal layers in one stack. */
function layered(
  create: () => Initializer,
  seed: number,
  stack: (first: Linear, second: Linear) => ConstructorParameters<typeof Sequential>[0],
): Float32Array[] {
  setSeed(seed);
  const [first, second] = [0, 1].map(() => new Linear(outputs, outputs, { init: create() }));
  use(new Sequential(stack(first, second)), outputs);
  return [first, second].map((layer) => Float32Array.from(layer.weight.data));
}
