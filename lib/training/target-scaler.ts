// Targets of regression that are scaled while a model trains, and what gives the trained model their units.

import { type TargetScale, aboutData, note, originOf } from '../data/about.js';
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
import { ArgumentError, ShapeError, checkFlag, checkOptions, describe, describeShape } from '../errors.js';
import { keepNames } from '../names.js';
import { Concat, Parallel } from '../layers/graph.js';
import { type AnyLayer, Layer } from '../layers/layer.js';
import { Linear } from '../layers/linear.js';
import { Exp } from '../layers/smooth-activations.js';
import { log } from '../ops/elementwise.js';
import { StandardScaler } from '../preprocessing/standard-scaler.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { refuseWithoutTarget, setTargetUnits, targetUnits } from './target-units.js';
import { refuseInTraining } from './under-way.js';

/** Options of {@link TargetScaler}. */
export interface TargetScalerOptions {
  /**
   * Take logarithms first: for targets above 0 that differ by orders of magnitude, such as prices and incomes, where errors count by their share. What the model
   * then predicts is rather the median of such targets than their mean. Default false.
   */
  readonly log?: boolean;
}

/**
 * Scales the targets of a regression to mean 0 and standard deviation 1 while a model trains, and gives its last layer their units afterwards:
 * `W·std` and `b·std + mean`, and with `log` an {@link Exp} behind it. Prices of hundreds of thousands are out of reach of a net that begins near 0
 * (course row B01); the trained model predicts them all the same, and its file needs nothing else. `fit` and `evaluate` refuse data in other units
 * than the model's.
 *
 * @throws {@link ArgumentError} for unknown options.
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
  /** Whether logarithms are scaled. */
  readonly log: boolean;
  readonly #scaler = new StandardScaler();

  constructor(options: TargetScalerOptions = {}) {
    const { log: isLog = false } = checkOptions<TargetScalerOptions>(options, 'options', ['log']);
    this.log = checkFlag(isLog, 'options.log');
  }

  /** Means of the targets, or of their logarithms, of the shape of one. */
  get mean(): Tensor<'float64'> {
    return this.#scaler.shift;
  }

  /** Standard deviations of the targets, or of their logarithms; 1 where they are all the same. */
  get std(): Tensor<'float64'> {
    return this.#scaler.scale;
  }

  /**
   * Learns mean and deviation from the targets of training data.
   *
   * @returns itself; a promise of itself for a data set that has to be waited for
   * @throws {@link ArgumentError} for class indices, the validation or test part of a split, a table without a target, and targets that are not finite or, for
   *   `log`, not above 0: it names their row.
   */
  fit(data: AsyncDataset): Promise<this>;
  fit<X extends BatchPart, Y extends DType>(data: Dataset<X, Y>): this;
  fit(data: AnyDataset): this | Promise<this>;
  fit(data: AnyDataset): this | Promise<this> {
    checkDataset(data, 'data');
    const { name, length, split, targetShape } = data;
    refuseWithoutTarget(data);
    refuseScaledTargets(data);
    const turned = {
      name: `${name} (targets)`,
      length,
      split,
      inputShape: targetShape,
      targetShape,
      batch: (indices: Int32Array) =>
        whenThere((data as Dataset<BatchPart, BatchPart>).batch(indices), ({ targets }): Batch<DType, DType> => {
          const inputs = numbersOf(targets, name, this.log, (row) => indices[row]);
          return { inputs, targets: inputs };
        }),
    };
    return whenThere(this.#scaler.fit(turned as AnyDataset), () => this) as this | Promise<this>;
  }

  /**
   * The same examples with `(target − mean) / std`, or `(ln target − mean) / std`: what the model is trained on, and its validation data while it trains.
   *
   * @throws {@link ArgumentError} before `fit`, and for data that are scaled already; where they are read, for targets that have no logarithm.
   */
  scaled<X extends BatchPart, Y extends DType>(data: Dataset<X, Y>): Dataset<X, 'float32'>;
  scaled<X extends BatchPart, Y extends DType>(data: AsyncDataset<X, Y>): AsyncDataset<X, 'float32'>;
  scaled(data: AnyDataset): AnyDataset {
    checkDataset(data, 'data');
    const scale = { mean: this.mean.data, std: this.std.data, log: this.log }; // says what is missing before `fit`
    refuseScaledTargets(data);
    return new ScaledTargets(data as Dataset<BatchPart, BatchPart>, this.#scaler, scale) as AnyDataset;
  }

  /**
   * Gives the last layer the units of the targets, in place: once, after training. Later training of the model, or of its clone, takes the data as they are.
   *
   * @param model - A {@link Linear}, or a stack that ends in one, such as {@link mlp} gives. With `log` it is a stack, which gets an {@link Exp} at its end.
   * @throws {@link ArgumentError} before `fit`, for a model that does not end in a `Linear` with a bias, and for one that has the units already;
   *   {@link ShapeError} where it has another number of outputs; {@link BusyError} while the model is in training.
   */
  foldInto(model: AnyLayer): void {
    refuseInTraining(model, 'foldInto()');
    const [mean, std] = [this.mean.data, this.std.data];
    const { stack, last } = endOf(model);
    if (last instanceof Layer && targetUnits(last) === 'targets')
      throw new ArgumentError('the last layer of this model has the units of the targets already');
    if (!(last instanceof Linear) || last.bias === null)
      throw new ArgumentError(`expected a model whose last layer is a Linear with a bias for \`model\`, received ${describe(model)}`);
    if (last.outFeatures !== mean.length)
      throw new ShapeError(`the model has ${last.outFeatures} outputs, and the targets were of shape ${describeShape(this.mean.shape)}`);
    if (this.log && stack === null)
      throw new ArgumentError(
        `expected a stack of layers for \`model\`, whose end the exponential of \`log\` becomes, received ${describe(model)}`,
      );
    const [weights, bias] = [last.weight.data, last.bias.data];
    for (let i = 0; i < weights.length; i++) weights[i] *= std[i % std.length];
    for (let j = 0; j < bias.length; j++) bias[j] = bias[j] * std[j] + mean[j];
    if (this.log) stack?.push(new Exp());
    setTargetUnits(last, 'targets');
  }
}

/** The last layer of a stack that has numbers of its own, through the stacks in it, and the list that it ends; an {@link Exp} behind it is what `log` put there. */
function endOf(model: AnyLayer, stack: AnyLayer[] | null = null): { readonly last: AnyLayer; readonly stack: AnyLayer[] | null } {
  const { layers } = (model ?? {}) as { readonly layers?: unknown };
  const isStack = Array.isArray(layers) && layers.length > 0 && !(model instanceof Parallel || model instanceof Concat);
  if (!isStack) return { last: model, stack };
  const end = layers.at(-1) instanceof Exp && layers.length > 1 ? -2 : -1;
  return endOf(layers.at(end) as AnyLayer, layers as AnyLayer[]);
}

function refuseScaledTargets(data: AnyDataset): void {
  if (aboutData(data)?.scale) throw new ArgumentError(`the targets of data set '${data.name}' are scaled already`);
}

/** Targets as numbers, of which logarithms are taken on request, in float64; `exampleOf` says which example of the data a row of them is, −1 for none. */
function numbersOf(targets: unknown, name: string, isLog: boolean, exampleOf: (row: number) => number): AnyTensor {
  const numbers = Tensor.check(targets as AnyTensor, `targets of data set '${name}'`);
  if (isClassIndices(numbers)) throw new ArgumentError(`the targets of data set '${name}' are class indices, which are not scaled`);
  if (!isLog) return numbers;
  const { data, shape } = numbers;
  for (let i = 0; i < data.length; i++) {
    const example = data[i] > 0 && data[i] < Infinity ? -1 : exampleOf(Math.floor((i * shape[0]) / data.length));
    if (example >= 0)
      throw new ArgumentError(
        `the target of row ${example} of data set '${name}' is ${data[i]}, and only finite numbers above 0 have a logarithm: leave such rows out, or scale the targets without \`log\``,
      );
  }
  return noGrad(() => log(numbers.to('float64') as never)) as AnyTensor;
}

/** A data set whose targets are scaled: where they lie in memory once, of others batch by batch. */
class ScaledTargets implements Dataset<BatchPart, 'float32'> {
  readonly name: string;
  readonly length: number;
  readonly inputShape: ShapeOf<BatchPart>;
  readonly targetShape: readonly number[];
  readonly split?: DatasetSplit;
  readonly features?: readonly ColumnSchema[];
  readonly target?: ColumnSchema;
  readonly memory?: () => ExampleMemory<BatchPart, 'float32'>;
  readonly #data: Dataset<BatchPart, BatchPart>;
  readonly #scaler: StandardScaler;
  readonly #isLog: boolean;

  constructor(data: Dataset<BatchPart, BatchPart>, scaler: StandardScaler, scale: TargetScale) {
    this.#data = data;
    this.#scaler = scaler;
    this.#isLog = scale.log;
    this.name = data.name;
    this.length = data.length;
    this.inputShape = data.inputShape;
    this.targetShape = data.targetShape as readonly number[];
    if (data.split !== undefined) this.split = data.split;
    if (data.features !== undefined) this.features = data.features;
    if (data.target !== undefined) this.target = data.target;
    note(this, { ...aboutData(data), scale, origin: originOf(data) });
    if (!isInMemory(data)) return;
    let made: ExampleMemory<BatchPart, 'float32'> | null = null;
    this.memory = () => {
      const memory = memoryOf(data);
      // Of a part of a set, only its own rows count.
      return (made ??= { ...memory, targets: this.#scale(memory.targets, (row) => memory.rows?.indexOf(row) ?? row) });
    };
  }

  batch(indices: Int32Array, key?: EpochKey): Batch<BatchPart, 'float32'> {
    const made = whenThere(this.#data.batch(indices, key), (batch) => ({
      ...batch,
      targets: this.#scale(batch.targets, (row) => indices[row]),
    }));
    return made as Batch<BatchPart, 'float32'>; // or a promise, as the set gives
  }

  #scale(targets: unknown, exampleOf: (row: number) => number): Tensor {
    const scaled = this.#scaler.transform(numbersOf(targets, this.name, this.#isLog, exampleOf)) as AnyTensor;
    return ((targets as AnyTensor).dtype === 'float64' ? scaled : scaled.to('float32')) as Tensor;
  }
}

keepNames({ TargetScaler });
