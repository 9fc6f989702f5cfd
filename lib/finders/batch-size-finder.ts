// The batch-size finder: how noisy gradients are says how large a batch is worth its price.

import { checkDataset } from '../data/contract.js';
import type { AnyDataset, BatchPart } from '../data/dataset.js';
import { type AnyPair, DataLoader } from '../data/loader.js';
import { AbortedError, ArgumentError, checkInteger, checkOptions, expected } from '../errors.js';
import { isAbortSignal } from '../foreign.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { Loss } from '../losses/loss.js';
import { SGD } from '../optimizers/sgd.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { fitPreprocessing, preprocessed } from '../preprocessing/of-model.js';
import { ProgressBar, type ProgressOption } from '../progress.js';
import { getSeed } from '../seed.js';
import { refuseInStep } from '../recording.js';
import { lossOf } from '../training/evaluate.js';
import { rememberModes } from '../training/modes.js';
import { keepingState } from './keeping-state.js';
import { plural } from '../words.js';

/** Options of {@link batchSizeFinder}. */
export interface BatchSizeFinderOptions {
  /** The loss, a mean over examples. */
  readonly loss: Loss;
  /** Examples of the small batches; default 8. */
  readonly small?: number;
  /** Examples of the large batches, a multiple of `small`; default 16 small batches, or as many as the data have. */
  readonly large?: number;
  /** Large batches that are measured; default 16. */
  readonly draws?: number;
  /** Decides which examples they have; default: the seed of `setSeed`. */
  readonly seed?: number;
  /** Stops between two batches; the state is put back all the same. */
  readonly signal?: AbortSignal;
  /** A bar on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
}

/** What {@link batchSizeFinder} found. */
export interface GradientNoise {
  /** The simple noise scale S/|G|²; infinite where the gradient cannot be told from noise: the model has converged, or `draws` are too few. */
  readonly noiseScale: number;
  /** S, the sum of the variances of the gradient of one example. */
  readonly variance: number;
  /** |G|², the squared norm of the true gradient. */
  readonly squaredNorm: number;
  /** The power of two next to the noise scale, at most the number of examples; null where that is infinite. */
  readonly suggestion: number | null;
}

/**
 * Measures the gradient noise scale (McCandlish et al. 2018): with batches of about `B = S/|G|²` examples a step makes half the progress that the whole
 * data would allow; much smaller ones waste steps, much larger ones waste examples. It grows as the loss falls: measure it again later in a run.
 *
 * From the squared norms of gradients of b and B examples, `|G|² = (B·|G_B|² − b·|G_b|²)/(B − b)` and `S = (|G_b|² − |G_B|²)/(1/b − 1/B)`, each averaged
 * over all draws before they are divided. The large batch is the mean of its small ones, so that batch norm sees small ones alone.
 *
 * Weights, statistics of batch norm and generators are afterwards as they were; gradients are zero.
 *
 * @throws {@link ArgumentError} for sizes that do not fit, {@link AbortedError} when the signal stopped it.
 * @example
 * ```ts
 * import { CrossEntropyLoss, batchSizeFinder, datasets, mlp } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const { noiseScale, suggestion } = await batchSizeFinder(mlp(), train, { loss: new CrossEntropyLoss() });
 * ```
 */
export async function batchSizeFinder(model: AnyLayer, data: AnyDataset, options: BatchSizeFinderOptions): Promise<GradientNoise> {
  refuseInStep('batchSizeFinder() was called', 'Call it between two steps');
  checkLayer(model);
  checkDataset(data, 'data');
  const known = ['loss', 'small', 'large', 'draws', 'seed', 'signal', 'progress'];
  const { loss, seed = getSeed(), signal, progress, ...given } = checkOptions<BatchSizeFinderOptions>(options, 'options', known);
  if (!(loss instanceof Loss)) throw new ArgumentError(expected('a Loss, such as new CrossEntropyLoss()', 'options.loss', loss));
  if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
  const half = Math.floor(data.length / 2);
  if (half === 0) throw new ArgumentError(`gradients of two batches are compared, and '${data.name}' has ${plural(data.length, 'example')}`);
  const small = checkInteger(given.small ?? Math.min(8, half), 'options.small', 1, half);
  const large = checkInteger(given.large ?? small * Math.min(16, Math.floor(data.length / small)), 'options.large', 2 * small, data.length);
  const draws = checkInteger(given.draws ?? 16, 'options.draws', 1, 100_000);
  if (large % small !== 0) throw new ArgumentError(expected(`a multiple of the small batches' ${small} examples`, 'options.large', large));
  const bar = new ProgressBar(progress, 'measuring gradients', draws * (large / small));
  await fitPreprocessing(model, data, progress);
  const loader = new DataLoader<BatchPart, BatchPart>(preprocessed(model, data), { batchSize: small, shuffle: true, dropLast: true, seed });
  const optimizer = new SGD(model, { lr: 0 }) as unknown as Optimizer;
  const restore = rememberModes(model);
  let [ofSmall, ofLarge, batches] = [0, 0, 0];
  try {
    await keepingState(model, optimizer, async () => {
      let sum: Float64Array | null = null;
      let inLarge = 0;
      for (let draw = 0; draw < draws; )
        for await (const batch of loader) {
          if (signal?.aborted) throw new AbortedError('the batch-size finder was stopped', { cause: signal.reason });
          const gradient = gradientOf(model, optimizer, loss, batch as unknown as AnyPair);
          ofSmall += squaredNorm(gradient);
          batches += 1;
          bar.update(batches);
          sum = sum === null ? gradient : add(sum, gradient);
          inLarge += 1;
          if (inLarge * small < large) continue;
          ofLarge += squaredNorm(sum) / (inLarge * inLarge);
          [sum, inLarge] = [null, 0];
          draw += 1;
          if (draw === draws) break;
        }
    });
  } finally {
    bar.end();
    restore();
  }
  return noiseOf(ofSmall / batches, ofLarge / draws, small, large, data.length);
}

function noiseOf(ofSmall: number, ofLarge: number, small: number, large: number, most: number): GradientNoise {
  const norm = (large * ofLarge - small * ofSmall) / (large - small);
  const variance = (ofSmall - ofLarge) / (1 / small - 1 / large);
  const noiseScale = norm > 0 ? Math.max(0, variance) / norm : Number.POSITIVE_INFINITY;
  let suggestion = 1;
  while (suggestion * Math.SQRT2 < noiseScale && suggestion * 2 <= most) suggestion *= 2;
  return { noiseScale, variance, squaredNorm: norm, suggestion: Number.isFinite(noiseScale) ? suggestion : null };
}

/** The gradient of a batch by all parameters, one after the other. */
function gradientOf(model: AnyLayer, optimizer: Optimizer, loss: Loss, [inputs, targets, weights]: AnyPair): Float64Array {
  model.train();
  optimizer.zeroGrad();
  lossOf(loss, model.forward(inputs as never) as never, targets, weights).backward();
  const gradients = model.parameters().flatMap(({ grad }) => (grad === null ? [] : [grad.data]));
  const all = new Float64Array(gradients.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const one of gradients) {
    all.set(one, at);
    at += one.length;
  }
  return all;
}

function squaredNorm(values: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * values[i];
  return sum;
}

function add(to: Float64Array, values: Float64Array): Float64Array {
  for (let i = 0; i < to.length; i++) to[i] += values[i];
  return to;
}
