// Confidence that means what it says: scores divided by one temperature, which is found on held-out data.

import { checkDataset } from '../data/contract.js';
import type { AnyDataset, BatchPart } from '../data/dataset.js';
import { DataLoader } from '../data/loader.js';
import { ArgumentError, ShapeError, checkInteger, checkNumber, checkOptions, describeShape, expected } from '../errors.js';
import { isFloat } from '../dtype.js';
import { checkLayer } from '../layers/check.js';
import { type AnyLayer, Layer } from '../layers/layer.js';
import { registerLayers } from '../layers/registry.js';
import { CalibrationError, LogLoss } from '../metrics/probabilities.js';
import { concat } from '../ops/shape.js';
import { pick, softmax } from '../ops/softmax.js';
import { refuseInStep } from '../recording.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { predict } from '../training/evaluate.js';

/** Options of {@link calibrateTemperature}. */
export interface CalibrateTemperatureOptions {
  /** Examples per forward pass; default 256. */
  readonly batchSize?: number;
  /** Bins of the calibration error; default 15. */
  readonly bins?: number;
}

/** Figures of a model's probabilities. */
export interface CalibrationFigures {
  /** Mean of −ln p of each example's class. */
  readonly logLoss: number;
  /** Expected calibration error, see {@link CalibrationError}. */
  readonly calibrationError: number;
}

/** What {@link calibrateTemperature} found. */
export interface TemperatureCalibration {
  /** What scores are to be divided by: above 1 for a model that is too sure. */
  readonly temperature: number;
  /** Figures of the scores as they are. */
  readonly before: CalibrationFigures;
  /** Figures of the scores divided by the temperature, on the same data. */
  readonly after: CalibrationFigures;
}

/**
 * Divides scores by a temperature T, `softmax(x/T)`: decisions stay, confidence falls for T above 1.
 *
 * @throws {@link ArgumentError} for a temperature that is not positive.
 * @example
 * ```ts
 * import { Sequential, Temperature, mlp } from 'nodegrad';
 * const calibrated = new Sequential([mlp(), new Temperature(1.5)]);
 * ```
 */
export class Temperature extends Layer {
  /** What scores are divided by. */
  readonly temperature: number;

  constructor(temperature: number) {
    super();
    this.temperature = checkNumber(temperature, 'temperature', Number.MIN_VALUE);
  }

  forward(x: Tensor): Tensor {
    return x.mul(1 / this.temperature);
  }

  override config(): unknown {
    return { temperature: this.temperature };
  }

  /** The layer that `config()` describes. */
  static fromConfig({ temperature }: { temperature: number }): Temperature {
    return new Temperature(temperature);
  }
}

/** The temperatures that are looked at. */
const [coldest, hottest] = [1e-3, 1e3];

/**
 * Finds the temperature T that makes the log loss of `softmax(scores/T)` smallest on held-out data (Guo et al. 2017): nets are usually surer than
 * they are right. By 1/T the loss is convex, and its derivative `mean(Σ p·x − x_y)` is brought to zero by halving. T is kept between 0.001 and 1000,
 * where it ends for a model that is right, or wrong, everywhere.
 *
 * @param model - A model whose output is scores [examples, classes].
 * @param data - Data that it was not trained on, with class indices.
 * @throws {@link ShapeError} for a model that gives anything else, {@link ArgumentError} for targets that are no classes.
 * @example
 * ```ts
 * import { Sequential, Temperature, calibrateTemperature, datasets, mlp, split } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const [, held] = split(train, [0.9, 0.1], { stratify: true });
 * const model = mlp(); // and train it
 * const { temperature } = await calibrateTemperature(model, held);
 * const calibrated = new Sequential([model, new Temperature(temperature)]);
 * ```
 */
export async function calibrateTemperature(
  model: AnyLayer,
  data: AnyDataset,
  options: CalibrateTemperatureOptions = {},
): Promise<TemperatureCalibration> {
  refuseInStep('calibrateTemperature() was called', 'Call it between two steps');
  checkLayer(model);
  checkDataset(data, 'data');
  const { batchSize = 256, bins = 15 } = checkOptions<CalibrateTemperatureOptions>(options, 'options', ['batchSize', 'bins']);
  checkInteger(bins, 'options.bins', 1, 10_000);
  const scores = (await predict(model, data, { batchSize })) as AnyTensor;
  if (!(scores instanceof Tensor) || !isFloat(scores.dtype) || scores.rank !== 2 || scores.shape[1] < 2) {
    const given = scores instanceof Tensor ? `${scores.dtype} ${describeShape(scores.shape)}` : 'several tensors';
    throw new ShapeError(`[calibrateTemperature] expected a model that gives scores [examples, classes], received ${given}`);
  }
  const labels = await labelsOf(data, batchSize);
  return noGrad(() => {
    const wide = scores.to('float64');
    const own = pick(wide, labels).mean().item();
    /** The derivative of the log loss by 1/T. */
    const slope = (inverse: number): number => softmax(wide.mul(inverse)).mul(wide).sum(-1).mean().item() - own;
    let [low, high] = [1 / hottest, 1 / coldest];
    while (high / low > 1 + 1e-12) {
      const middle = Math.sqrt(low * high);
      if (slope(middle) < 0) low = middle;
      else high = middle;
    }
    const temperature = 1 / Math.sqrt(low * high);
    return { temperature, before: figuresOf(wide, labels, bins), after: figuresOf(wide.mul(1 / temperature), labels, bins) };
  });
}

function figuresOf(scores: Tensor<'float64'>, labels: Tensor<'int32'>, bins: number): CalibrationFigures {
  const [loss, error] = [new LogLoss(), new CalibrationError({ bins })];
  for (const metric of [loss, error]) metric.update(scores, labels);
  return { logLoss: loss.result(), calibrationError: error.result() };
}

async function labelsOf(data: AnyDataset, batchSize: number): Promise<Tensor<'int32'>> {
  const parts: Tensor<'int32'>[] = [];
  for await (const [, targets] of new DataLoader<BatchPart, BatchPart>(data, { batchSize })) {
    const given = targets as unknown as AnyTensor;
    if (!(given instanceof Tensor) || isFloat(given.dtype) || given.rank !== 1)
      throw new ArgumentError(expected('a data set with class indices, int32 or uint8,', 'data', data));
    parts.push((given as AnyTensor).to('int32'));
  }
  return parts.length === 1 ? parts[0] : concat(parts);
}

registerLayers({ Temperature });
