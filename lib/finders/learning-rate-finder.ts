// The learning-rate finder: one short sweep from far too small to far too large, and everything as before afterwards.

import { checkDataset } from '../data/contract.js';
import type { AnyDataset } from '../data/dataset.js';
import { ArgumentError, checkInteger, checkNumber, checkObject, checkOptions, expected } from '../errors.js';
import { checkLayer } from '../layers/check.js';
import type { AnyLayer } from '../layers/layer.js';
import type { Loss } from '../losses/loss.js';
import { exp, log } from '../ops/elementwise.js';
import { Optimizer } from '../optimizers/optimizer.js';
import { type ChartPanel, chart } from '../pictures/chart.js';
import { number } from '../pictures/svg.js';
import { ProgressBar, type ProgressOption } from '../progress.js';
import { refuseInStep } from '../recording.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import { Tensor, noGrad } from '../tensor.js';
import type { BatchRecord, TrainingRun } from '../training/callbacks.js';
import { TrainingNonFiniteError } from '../training/errors.js';
import { fit } from '../training/fit.js';
import type { FitOptions } from '../training/fit-options.js';
import { keepingState } from './keeping-state.js';

/** Options of {@link learningRateFinder}. */
export interface LearningRateFinderOptions {
  /** The loss. */
  readonly loss: Loss;
  /** The optimizer, made with the model. */
  // biome-ignore lint/suspicious/noExplicitAny: options of the optimizer do not matter here.
  readonly optimizer: Optimizer<any>;
  /** Rate of the first step; default 1e-6. */
  readonly from?: number;
  /** Rate of the last step; default 10. */
  readonly to?: number;
  /** Steps of the sweep; default 120. */
  readonly steps?: number;
  /** Examples per step; default 32, as for `fit`. */
  readonly batchSize?: number;
  /** How many times the smallest smoothed loss ends the sweep; default 4. */
  readonly explosion?: number;
  /** Largest norm of the gradients, as for `fit`; default: as they are. */
  readonly maxGradNorm?: number;
  /** What keeps weights small, as for `fit`; default: nothing. */
  readonly regularizers?: readonly Regularizer[];
  /** How values between products are stored, as for `fit`; default `'float32'`. */
  readonly precision?: FitOptions['precision'];
  /** Decides the order of the examples; default: the seed of `setSeed`. */
  readonly seed?: number;
  /** A line on a terminal, where it takes longer than a second: standard error; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
  /** Stops between two steps; the state is put back all the same. */
  readonly signal?: AbortSignal;
}

/** What {@link learningRateFinder} found. */
export interface LearningRateSweep {
  /** Rate of each step. */
  readonly rates: readonly number[];
  /** Loss of each step. */
  readonly losses: readonly number[];
  /** The same, smoothed. */
  readonly smoothed: readonly number[];
  /** The rate where the smoothed loss falls fastest by the logarithm of the rate; null where it never falls by a twentieth. */
  readonly steepest: number | null;
  /** The rate of the smallest smoothed loss; null likewise. */
  readonly minimum: number | null;
  /** What to train with: the steepest descent, or a tenth of the minimum where that is less. */
  readonly suggestion: number | null;
  /** Why the sweep ended. */
  readonly ended: 'exploded' | 'completed';
}

const known = [
  'progress',
  'loss',
  'optimizer',
  'from',
  'to',
  'steps',
  'batchSize',
  'explosion',
  'maxGradNorm',
  'regularizers',
  'precision',
  'seed',
  'signal',
];

