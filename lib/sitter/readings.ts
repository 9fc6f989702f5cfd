// What the sitter reads off a run in numbers: initial loss against chance, dead units, update-to-weight ratio, and when a loss has exploded.

import { called } from '../ops/called.js';
import { ArgumentError, expected } from '../errors.js';
import { observeForward } from '../layers/forward.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import type { TensorTree } from '../tree.js';
import { rememberModes } from '../training/modes.js';
import { formatCount, formatScore } from '../training/progress.js';

/** A number that was read off a run, and what to make of it. */
export interface Reading {
  /** What was looked at. */
  readonly about: 'initial loss' | 'dead units' | 'update ratio';
  /** Whether there is anything to do. */
  readonly verdict: 'good' | 'warning';
  /** What was read, and what to try. */
  readonly text: string;
}

/** Share of units of one ReLU layer that put out nothing for any example. */
export interface DeadUnits {
  /** Path of the layer. */
  readonly path: string;
  /** Units that stayed at zero. */
  readonly dead: number;
  /** All units. */
  readonly units: number;
}

/** Above this share of the first loss, a loss has exploded. Course row J13. */
const explosionFactor = 3;
/** First weights as He and Xavier draw them, on wide inputs, begin at up to three times the loss of chance, and train well. */
const [aboveChance, belowChance] = [5, 1.5];
const ratioBounds = { small: 1e-5, good: 1e-3, large: 1e-1 } as const;
const deadShare = 0.4;

/**
 * The index of the first loss above three times the first one, or not finite; −1 when none is. Course rows J12, J13.
 *
 * @example
 * ```ts
 * import { explodedAt } from 'nodegrad';
 * explodedAt([2.3, 5, 6.8, 7]); // 3
 * ```
 */
export function explodedAt(losses: readonly number[]): number {
  // A little room: 3 · 2.3 is a hair below 6.9 in binary.
  if (!Array.isArray(losses)) throw new ArgumentError(expected('an array of losses', 'losses', losses));
  // By its size: a loss that is below zero from the beginning explodes upwards, too.
  const limit = losses[0] + (explosionFactor - 1) * (1 + 1e-12) * Math.abs(losses[0]);
  return losses.findIndex((loss) => !(loss <= limit));
}

/**
 * Verdict on the loss of an untrained model: a model that knows nothing has that of chance, ln C for C classes. Regularization is to be
 * off for this look; weight decay in the optimizer does not enter the loss. Course rows J02, J03.
 *
 * @param loss - Of the first batch, before the first update.
 * @param chance - Of a model that knows nothing.
 * @param classes - C.
 * @example
 * ```ts
 * import { judgeInitialLoss } from 'nodegrad';
 * judgeInitialLoss(2.31, 2.3026, 10).verdict; // 'good'
 * ```
 */
export function judgeInitialLoss(loss: number, chance: number, classes: number): Reading {
  for (const [argument, value] of Object.entries({ loss, chance })) {
    if (typeof value !== 'number') throw new ArgumentError(expected('a number', argument, value));
  }
  const about = 'initial loss';
  const against = `initial loss ${formatScore(loss)} against ${formatScore(chance)} by chance (ln ${classes})`;
  if (loss > aboveChance * chance) {
    return {
      about,
      verdict: 'warning',
      text: `${against}: ${(loss / chance).toPrecision(2)} times too high. The first weights or the inputs are too large: keep the default initializer, and centre and scale the inputs`,
    };
  }
  if (loss < chance / belowChance) {
    return {
      about,
      verdict: 'warning',
      text: `${against}: lower than chance allows. Either the model is trained already, or the inputs give the targets away`,
    };
  }
  return { about, verdict: 'good', text: `${against}: as it should be` };
}

/**
 * Verdict on a ratio of update to weights, which is to be about 1e-3 per step. Course rows J24, J25.
 *
 * @example
 * ```ts
 * import { judgeUpdateRatio } from 'nodegrad';
 * judgeUpdateRatio(1e-6); // 'too small'
 * ```
 */
export function judgeUpdateRatio(ratio: number): 'good' | 'too small' | 'too large' {
  if (typeof ratio !== 'number') throw new ArgumentError(expected('a number', 'ratio', ratio));
  if (ratio < ratioBounds.small) return 'too small';
  // A parameter of NaN compares with nothing.
  return ratio < ratioBounds.large ? 'good' : 'too large';
}

/**
 * `‖after − before‖ / ‖before‖`: how far a step moved a parameter, by its own size. Course row J24.
 *
 * @example
 * ```ts
 * import { tensor, updateRatio } from 'nodegrad';
 * updateRatio(tensor([1, 1]), tensor([0.999, 0.999])); // 0.001
 * ```
 */
