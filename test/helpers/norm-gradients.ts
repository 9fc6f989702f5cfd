// Gradient-check cases of the normalizations.
import type { Tensor } from '../../lib/index.js';
import { batchNorm, batchNormStatistics } from '../../lib/ops/batch_norm.js';
import { groupNorm } from '../../lib/ops/group_norm.js';
import { rootMeanSquareCases } from './attention-gradients.js';
import { f64 } from './build.js';
import type { GradientCase } from './gradients.js';
import { Seeded } from './seeded.js';

type Double = Tensor<'float64'>;

function point(seed: number, shape: readonly number[], low = -2, high = 2): Double {
  const size = shape.reduce((product, length) => product * length, 1);
  return f64(new Seeded(seed).uniform(size, low, high), shape);
}

export const normCases: Record<string, () => GradientCase[]> = {
  batch_norm: () =>
    [
      [2, 1],
      [5, 3],
      [9, 17],
      [3, 66],
      [2, 3, 2],
      [2, 2, 3, 5],
    ].flatMap((shape, i): GradientCase[] => {
      const channels = shape[shape.length - 1];
      const [x, gamma, beta] = [point(i + 1, shape), point(i + 21, [channels]), point(i + 41, [channels])];
      const fixed = [point(i + 61, [channels]), point(i + 81, [channels], 0.5, 2)] as const;
      const options = { eps: 1e-3, ofInput: true };
      return [
        { name: `[${shape}]`, fn: (a, g, b) => batchNorm(a, batchNormStatistics(a), g, b, options), inputs: [x, gamma, beta] },
        { name: `[${shape}] without factor and shift`, fn: (a) => batchNorm(a, batchNormStatistics(a), null, null, options), inputs: [x] },
        {
          name: `[${shape}] by fixed statistics`,
          fn: (a, g, b) => batchNorm(a, fixed, g, b, { eps: 1e-3, ofInput: false }),
          inputs: [x, gamma, beta],
        },
      ];
    }),
  group_norm: () =>
    rootMeanSquareCases().concat(
      [
        [2, 1, 5, 1],
        [2, 3, 6, 2],
        [1, 4, 3, 3],
        [2, 2, 4, 1],
      ].flatMap(([examples, positions, channels, groups], i): GradientCase[] => {
        const sizes = { examples, positions, channels, groups, eps: 1e-3 };
        const x = point(i + 1, [examples, positions, channels]);
        return [
          {
            name: `[${x.shape}] in ${groups}`,
            fn: (a, g, b) => groupNorm(a, g, b, sizes),
            inputs: [x, point(i + 21, [channels]), point(i + 41, [channels])],
          },
          { name: `[${x.shape}] in ${groups}, without factor and shift`, fn: (a) => groupNorm(a, null, null, sizes), inputs: [x] },
        ];
      }),
    ),
};
