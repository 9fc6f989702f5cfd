// The base class of layers and models: parameters by declaration, paths, modes, state, and the training verbs.

import type { AnyDataset } from '../data/dataset.js';
import { type DType, type FloatDType, isFloat } from '../dtype.js';
import { ArgumentError, DTypeError, ShapeError, checkChoice, checkOptions, describeShape, expected } from '../errors.js';
import { currentPath, isTracing, pathDepth, withoutGradients } from '../ops/emit.js';
import { Buffer } from '../buffer.js';
import { Parameter, materializeAll, setOwnerPreparation } from '../parameter.js';
import { Random } from '../random.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type EvaluateOptions, type PredictOptions, evaluate, predict } from '../training/evaluate.js';
import { fit } from '../training/fit.js';
import type { FitOptions } from '../training/fit-options.js';
import type { History, Scores } from '../training/history.js';
import { loadInto, save, toBytes } from '../training/save.js';
import { betweenSteps } from '../program/driver.js';
import { refuseBusy } from '../ops/busy.js';
import { collect, join, named } from './fields.js';
import { warnOfUnknown, wrapForward } from './forward.js';
import { buildLayer, describeLayer } from './registry.js';
import { type SummaryOptions, summarize } from './summary.js';

/** What {@link Layer.loadStateDict} did: paths of each kind. */
export interface LoadReport {
  /** Parameters and buffers that were filled. */
  matched: string[];
  /** Parameters and buffers without a value in the source. */
  missing: string[];
  /** Values without a parameter or buffer. */
  unexpected: string[];
}

/** Options of {@link Layer.loadStateDict}. */
export interface LoadOptions {
  /** Whether missing or unexpected names are an error. Default true. */
  strict?: boolean;
  /** Only values whose name begins with this are used, and it is taken off. Default ''. */
  prefix?: string;
}

/** A layer of any input and output type. */
// biome-ignore lint/suspicious/noExplicitAny: input and output types of a subclass may be anything.
export type AnyLayer = Layer<any, any>;

// Layers whose parameters may still be without values.
const unprepared = new Set<WeakRef<AnyLayer>>();

// A layer whose constructor threw, or is still running, cannot be walked: it is no parameter's model.
function layersOf(layer: AnyLayer): Map<string, AnyLayer> {
  try {
    return layer.namedLayers();
  } catch {
    return new Map();
  }
}

// The outermost layer that holds a parameter is its model.
setOwnerPreparation((parameter) => {
  let model: AnyLayer | null = null;
  let most = 0;
  for (const reference of unprepared) {
    const layer = reference.deref();
    if (layer === undefined) {
      unprepared.delete(reference);
      continue;
    }
    const layers = layersOf(layer);
    if (layers.size > most && [...layers.values()].some((inner) => [...inner.ownParameters().values()].includes(parameter as Parameter))) {
      model = layer;
      most = layers.size;
    }
  }
  model?.prepare();
});

/**
 * Base class of everything with parameters.
 *
 * Fields that hold a {@link Parameter}, a layer, or arrays, plain objects, Maps and Sets of them are found by themselves, `#private` ones are not. `forward` is what you
 * write and what you call.
 *
 * @example
 * ```ts
 * import { Layer, Linear, Tensor, relu } from 'nodegrad';
 * class Block extends Layer {
 *   readonly inner = new Linear(64, 64);
 *   forward(x: Tensor): Tensor {
 *     return relu(this.inner.forward(x)).add(x);
 *   }
 * }
 * ```
 */
export abstract class Layer<In = Tensor, Out = Tensor> {
  #training = true;
  #path: string | null = null;
  #ready = false;
  readonly #reference = new WeakRef(this as AnyLayer);

