// Batch, layer, group and instance norm against float64: an outlier where a block takes its pivot, and numbers whose squares overflow.
import test from 'ava';
import { BatchNorm2d, GroupNorm, InstanceNorm2d, type Layer, LayerNorm } from '../../lib/index.js';
import { f32 } from '../helpers/build.js';
import { Seeded } from '../helpers/seeded.js';

interface Norm {
  readonly name: string;
  readonly layer: () => Layer;
  /** [N, H, W, C] */
  readonly shape: readonly [number, number, number, number];
  /** Which elements share mean and variance. */
  readonly setOf: (example: number, channel: number) => number;
}

const batch = (...shape: readonly [number, number, number, number]): Norm => ({
  name: `BatchNorm2d of [${shape}]`,
  layer: () => new BatchNorm2d(shape[3]),
  shape,
  setOf: (_example, channel) => channel,
});
const grouped = (groups: number, ...shape: readonly [number, number, number, number]): Norm => ({
  name: `GroupNorm(${groups}) of [${shape}]`,
  layer: () => (groups === shape[3] ? new InstanceNorm2d(groups) : new GroupNorm(groups, shape[3])),
  shape,
  setOf: (example, channel) => example * groups + Math.floor((channel * groups) / shape[3]),
});
const layered = (rows: number, features: number): Norm => ({
  ...grouped(1, rows, 1, 1, features),
  name: `LayerNorm of [${rows}, ${features}]`,
  layer: () => new LayerNorm(features),
});

const norms: Norm[] = [
  batch(1, 16, 16, 16),
  batch(2, 20, 20, 3),
  batch(3, 12, 12, 70),
  batch(4, 1, 1, 1),
  grouped(1, 1, 16, 16, 256),
  grouped(1, 2, 16, 16, 32),
  grouped(2, 1, 5, 7, 600),
  grouped(4, 2, 9, 9, 20),
  grouped(7, 2, 20, 20, 7),
  layered(2, 4096),
  layered(3, 5),
];

/** The largest error of an output, relative to the largest output. */
function error({ layer, shape, setOf }: Norm, x: Float32Array): number {
  const sets = new Map<number, number[]>();
  const perExample = shape[1] * shape[2] * shape[3];
  for (let i = 0; i < x.length; i++) {
    const set = setOf(Math.floor(i / perExample), i % shape[3]);
    const members = sets.get(set);
    if (members === undefined) sets.set(set, [i]);
    else members.push(i);
  }
  const y = layer().forward(f32(x, shape)).data;
  let [worst, largest] = [0, 0];
  for (const members of sets.values()) {
    const mean = members.reduce((sum, i) => sum + x[i], 0) / members.length;
    const variance = members.reduce((sum, i) => sum + (x[i] - mean) * (x[i] - mean), 0) / members.length;
    for (const i of members) {
      const wanted = (x[i] - mean) / Math.sqrt(variance + 1e-5);
      worst = Math.max(worst, Number.isFinite(y[i]) ? Math.abs(y[i] - wanted) : Infinity);
      largest = Math.max(largest, Math.abs(wanted));
    }
  }
  return worst / largest;
}

const valuesOf = ({ shape }: Norm, low: number, high: number): Float32Array =>
  Float32Array.from(new Seeded(shape[3]).uniform(shape[0] * shape[1] * shape[2] * shape[3], low, high));

for (const norm of norms) {
  test(`an outlier costs no accuracy, wherever it stands: ${norm.name}`, (t) => {
    let worst = 0;
    for (const outlier of [3, 10, 100, 1e3, 1e4, 1e6, -1e9]) {
      for (const at of [0, 1, -1]) {
        const x = valuesOf(norm, 0, 1);
        x[(at + x.length) % x.length] = outlier;
        const found = error(norm, x);
        worst = Math.max(worst, found);
        t.true(found < 1e-6, `${outlier} at ${at}: ${found}`);
      }
    }
    t.log(`largest error relative to the outputs: ${worst}`);
  });

  test(`numbers whose squares float32 does not hold are normalized like others: ${norm.name}`, (t) => {
    for (const [low, high] of [
      [1e18, 4e18],
      [-1e20, 4e20],
      [-3e38, 3e38],
      [1e37, 3e38],
    ]) {
      const found = error(norm, valuesOf(norm, low, high));
      t.true(found < 1e-6, `${low} to ${high}: ${found}`);
    }
  });
}