/**
 * Looks for a learning rate (Smith 2017): trains for some steps while the rate grows exponentially, `from·(to/from)^(i/(steps−1))`, and ends when the
 * smoothed loss is `explosion` times its smallest, or not finite. All groups of the optimizer get the same rate.
 *
 * The rule of the suggestion: where the smoothed loss falls fastest by the logarithm of the rate, and at most a tenth of the rate where it is
 * smallest. Losses are smoothed forward and backward with a decay of 0.8, so that curves are not shifted. It is a first guess: a schedule that
 * warms up may take more.
 *
 * Weights, statistics of batch norm, state and options of the optimizer, and all generators are afterwards as they were, whatever happened;
 * a training that follows has the bits it would have had. Preprocessing that has learned nothing yet learns from `data`, as in `fit`.
 *
 * @throws what {@link Model.fit} throws, but for losses that the rate makes not finite.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, datasets, learningRateFinder, learningRatePicture, mlp } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const model = mlp();
 * const optimizer = new Adam(model, { lr: 1e-3 });
 * const found = await learningRateFinder(model, train, { loss: new CrossEntropyLoss(), optimizer });
 * if (found.suggestion !== null) optimizer.lr = found.suggestion;
 * const picture = learningRatePicture(found); // an SVG
 * ```
 */
export async function learningRateFinder(model: AnyLayer, data: AnyDataset, options: LearningRateFinderOptions): Promise<LearningRateSweep> {
  refuseInStep('learningRateFinder() was called', 'Call it between two steps');
  checkLayer(model);
  checkDataset(data, 'data');
  const given = checkOptions<LearningRateFinderOptions>(options, 'options', known);
  const { optimizer, explosion = 4, seed, batchSize, loss, maxGradNorm, regularizers, precision, progress, signal } = given;
  if (!(optimizer instanceof Optimizer))
    throw new ArgumentError(expected('an optimizer, such as new Adam(model, { lr: 1e-3 })', 'options.optimizer', optimizer));
  const from = checkNumber(given.from ?? 1e-6, 'options.from', Number.MIN_VALUE);
  const to = checkNumber(given.to ?? 10, 'options.to', from);
  const steps = checkInteger(given.steps ?? 120, 'options.steps', 10, 100_000);
  checkNumber(explosion, 'options.explosion', 1);
  const sweep = ratesOf(from, to, steps);
  const losses: number[] = [];
  let ended: LearningRateSweep['ended'] = 'completed';
  const choose = (rate: number): void => {
    for (const group of optimizer.groups) group.options.lr = rate;
  };
  let [average, least] = [0, Number.POSITIVE_INFINITY];
  const watch = {
    onBatchEnd: ({ loss: value }: BatchRecord<never>, run: TrainingRun): void => {
      losses.push(value);
      bar.update(losses.length);
      average = decay * average + (1 - decay) * value;
      const smooth = average / (1 - powers[losses.length]);
      least = Math.min(least, smooth);
      if (losses.length >= 10 && smooth > explosion * least) ended = 'exploded';
      if (ended === 'exploded' || losses.length === steps) run.stop('the sweep is complete');
      else choose(sweep[losses.length]);
    },
  };
  const bar = new ProgressBar(progress, 'trying learning rates', steps);
  const decay = 0.8;
  const powers = [1];
  for (let i = 0; i < steps; i++) powers.push(powers[i] * decay);
  await keepingState(model, optimizer, async () => {
    choose(sweep[0]);
    const rest = { loss, seed, batchSize, maxGradNorm, regularizers, precision, signal };
    try {
      await fit(model, data, { ...rest, optimizer, epochs: steps, callbacks: [watch], metrics: [], progress: false, log: false });
    } catch (error) {
      // Numbers in the data that are not finite say nothing about rates.
      if (!(error instanceof TrainingNonFiniteError) || ['input', 'target', 'weight'].includes(error.place.what)) throw error;
      ended = 'exploded';
    } finally {
      bar.end();
    }
  });
  return { ...judge(sweep.slice(0, losses.length), losses), ended };
}

/** Rates with equal quotients. */
function ratesOf(from: number, to: number, steps: number): number[] {
  return noGrad(() => {
    const [low, high] = log(Tensor.from(Float64Array.of(from, to)) as unknown as Tensor<'float64'>).data;
    const places = Float64Array.from({ length: steps }, (_, i) => low + ((high - low) * i) / (steps - 1));
    return [...exp(Tensor.from(places) as unknown as Tensor<'float64'>).data];
  });
}