  constructor() {
    wrapForward(new.target.prototype as object, Layer.prototype, Layer.enter);
    unprepared.add(this.#reference);
  }

  /** The layer's function. */
  abstract forward(input: In): Out;

  /** Whether the layer behaves as in training (dropout drops) or as in evaluation. Default true. */
  get training(): boolean {
    return this.#training;
  }

  /** Place in the model, such as `2` or `encoder.0`; '' for the model itself. */
  get path(): string {
    return this.#path ?? '';
  }

  /** @internal Which initializer suits the layer before this activation. */
  get initializerHint(): 'he' | 'xavier' | null {
    return null;
  }

  /** Layers inside this one by name, in the order of their fields. */
  children(): Map<string, AnyLayer> {
    return collect(this, (value): value is AnyLayer => value instanceof Layer);
  }

  /** @internal Parameters of this layer alone, by name. */
  ownParameters(): Map<string, Parameter> {
    return collect(this, (value): value is Parameter => value instanceof Parameter);
  }

  /** @internal Buffers of this layer alone, by name. */
  ownBuffers(): Map<string, Buffer<DType>> {
    return collect(this, (value): value is Buffer<DType> => value instanceof Buffer);
  }

  /** @internal Generators of this layer alone, by name: a checkpoint saves where they stand. */
  ownRandoms(): Map<string, Random> {
    return collect(this, (value): value is Random => value instanceof Random);
  }

  /** All parameters by path; one that is shared appears once, under its first path. */
  namedParameters(): Map<string, Parameter> {
    return named(this.namedLayers(), (layer) => layer.ownParameters());
  }

  /** All buffers by path: state that is not learned, such as running statistics. A shared one appears once, under its first path. */
  namedBuffers(): Map<string, Buffer<DType>> {
    return named(this.namedLayers(), (layer) => layer.ownBuffers());
  }

  /** @internal Parameters and buffers by path, layer by layer: what `stateDict` gives. */
  namedState(): Map<string, Parameter | Buffer<DType>> {
    return named(this.namedLayers(), (layer) => new Map<string, Parameter | Buffer<DType>>([...layer.ownParameters(), ...layer.ownBuffers()]));
  }

  /** All parameters. */
  parameters(): Parameter[] {
    return [...this.namedParameters().values()];
  }

  /** This layer ('') and all layers inside it by path. */
  namedLayers(): Map<string, AnyLayer> {
    const found = new Map<string, AnyLayer>();
    const seen = new Set<AnyLayer>();
    const visit = (layer: AnyLayer, path: string): void => {
      if (seen.has(layer)) return;
      seen.add(layer);
      found.set(path, layer);
      for (const [name, child] of layer.children()) visit(child, join(path, name));
    };
    visit(this, '');
    return found;
  }

  /**
   * Gives every parameter its path and its first values, in one slab. Happens by itself at first use.
   *
   * @internal
   */
  prepare(): void {
    for (const layer of this.#name()) unprepared.delete(layer.#reference);
    for (const layer of this.namedLayers().values()) layer.chooseInitializers();
    for (const [path, parameter] of this.namedParameters()) parameter.path = path;
    materializeAll(this.parameters());
    this.#ready = true;
  }

  // Gives every layer its path.
  #name(): Iterable<AnyLayer> {
    const layers = this.namedLayers();
    for (const [path, layer] of layers) layer.#path = path;
    return layers.values();
  }

  /** @internal Called before values are drawn: containers tell layers which activation follows. */
  chooseInitializers(): void {}

  /** @internal The path prefix and preparation of an outermost forward. */
  static enter(layer: AnyLayer): string {
    if (pathDepth() === 0 && !layer.#ready) {
      if (isTracing()) layer.#name();
      else layer.prepare();
    }
    if (layer.#path === null) warnOfUnknown(layer);
    return layer.#path ?? currentPath();
  }

  /** Puts this layer and all inside it into training mode. */
  train(training = true): this {
    for (const layer of this.namedLayers().values()) layer.#training = training;
    return this;
  }

  /** Puts this layer and all inside it into evaluation mode. */
  eval(): this {
    return this.train(false);
  }

  /** Takes the parameters out of training: they get no gradient and no update. */
  freeze(): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = false;
    return this;
  }

  /** Takes the parameters into training again. */
  unfreeze(): this {
    for (const parameter of this.parameters()) parameter.requiresGrad = true;
    return this;
  }

  /** Converts all parameters, and buffers of floats, to float32 or float64; make optimizers afterwards. */
  to(dtype: FloatDType): this {
    checkChoice(dtype, 'dtype', ['float32', 'float64']);
    if (!this.#ready) this.prepare();
    for (const item of this.namedState().values()) if (isFloat(item.dtype)) item.convert(dtype);
    return this;
  }

  /** All parameters and buffers by path, on the same memory, off the tape: they change as the model learns. A snapshot is {@link Layer.clone}. */
  stateDict(): Map<string, AnyTensor> {
    if (!this.#ready) this.prepare();
    return new Map([...this.namedState()].map(([path, item]) => [path, item.detach()]));
  }

  /**
   * Copies values into the parameters and buffers of the same path. Nothing changes when anything does not fit.
   *
   * @throws {@link ShapeError} or {@link DTypeError} when a value does not fit, {@link ArgumentError} for missing or unexpected names
   *   with `strict`.
   */
  loadStateDict(state: Map<string, AnyTensor> | Record<string, AnyTensor>, options: LoadOptions = {}): LoadReport {
    checkOptions(options, 'options', ['strict', 'prefix']);
    if (typeof state !== 'object' || state === null) throw new ArgumentError(expected('a map of tensors by path', 'state', state));
    const prefix: unknown = options.prefix ?? '';
    if (typeof prefix !== 'string') throw new ArgumentError(expected('a string', 'options.prefix', prefix));
    const source = new Map<string, AnyTensor>();
    for (const [name, value] of state instanceof Map ? state : Object.entries(state)) {
      if (typeof name === 'string' && name.startsWith(prefix)) source.set(name.slice(prefix.length), Tensor.check(value, name));
    }
    const places = this.namedState();
    const report: LoadReport = { matched: [], missing: [], unexpected: [...source.keys()].filter((name) => !places.has(name)) };
    for (const [path, place] of places) {
      const value = source.get(path);
      if (value === undefined) {
        report.missing.push(path);
        continue;
      }
      if (value.shape.length !== place.shape.length || value.shape.some((dimension, d) => dimension !== place.shape[d])) {
        throw new ShapeError(
          `'${path}' expects shape ${describeShape(place.shape)}, received ${describeShape(value.shape)}. Weights of Linear are [in, out]`,
        );
      }
      if (isFloat(value.dtype) !== isFloat(place.dtype)) throw new DTypeError(`'${path}' expects ${place.dtype}, received ${value.dtype}`);
      report.matched.push(path);
    }
    if ((options.strict ?? true) && report.missing.length + report.unexpected.length > 0) {
      const list = (names: string[]): string =>
        names.length > 6 ? `${names.slice(0, 6).join(', ')} and ${names.length - 6} more` : names.join(', ');
      throw new ArgumentError(
        `the state does not fit the model: missing ${list(report.missing) || 'nothing'}; unexpected ${list(report.unexpected) || 'nothing'}. { strict: false } takes what matches`,
      );
    }
    if (!this.#ready) this.prepare();
    refuseBusy(
      'loadStateDict',
      report.matched.map((path) => (places.get(path) as AnyTensor).data),
      report.matched.length,
    );
    // All values first: one that cannot be read must leave everything as it was.
    const values = report.matched.map((path) => {
      const place = places.get(path) as AnyTensor;
      const value: AnyTensor = withoutGradients(() => (source.get(path) as AnyTensor).to(place.dtype as DType));
      if (value.data.length !== place.size)
        throw new ArgumentError(`the value of '${path}' has lost its memory: its ArrayBuffer was transferred`);
      return [place, value] as const;
    });
    for (const [place, value] of values) place.data.set(value.data as Float32Array);
    return report;
  }

  /** Number of trained scalars. */
  parameterCount(): number {
    return this.parameters().reduce((sum, parameter) => sum + parameter.size, 0);
  }

  /**
   * A table of layers, output shapes and parameters.
   *
   * @param options - `inputShape` of one example (without the batch dimension) adds output shapes.
   */
  summary(options: SummaryOptions = {}): string {
    return summarize(this as AnyLayer, options);
  }

  /**
   * Trains the model: `forward`, loss, `backward` and `step` for every batch, epoch after epoch, with validation, callbacks, progress and
   * a log. The event loop gets a turn every few milliseconds.
   *
   * @param data - What to train on.
   * @returns A record per epoch.
   * @throws {@link TrainingNonFiniteError} when the loss becomes NaN or infinite: it names the first layer that did, and what to try;
   *   {@link TrainingAbortedError} when the signal fired; {@link ArgumentError} for wrong options, or when the optimizer does not hold the
   *   parameters that the loss depends on; {@link BusyError} when the model is in training already; {@link CheckpointError} when a checkpoint
   *   cannot be written, or the one to resume from is of another run.
   * @example
   * ```ts
   * import { Adam, CrossEntropyLoss, datasets, mlp } from 'nodegrad';
   * const { train, test } = await datasets.digits();
   * const model = mlp();
   * const optimizer = new Adam(model, { lr: 1e-3 });
   * await model.fit(train, { loss: new CrossEntropyLoss(), optimizer, epochs: 5, validation: test });
   * ```
   */
  async fit(data: AnyDataset<DType, DType>, options: FitOptions): Promise<History> {
    return fit(this as AnyLayer, data, options);
  }

  /**
   * Loss and metrics over a data set, in evaluation mode.
   *
   * @throws {@link ArgumentError} for wrong options or an empty data set, {@link AbortedError} when the signal stopped it.
   */
  async evaluate(data: AnyDataset<DType, DType>, options: EvaluateOptions): Promise<Scores> {
    return evaluate(this as AnyLayer, data, options);
  }

  /**
   * What the model makes of inputs, in evaluation mode, batch by batch.
   *
   * @param inputs - A tensor whose first dimension counts examples, or a data set. A tensor of one axis, which may be one example as well,
   *   goes through `forward` as it is.
   * @throws {@link ArgumentError} for wrong options, {@link AbortedError} when the signal stopped it.
   */
  async predict(inputs: AnyTensor | AnyDataset<DType, DType>, options?: PredictOptions): Promise<AnyTensor> {
    return predict(this as AnyLayer, inputs, options);
  }

  /**
   * Writes weights and architecture to one safetensors file: whole or not at all, readable by other tools.
   *
   * @throws {@link ArgumentError} when the file cannot be written, or a layer class is not registered.
   */
  async save(path: string): Promise<void> {
    return save(this as AnyLayer, path);
  }

  /** The bytes that {@link Layer.save} writes, for workers and databases; {@link fromBytes} builds the model again. */
  toBytes(): Uint8Array {
    return toBytes(this as AnyLayer);
  }

  /**
   * Fills the parameters from a safetensors file, by path; {@link load} builds a whole model instead.
   *
   * @throws {@link ShapeError} or {@link ArgumentError} when the file does not fit the model, which then stays as it was.
   */
  async load(path: string, options?: LoadOptions): Promise<LoadReport> {
    return loadInto(this as AnyLayer, path, options);
  }

  /** @internal Constructor arguments as JSON, for `save`; see {@link registerLayer}. */
  config(): unknown {
    return undefined;
  }

  /** A copy with its own memory: a snapshot, in the middle of a run one of whole steps. */
  clone(): this {
    if (!this.#ready) this.prepare();
    return betweenSteps(() => this.#copy());
  }

  #copy(): this {
    const twin = buildLayer(describeLayer(this as AnyLayer)) as unknown as this;
    twin.prepare();
    const originals = this.namedState();
    for (const [path, copy] of twin.namedState()) {
      const original = originals.get(path) as Parameter;
      copy.convert(original.dtype as FloatDType);
      copy.data.set(original.data as Float32Array);
      copy.requiresGrad = original.requiresGrad;
    }
    const layers = this.namedLayers();
    for (const [path, layer] of twin.namedLayers()) (layer as Layer).#training = (layers.get(path) as Layer).#training;
    return twin;
  }
}