export function updateRatio(before: AnyTensor, after: AnyTensor): number {
  Tensor.check(before, 'before');
  Tensor.check(after, 'after');
  const norm = (x: Tensor): number => Math.sqrt(x.mul(x).sum().item());
  return called('updateRatio', () => noGrad(() => norm((after as Tensor).sub(before as Tensor)) / norm(before as Tensor)));
}

/**
 * Counts the units of each `ReLU` and `ReLU6` layer that are zero for every example: they get no gradient and stay dead. A zero in one batch is no
 * death, so look at many examples. Course rows A19, J26.
 *
 * @param batches - Inputs to look at, after the model's preprocessing, as for `forward`: `model.preprocessing.transform(x)`.
 * @example
 * ```ts
 * import { deadUnits, mlp, zeros } from 'nodegrad';
 * deadUnits(mlp(), [zeros([64, 28, 28, 1])]); // [{ path: '2', dead: …, units: 512 }, { path: '4', … }]
 * ```
 */
export function deadUnits(model: AnyLayer, batches: Iterable<TensorTree>): DeadUnits[] {
  return countDead(peaksOf(model, batches));
}

/** Largest output of each unit of each layer whose units can die. */
export function peaksOf(model: AnyLayer, batches: Iterable<TensorTree>): Peaks {
  checkLayer(model);
  if (typeof (batches as Partial<Iterable<AnyTensor>> | null)?.[Symbol.iterator] !== 'function') {
    throw new ArgumentError(expected('an array of tensors, or what else can be iterated', 'batches', batches));
  }
  const peaks: Peaks = new Map();
  for (const inputs of batches) raisePeaks(peaks, model, inputs);
  return peaks;
}

/** Largest output of each unit, by layer. */
export type Peaks = Map<string, Tensor>;

/** Raises the peaks by a batch. */
export function raisePeaks(peaks: Peaks, model: AnyLayer, inputs: TensorTree): void {
  const look = (layer: AnyLayer, path: string, output: unknown): void => {
    if (!layer.canDie || !(output instanceof Tensor) || output.rank === 0) return;
    const highest = (output as Tensor).max(0);
    const before = peaks.get(path);
    peaks.set(path, before === undefined ? highest : highest.maximum(before));
  };
  const restore = rememberModes(model);
  try {
    model.eval();
    observeForward(look as never, () => noGrad(() => model.forward(inputs as never)));
  } finally {
    restore();
  }
}

function countDead(peaks: Peaks): DeadUnits[] {
  return [...peaks].map(([path, { data, size }]) => ({ path, dead: data.filter((peak) => peak === 0).length, units: size }));
}

/** Dead units layer by layer, from the peaks over `examples` examples. */
export function readDeadUnits(peaks: Peaks, examples: number): Reading {
  const percent = ({ dead, units }: DeadUnits): string => `${((100 * dead) / units).toFixed(1)} %`;
  const list = countDead(peaks);
  const text = `dead units: ${list.map((layer) => `${percent(layer)} of ${formatCount(layer.units)} in layer '${layer.path}'`).join(', ')} (over ${formatCount(examples)} examples)`;
  const bad = list.filter(({ dead, units }) => dead > deadShare * units);
  if (bad.length === 0) return { about: 'dead units', verdict: 'good', text };
  const where = bad.map(({ path }) => `'${path}'`).join(', ');
  return { about: 'dead units', verdict: 'warning', text: `${text}. Too many in ${where}: lower the learning rate, keep the He initializer` };
}

/** Update-to-weight ratios by path. */
export function readUpdateRatios(ratios: readonly (readonly [path: string, ratio: number])[], isLowered = false): Reading {
  const show = ([path, ratio]: readonly [string, number]): string => `${ratio.toExponential(1)} in '${path}'`;
  // Small steps are what a schedule lowers the rate for.
  const bad = ratios.filter(([, ratio]) => !['good', ...(isLowered ? ['too small'] : [])].includes(judgeUpdateRatio(ratio)));
  const isLate = isLowered && ratios.some(([, ratio]) => judgeUpdateRatio(ratio) === 'too small');
  const text = `update-to-weight ratio: ${ratios.map(show).join(', ')} (good is about ${ratioBounds.good.toExponential(0)}${isLate ? ', less where a schedule has lowered the rate' : ''})`;
  if (bad.length === 0) return { about: 'update ratio', verdict: 'good', text };
  const kind = bad.some(([, ratio]) => judgeUpdateRatio(ratio) === 'too large') ? 'large: lower' : 'small: raise';
  return { about: 'update ratio', verdict: 'warning', text: `${text}. Too ${kind} the learning rate` };
}
