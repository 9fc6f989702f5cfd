// Targets of regression that are scaled while a model trains, and what gives the trained model their units.

import { checkDataset, memoryOf, whenThere } from '../data/contract.js';
import { isClassIndices } from '../data/class-indices.js';
import {
  type AnyDataset,
  type AsyncDataset,
  type Batch,
  type BatchPart,
  type Dataset,
  type DatasetSplit,
  type EpochKey,
  type ExampleMemory,
  type ShapeOf,
  isInMemory,
} from '../data/dataset.js';
import type { ColumnSchema } from '../data/columns.js';
import type { DType } from '../dtype.js';
import { ArgumentError, ShapeError, describe, describeShape } from '../errors.js';
import { keepNames } from '../names.js';
import type { AnyLayer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { StandardScaler } from '../preprocessing/standard-scaler.js';
import { type AnyTensor, Tensor } from '../tensor.js';

/**
 * Scales the targets of a regression to mean 0 and standard deviation 1 while a model trains, and gives its last layer their units afterwards:
 * `W·std` and `b·std + mean`. Prices of hundreds of thousands are out of reach of a net that begins near 0 (course row B01); the trained model
 * predicts them all the same, and its file needs nothing else.
 *
 * @example
 * ```ts
 * import { Adam, MSELoss, TargetScaler, TensorDataset, mlp, tensor } from 'nodegrad';
 * const data = new TensorDataset(tensor([[60], [80], [100]]), tensor([[200_000], [290_000], [410_000]]));
 * const model = mlp({ inputShape: [1], hidden: [8], classes: 1 });
 * const scaler = new TargetScaler().fit(data);
 * await model.fit(scaler.scaled(data), { loss: new MSELoss(), optimizer: new Adam(model), epochs: 20, log: false });
 * scaler.foldInto(model);
 * await model.predict(tensor([[90]])); // in the units of the targets
 * ```
 */
export class TargetScaler {
  readonly #scaler = new StandardScaler();
  readonly #folded = new WeakSet<AnyLayer>();

  /** Means of the targets, of the shape of one. */
  get mean(): Tensor<'float64'> {
    return this.#scaler.shift;
  }

  /** Standard deviations of the targets; 1 where they are all the same. */
  get std(): Tensor<'float64'> {
    return this.#scaler.scale;
  }

  /**
   * Learns mean and deviation from the targets of training data.
   *
   * @returns itself; a promise of itself for a data set that has to be waited for
   * @throws {@link ArgumentError} for class indices, the validation or test part of a split, and targets that are not finite.
   */
  fit(data: AsyncDataset): Promise<this>;
  fit<X extends BatchPart, Y extends DType>(data: Dataset<X, Y>): this;
  fit(data: AnyDataset): this | Promise<this>;
  fit(data: AnyDataset): this | Promise<this> {
    checkDataset(data, 'data');
    const { name, length, split, targetShape } = data;
    const targets = (batch: Batch<BatchPart, BatchPart>): Batch<DType, DType> => {
      const inputs = checkNumbers(batch.targets, name);
      return { inputs, targets: inputs };
    };
    const turned = {
      name: `${name} (targets)`,
      length,
      split,
      inputShape: targetShape,
      targetShape,
      batch: (indices: Int32Array) => whenThere((data as Dataset<BatchPart, BatchPart>).batch(indices), targets),
    };
    return whenThere(this.#scaler.fit(turned as AnyDataset), () => this) as this | Promise<this>;
  }

  /**
   * The same examples with `(target − mean) / std`: what the model is trained on, and its validation data while it trains.
   *
   * @throws {@link ArgumentError} before `fit`.
   */
  scaled<X extends BatchPart, Y extends DType>(data: Dataset<X, Y>): Dataset<X, 'float32'>;
  scaled<X extends BatchPart, Y extends DType>(data: AsyncDataset<X, Y>): AsyncDataset<X, 'float32'>;
  scaled(data: AnyDataset): AnyDataset {
    checkDataset(data, 'data');
    void this.mean; // says what is missing before `fit`
    return new ScaledTargets(data as Dataset<BatchPart, BatchPart>, this.#scaler) as AnyDataset;
  }

  /**
   * Gives the last layer the units of the targets, in place: once, after training. A model that is trained on needs the scaled targets and the
   * weights from before.
   *
   * @param model - A {@link Linear}, or a stack that ends in one, such as {@link mlp} gives.
   * @throws {@link ArgumentError} before `fit`, for a model that does not end in a `Linear` with a bias, and for one that has the units already;
   *   {@link ShapeError} where it has another number of outputs.
   */
  foldInto(model: AnyLayer): void {
    const [mean, std] = [this.mean.data, this.std.data];
    const last = lastOf(model);
    if (!(last instanceof Linear) || last.bias === null)
      throw new ArgumentError(`expected a model whose last layer is a Linear with a bias for \`model\`, received ${describe(model)}`);
    if (last.outFeatures !== mean.length)
      throw new ShapeError(`the model has ${last.outFeatures} outputs, and the targets were of shape ${describeShape(this.mean.shape)}`);
    if (this.#folded.has(last)) throw new ArgumentError('the last layer of this model has the units of the targets already');
    this.#folded.add(last);
    const [weights, bias] = [last.weight.data, last.bias.data];
    for (let i = 0; i < weights.length; i++) weights[i] *= std[i % std.length];
    for (let j = 0; j < bias.length; j++) bias[j] = bias[j] * std[j] + mean[j];
  }
}

/** The last of the layers of a stack, and of the stacks in it. */
function lastOf(model: AnyLayer): AnyLayer {
  const { layers } = (model ?? {}) as { readonly layers?: unknown };
  return Array.isArray(layers) && layers.length > 0 ? lastOf(layers[layers.length - 1]) : model;
}

function checkNumbers(targets: unknown, name: string): AnyTensor {
  const numbers = Tensor.check(targets as AnyTensor, `targets of data set '${name}'`);
  if (isClassIndices(numbers)) throw new ArgumentError(`the targets of data set '${name}' are class indices, which are not scaled`);
  return numbers;
}

/** A data set whose targets are scaled: where they lie in memory once, of others batch by batch. */
class ScaledTargets implements Dataset<BatchPart, 'float32'> {
  readonly name: string;
  readonly length: number;
  readonly inputShape: ShapeOf<BatchPart>;
  readonly targetShape: readonly number[];
  readonly split?: DatasetSplit;
  readonly features?: readonly ColumnSchema[];
  readonly memory?: () => ExampleMemory<BatchPart, 'float32'>;
  readonly #data: Dataset<BatchPart, BatchPart>;
  readonly #scaler: StandardScaler;

  constructor(data: Dataset<BatchPart, BatchPart>, scaler: StandardScaler) {
    this.#data = data;
    this.#scaler = scaler;
    this.name = data.name;
    this.length = data.length;
    this.inputShape = data.inputShape;
    this.targetShape = data.targetShape as readonly number[];
    if (data.split !== undefined) this.split = data.split;
    if (data.features !== undefined) this.features = data.features;
    if (!isInMemory(data)) return;
    let made: ExampleMemory<BatchPart, 'float32'> | null = null;
    this.memory = () => {
      const memory = memoryOf(data);
      return (made ??= { ...memory, targets: this.#scale(memory.targets) });
    };
  }

  batch(indices: Int32Array, key?: EpochKey): Batch<BatchPart, 'float32'> {
    const made = whenThere(this.#data.batch(indices, key), (batch) => ({ ...batch, targets: this.#scale(batch.targets) }));
    return made as Batch<BatchPart, 'float32'>; // or a promise, as the set gives
  }

  #scale(targets: unknown): Tensor {
    return this.#scaler.transform(checkNumbers(targets, this.name)) as Tensor;
  }
}

keepNames({ TargetScaler });