/** An average with a decay of 0.8, corrected for its beginning. */
function averaged(values: readonly number[]): number[] {
  let [average, weight] = [0, 0];
  return values.map((value) => {
    average = 0.8 * average + 0.2 * value;
    weight = 0.8 * weight + 0.2;
    return average / weight;
  });
}

/**
 * Smooths without a shift: forward, and back over that. What explodes, the losses behind the last one that is at most the first ones' mean, is left
 * out of the way back, on which it would reach far.
 */
function smoothed(losses: readonly number[]): number[] {
  const forward = averaged(losses);
  const start = forward[Math.min(4, forward.length - 1)];
  const end = losses.findLastIndex((value) => value <= start) + 1;
  return [...averaged(averaged(losses.slice(0, end)).reverse()).reverse(), ...forward.slice(end)];
}

function judge(rates: readonly number[], losses: readonly number[]): Omit<LearningRateSweep, 'ended'> {
  const smooth = smoothed(losses);
  const at = smooth.indexOf(Math.min(...smooth));
  const start = smooth[0] ?? Number.NaN;
  const hasFallen = smooth.length >= 10 && start - smooth[at] > 0.05 * Math.abs(start);
  if (!hasFallen) return { rates, losses, smoothed: smooth, steepest: null, minimum: null, suggestion: null };
  // Rates have equal quotients: differences over four steps are slopes by their logarithm.
  let [best, fall] = [0, Number.NEGATIVE_INFINITY];
  for (let i = 2; i <= Math.min(at, smooth.length - 3); i++) {
    const fell = smooth[i - 2] - smooth[i + 2];
    if (fell > fall) [best, fall] = [i, fell];
  }
  const [steepest, minimum] = [rates[best], rates[at]];
  return { rates, losses, smoothed: smooth, steepest, minimum, suggestion: Math.min(steepest, minimum / 10) };
}

/** @internal The curve as a panel. */
export function learningRatePanel({ rates, losses, smoothed: smooth, steepest, minimum, suggestion }: LearningRateSweep): ChartPanel {
  const least = Math.min(...losses);
  const first = losses[0] ?? 1;
  const span = Math.max(first - least, 1e-3 * Math.abs(first), Number.MIN_VALUE);
  const marks = Object.entries({ suggestion, 'steepest descent': steepest, minimum }).flatMap(([name, x]) =>
    x === null || (name !== 'suggestion' && x === suggestion) ? [] : [{ x, name: `${name} ${number(x)}` }],
  );
  return {
    title: suggestion === null ? 'No rate lets the loss fall' : `Try a learning rate of ${number(suggestion)}`,
    remark: 'The loss while the learning rate grows from step to step',
    xLabel: 'learning rate',
    yLabel: 'loss',
    xScale: 'log',
    yRange: [least - 0.05 * span, first + 0.6 * span],
    series: [
      { name: 'each step', x: rates, y: losses, kind: 'points' },
      { name: 'smoothed', x: rates, y: smooth },
    ],
    marks,
  };
}

const whatIsFound = 'what learningRateFinder() gave';

/**
 * Draws what {@link learningRateFinder} found.
 *
 * @returns An SVG document that refers to no other file.
 * @throws {@link ArgumentError} for anything else.
 * @example
 * ```ts
 * import { type LearningRateSweep, learningRatePicture } from 'nodegrad';
 * const draw = (found: LearningRateSweep): string => learningRatePicture(found);
 * ```
 */
export function learningRatePicture(found: LearningRateSweep): string {
  const { rates, losses, smoothed: smooth, suggestion, steepest, minimum } = checkObject<LearningRateSweep>(found, 'found', whatIsFound);
  const areNumbers = (list: unknown): boolean => Array.isArray(list) && list.every((one) => typeof one === 'number');
  const areRates = [suggestion, steepest, minimum].every((rate) => rate === null || Number.isFinite(rate));
  if (![rates, losses, smooth].every(areNumbers) || !areRates) throw new ArgumentError(expected(whatIsFound, 'found', found));
  return chart([learningRatePanel(found)], { title: 'Learning-rate finder' });
}
