// A model: a layer that is trained, evaluated, asked for predictions, saved and loaded.

import type { AnyDataset } from '../data/dataset.js';
import { ours } from '../foreign.js';
import { Layer } from '../layers/layer.js';
import type { LoadOptions, LoadReport } from '../layers/state.js';
import { type SummaryOptions, summarize } from '../layers/summary.js';
import { keepNames } from '../names.js';
import { preprocessingOf, setPreprocessing } from '../preprocessing/of-model.js';
import type { Transform } from '../preprocessing/transform.js';
import { refuseInStep } from '../recording.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import type { TensorTree } from '../tree.js';
import { classNamesOf, setClassNames } from './class-names.js';
import type { EvaluateOptions, PredictOptions } from './evaluate.js';
import { evaluate, fit, predict } from './functions.js';
import type { FitOptions } from './fit-options.js';
import type { History, Scores } from './history.js';
import type { PlotOptions } from './plot.js';
import { loadInto, save, toBytes } from './save.js';
import { setTargetUnits, targetUnits } from './target-units.js';

/** A model of any input and output type. */
// biome-ignore lint/suspicious/noExplicitAny: input and output types of a subclass may be anything.
export type AnyModel = Model<any, any>;

/**
 * A layer that is trained and saved as a whole: your network extends it, `Sequential` and all ready networks do.
 *
 * What a network is made of are layers, and `forward` says how: see {@link Layer}. The functions `fit`, `evaluate` and `predict` take a layer that
 * is no model as well.
 *
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, Linear, Model, type Tensor, datasets, relu } from 'nodegrad';
 * class Net extends Model {
 *   readonly first = new Linear(784, 64);
 *   readonly second = new Linear(64, 10);
 *   forward(x: Tensor): Tensor {
 *     return this.second.forward(relu(this.first.forward(x.reshape([-1, 784]))));
 *   }
 * }
 * const { train, test } = await datasets.digits();
 * const net = new Net();
 * await net.fit(train, { loss: new CrossEntropyLoss(), optimizer: new Adam(net, { lr: 1e-3 }), validation: test });
 * ```
 */
export abstract class Model<In = Tensor, Out = Tensor> extends Layer<In, Out> {
  /**
   * What is done to inputs before they reach the model; null for nothing. `fit`, `evaluate` and `predict` then take data as they are, `save` and
   * `load` keep it, and `forward` does not use it. One that has learned nothing yet is fitted by `fit`, on the training data alone.
   */
  get preprocessing(): Transform | null {
    return preprocessingOf(this);
  }

  set preprocessing(transform: Transform | null) {
    setPreprocessing(this, transform);
  }

  /**
   * Names of the classes in the order of the model's scores; null where nobody said. `fit` takes those of its training data where there is a score for each (or one
   * score for two); `save`, `load`, {@link saveOnnx} and {@link loadOnnx} keep them. Data whose class indices mean other classes are refused by `fit` and `evaluate`.
   *
   * Setting them throws an {@link ArgumentError} for anything but an array of texts.
   *
   * @example
   * ```ts
   * import { load, readImages } from 'nodegrad';
   * const model = await load('pets.safetensors');
   * const scores = await model.predict(await readImages('rex.jpg', { imageSize: 64 }));
   * console.log(model.classNames?.[Number(scores.argmax(-1).item())]); // dog
   * ```
   */
  get classNames(): readonly string[] | null {
    return classNamesOf(this);
  }

  set classNames(names: readonly string[] | null) {
    setClassNames(this, names);
  }

  /**
   * Trains the model: `forward`, loss, `backward` and `step` for every batch, epoch after epoch, with validation, callbacks, progress and
   * a log. The event loop gets a turn every few milliseconds.
   *
   * @param data - What to train on.
   * @returns A record per epoch.
   * @throws {@link TrainingNonFiniteError} when the loss becomes NaN or infinite: it names the first layer that did, and what to try;
   *   {@link TrainingAbortedError} when the signal fired; {@link ArgumentError} for wrong options, or when the optimizer does not hold the
   *   parameters that the loss depends on; {@link BusyError} when the model is in training already; {@link CheckpointError} when
   *   checkpoints cannot be written, the one to resume from is of another run, or another run holds their folder.
   * @example
   * ```ts
   * import { Adam, CrossEntropyLoss, datasets, mlp } from 'nodegrad';
   * const { train, test } = await datasets.digits();
   * const model = mlp();
   * const optimizer = new Adam(model, { lr: 1e-3 });
   * await model.fit(train, { loss: new CrossEntropyLoss(), optimizer, epochs: 5, validation: test });
   * ```
   */
  fit(data: AnyDataset, options: FitOptions): Promise<History> {
    return fit(this as AnyModel, data, options);
  }

