// Gradient-check cases of attention and of root mean square norm.
import { attention, Random, Tensor } from '../../lib/index.js';
import { groupNorm } from '../../lib/ops/group_norm.js';
import { f64 } from './build.js';
import type { GradientCase } from './gradients.js';
import { Seeded } from './seeded.js';

const point = (seed: number, shape: readonly number[]): Tensor<'float64'> =>
  f64(new Seeded(seed).uniform(shape.reduce((a, b) => a * b, 1)), shape);

export const attentionCases: Record<string, () => GradientCase[]> = {
  attention: () =>
    (
      [
        [1, 2, 3, 1, 2, false, false, 0],
        [2, 3, 3, 2, 2, true, false, 0],
        [2, 2, 4, 1, 3, false, true, 0],
        [1, 3, 3, 3, 1, true, true, 0.3],
        [1, 1, 67, 1, 1, false, true, 0.5],
      ] as const
    ).map(([batch, queries, keys, heads, depth, causal, masked, dropout], i) => {
      const features = heads * depth;
      // The last key of the last example is padding.
      const keep = Uint8Array.from({ length: batch * keys }, (_, at) => (at + 1 < batch * keys ? 1 : 0));
      const mask = Tensor.from(keep, [batch, keys]) as Tensor<'uint8'>;
      return {
        name: `${queries} × ${keys}, ${heads} of ${depth}${causal ? ', causal' : ''}${masked ? ', masked' : ''}, dropout ${dropout}`,
        fn: (q, k, v) => attention(q, k, v, { heads, causal, dropout, random: new Random(7), ...(masked && { mask }) }),
        inputs: [point(i + 1, [batch, queries, features]), point(i + 21, [batch, keys, features]), point(i + 41, [batch, keys, features])],
      };
    }),
};

/** Root mean square norm is the group norm that leaves the mean in. */
export const rootMeanSquareCases = (): GradientCase[] =>
  [
    [2, 1, 5, 1],
    [2, 3, 6, 2],
  ].flatMap(([examples, positions, channels, groups], i): GradientCase[] => {
    const sizes = { examples, positions, channels, groups, eps: 1e-3, centred: false };
    const x = point(i + 1, [examples, positions, channels]);
    return [
      { name: `[${x.shape}] in ${groups}, mean square`, fn: (a, g) => groupNorm(a, g, null, sizes), inputs: [x, point(i + 21, [channels])] },
      { name: `[${x.shape}] in ${groups}, mean square without factor`, fn: (a) => groupNorm(a, null, null, sizes), inputs: [x] },
    ];
  });