  /**
   * Loss and metrics over a data set, in evaluation mode.
   *
   * @throws {@link ArgumentError} for wrong options, an empty data set, or one of other classes than {@link Model.classNames}, {@link AbortedError} when the signal stopped it.
   */
  evaluate(data: AnyDataset, options: EvaluateOptions): Promise<Scores> {
    return evaluate(this as AnyModel, data, options);
  }

  /**
   * What the model makes of inputs, in evaluation mode, batch by batch.
   *
   * @param inputs - A tensor whose first dimension counts examples, a tree of such tensors for a model that takes one, or a data set. A tensor of
   *   one axis, which may be one example as well, goes through `forward` as it is.
   * @returns What the model gives: a tensor, or a tree, whose type you name: `predict<{ kind: Tensor; size: Tensor }>(…)`.
   * @throws {@link ArgumentError} for wrong options, {@link AbortedError} when the signal stopped it.
   */
  predict(inputs: TensorTree | AnyDataset, options?: PredictOptions): Promise<AnyTensor>;
  predict<P extends TensorTree>(inputs: TensorTree | AnyDataset, options?: PredictOptions): Promise<P>;
  predict(inputs: TensorTree | AnyDataset, options?: PredictOptions): Promise<TensorTree> {
    return predict<TensorTree>(this as AnyModel, inputs, options);
  }

  /**
   * A table of layers, output shapes and parameters.
   *
   * @param options - `inputShape` of one example (without the batch dimension) adds output shapes.
   */
  summary(options: SummaryOptions = {}): string {
    return summarize(this as AnyModel, options);
  }

  /**
   * The model as a picture in SVG: layers from top to bottom, branches side by side, the shape of an example on the arrows, parameters and
   * multiply-accumulates in the boxes, equal neighbours drawn once. It follows a forward pass in evaluation mode by shapes alone, so that it shows
   * models of your own as they compute; nothing is computed and no weights are drawn.
   *
   * @param path - A file to write, whole or not at all. Default: none.
   * @returns The SVG. It refers to no other file, and suits light and dark pages.
   * @throws {@link ArgumentError} when neither the options nor the model say the shape of an example, for wrong options, for the name of another
   *   kind of file, such as `x.png`, or when the file cannot be written.
   * @example
   * ```ts
   * import { resnet18 } from 'nodegrad';
   * await resnet18().plot('resnet18.svg');
   * ```
   */
  async plot(path?: string, options: PlotOptions = {}): Promise<string> {
    const { plot } = await import('./plot.js');
    return plot(this as AnyModel, path, options);
  }

  /**
   * A copy with its own memory, and the preprocessing and class names of this model: a snapshot, in the middle of a run one of whole steps. Like the model, it
   * predicts in the units of its targets where a {@link TargetScaler} has given it those.
   */
  override clone(): this {
    const twin = super.clone();
    twin.preprocessing = this.preprocessing;
    twin.classNames = this.classNames;
    setTargetUnits(twin as AnyModel, targetUnits(this as AnyModel));
    return twin;
  }

  /**
   * Writes weights and architecture to one safetensors file: whole or not at all, readable by other tools. Preprocessing, class names, and which parameters and layers
   * are frozen are in it, too. A model that was trained on scaled targets and not given their units is saved with a warning, `NODEGRAD_SCALED_TARGETS`.
   *
   * @throws {@link ArgumentError} when the file cannot be written, a layer class is not registered, or {@link Model.classNames} are not as many as the model's
   *   scores.
   */
  save(path: string): Promise<void> {
    refuseInStep('a model was saved', 'Save it between two steps');
    return save(this as AnyModel, path);
  }

  /** The bytes that {@link Model.save} writes, for workers and databases; {@link fromBytes} builds the model again. */
  toBytes(): Uint8Array {
    refuseInStep('a model was saved', 'Save it between two steps');
    return toBytes(this as AnyModel);
  }

  /**
   * Fills the parameters from a safetensors file, by path; {@link load} builds a whole model instead. Preprocessing and class names come along where the file has
   * them; what is frozen here stays frozen, whatever the file says. Files of PyTorch are for {@link loadPyTorch}: their matrices are [out, in], which shows in none that is square. Where
   * a file has no others, and its metadata `format` is not `nodegrad`, a warning says so, `NODEGRAD_UNCLEAR_LAYOUT`.
   *
   * @throws {@link ShapeError} or {@link ArgumentError} when the file does not fit the model, or says that it is of PyTorch. The model then stays as it was.
   */
  load(path: string, options?: LoadOptions): Promise<LoadReport> {
    refuseInStep('values were loaded into a model', 'Load them between two steps');
    return loadInto(this as AnyModel, path, options);
  }
}

ours(Model);
keepNames({ Model });
