// The base class of layers: parameters by declaration, paths, modes, state, copies.

import { ours } from '../foreign.js';
import { type DType, type FloatDType, floatDTypes, isFloat, isReal } from '../dtype.js';
import { type ArgumentError, type DTypeError, checkChoice } from '../errors.js';
import { currentPath, isTracing } from '../ops/emit.js';
import { Buffer } from '../buffer.js';
import { keepNames } from '../names.js';
import { Parameter, materializeAll, setOwnerPreparation } from '../parameter.js';
import { Random } from '../random.js';
import { type StateKind, reads, refuseInStep, writes } from '../recording.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import { showAs } from '../words.js';
import { betweenSteps } from '../program/driver.js';
import { collect, join, named, place } from './fields.js';
import { warnOfUnknown, wrapForward, wrapOwnForward } from './forward.js';
import { claim, modelOf, noteLayer, ownerOf, streamOf } from './lineage.js';
import { buildModel, describeModel, setNoConfig } from './registry.js';
import { type LoadOptions, type LoadReport, checkSameState, isLoaded, loadState, noteLoaded, refuseParts } from './state.js';
import { layerText } from './text.js';

/** A layer of any input and output type. */
// biome-ignore lint/suspicious/noExplicitAny: input and output types of a subclass may be anything.
export type AnyLayer = Layer<any, any>;

/** What an activation says of the weights before it, and what passes that on: norms, pooling, dropout, containers of such. */
export type InitializerHint = 'he' | 'xavier' | 'through' | null;

/** How PyTorch stores a parameter or buffer of a layer. */
export interface PyTorchItem {
  /** Its name there; as here when left out. */
  readonly name?: string;
  /** For each of its axes there, which one it is here; in the same order when left out. */
  readonly axes?: readonly number[];
}

/** What is known of a graph out of a file. */
export interface FileFacts {
  /** Whether images come in with their channels first. */
  readonly isFirst: boolean;
  /** Whether another tool wrote the file: it flattens images in an order of its own. */
  readonly isForeign: boolean;
  /** The number of examples that the file fixes; null for any. */
  readonly batchSize: number | null;
}

// A parameter that is read before its model is used gets the values that it has in it.
setOwnerPreparation((parameter) => ownerOf(parameter as Parameter)?.prepare());

// Whether a layer is in training mode, and whether it is frozen, as a recorded step sees it.
let mode: StateKind<AnyLayer>;
let rest: StateKind<AnyLayer>;

/**
 * Base class of everything with parameters: what a model is made of. {@link Model}, which extends it, is what is trained, evaluated and saved.
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
  static {
    mode = {
      get: (layer) => layer.#training,
      set: (layer, value) => {
        layer.#training = value;
      },
    };
    rest = {
      get: (layer) => layer.#frozen,
      set: (layer, value) => {
        layer.#frozen = value;
      },
    };
  }

  #training = true;
  #frozen = false;
  #path: string | null = null;
  #ready = false;

  constructor() {
    wrapForward(new.target.prototype as object, Layer.prototype, Layer.enter);
    noteLayer(this as AnyLayer);
  }

  /** The layer's function. */
  abstract forward(input: In): Out;

  /** Whether the layer behaves as in training (dropout drops) or as in evaluation. Default true. */
  get training(): boolean {
    reads(mode, this as AnyLayer);
    return this.#training;
  }

  /** Place in the model, such as `2` or `encoder.0`; '' for the model itself. */
  get path(): string {
    if (this.#path === null) (modelOf(this as AnyLayer) as Layer).#name();
    return this.#path ?? '';
  }

  /** @internal Which initializer suits the layer before this activation; `'through'` says that it is for what follows to say. */
  get initializerHint(): InitializerHint {
    return null;
  }

  /** @internal Whether a unit that is 0 for every example gets no gradient any more, and stays so. */
  get canDie(): boolean {
    return false;
  }

  /** @internal The parameters and buffers of this layer alone that PyTorch stores in another way, by name. */
  get pytorchItems(): Readonly<Record<string, PyTorchItem>> {
    return {};
  }

  /** @internal Null for anything but a graph out of a file. */
  get fileFacts(): FileFacts | null {
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

  /**
   * This layer ('') and all layers inside it by path.
   *
   * @throws {@link ArgumentError} when two of them stand at one path, as one named '' inside does.
   */
  namedLayers(): Map<string, AnyLayer> {
    const found = new Map<string, AnyLayer>();
    const seen = new Set<AnyLayer>();
    const visit = (layer: AnyLayer, path: string): void => {
      if (seen.has(layer)) return;
      seen.add(layer);
      place(found, path, layer);
      for (const [name, child] of layer.children()) visit(child, join(path, name));
    };
    visit(this, '');
    return found;
  }

  /**
   * Gives every parameter of the model its path and its first values, in one slab. Happens by itself at first use. Paths are those in the
   * outermost model, or in this layer when it is one that somebody has taken out of its model and prepares by itself.
   *
   * @internal
   */
  prepare(): void {
    const model = modelOf(this as AnyLayer) as Layer;
    model.#prepareAll();
    if (model !== (this as unknown)) this.#prepareAll();
  }

  #prepareAll(): void {
    claim(this as AnyLayer);
    for (const layer of this.#name()) (layer as Layer).#ready = true;
    for (const [path, parameter] of this.namedParameters()) parameter.path = path;
    materializeAll(this.parameters());
  }

  // Gives every layer its path.
  #name(): Iterable<AnyLayer> {
    const layers = this.namedLayers();
    for (const [path, layer] of layers) {
      layer.#path = path;
      wrapOwnForward(layer, Layer.enter);
    }
    return layers.values();
  }

  /**
   * A random generator of this layer's own, for a field: no other layer or model draws its numbers, whoever calls the layer, and checkpoints
   * remember where it stands. Its seed is the one in force when the layer was made.
   *
   * @param name - Tells the generators of one layer apart.
   * @throws {@link ArgumentError} when the layer has a generator of that name.
   * @example
   * ```ts
   * import { Layer, type Tensor, dropout } from 'nodegrad';
   * class Forgetful extends Layer {
   *   readonly masks = this.stream('masks');
   *   forward(x: Tensor): Tensor {
   *     return this.training ? dropout(x, 0.1, { random: this.masks }) : x;
   *   }
   * }
   * ```
   */
  protected stream(name: string): Random {
    return streamOf(this as AnyLayer, name);
  }

  /** @internal Called before values are drawn: containers tell layers which activation follows. */
  chooseInitializers(): void {}

  /** @internal Hears which initializer suits what follows. */
  followedBy(_hint: InitializerHint): void {}

  /** @internal The path of a layer whose forward begins, within that of `outermost`; prepares what has not been. */
  static enter(layer: AnyLayer, outermost: AnyLayer | undefined): string {
    if (outermost === undefined) {
      if (!layer.#ready) modelOf(layer).#meet();
    } else if (layer.#path === null) {
      // It came in after its model was prepared, or stands in no field.
      outermost.#meet();
      if (layer.#path === null) warnOfUnknown(layer, outermost);
      layer.#path ??= currentPath();
    }
    return layer.#path ?? currentPath();
  }

  #meet(): void {
    if (isTracing()) this.#name();
    else this.#prepareAll();
  }

  /** Puts this layer and all inside it into training mode. */
  train(training = true): this {
    for (const layer of this.namedLayers().values()) {
      writes(mode, layer);
      layer.#training = training;
    }
    return this;
  }

  /** Puts this layer and all inside it into evaluation mode. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Takes this layer and all inside it out of training, whatever {@link train} says: parameters get no gradient and no update, and
   * normalizations use their running statistics without moving them. A layer of your own with state of its own looks at {@link frozen}.
   */
  freeze(...none: readonly never[]): this {
    return this.#setFrozen(true, none);
  }

  /** Takes them into training again. */
  unfreeze(...none: readonly never[]): this {
    return this.#setFrozen(false, none);
  }

  #setFrozen(frozen: boolean, none: readonly unknown[]): this {
    refuseParts(none, frozen ? 'freeze' : 'unfreeze');
    for (const layer of this.namedLayers().values()) layer.frozen = frozen;
    for (const parameter of this.parameters()) parameter.isTrained = !frozen;
    return this;
  }

  /** Whether {@link freeze} has taken the layer out of training: its state is to stay as it is, also in training mode. */
  get frozen(): boolean {
    reads(rest, this as AnyLayer);
    return this.#frozen;
  }

  /** @internal For this layer alone: a resumed run has the layers frozen that were. */
  set frozen(frozen: boolean) {
    writes(rest, this as AnyLayer);
    this.#frozen = frozen;
  }

  /**
   * Converts all parameters, and buffers of floats, to float32 or float64; make optimizers afterwards. `'bfloat16'` is for inference: parameters
   * are rounded and take half the memory, in files too; buffers stay as they are, and what is computed is float32. Such a model is not
   * trained; back in float32 it is, without the digits that it lost, and what was frozen still is.
   */
  to(dtype: FloatDType | 'bfloat16'): this {
    refuseInStep('a model was converted', 'Convert it before');
    checkChoice(dtype, 'dtype', [...floatDTypes, 'bfloat16']);
    if (!this.#ready) this.prepare();
    for (const item of this.namedState().values()) {
      if (item instanceof Parameter ? isReal(item.dtype) : isFloat(item.dtype) && dtype !== 'bfloat16') item.convert(dtype);
    }
    return this;
  }

  /** All parameters and buffers by path, on the same memory, off the tape: they change as the model learns. A snapshot is {@link Layer.clone}. */
  stateDict(): Map<string, AnyTensor> {
    if (!this.#ready) this.prepare();
    return new Map([...this.namedState()].map(([path, item]) => [path, item.detach()]));
  }

  /**
   * Copies values into the parameters and buffers of the same path; what stands in several places may come under any of its paths. Nothing
   * changes when anything does not fit.
   *
   * @throws {@link ShapeError} or {@link DTypeError} when a value does not fit, {@link ArgumentError} for missing or unexpected names
   *   with `strict`.
   */
  loadStateDict(state: Map<string, AnyTensor> | Record<string, AnyTensor>, options: LoadOptions = {}): LoadReport {
    refuseInStep('values were loaded into a model', 'Load them between two steps');
    const report = loadState(this as AnyLayer, state, options, () => {
      if (!this.#ready) this.prepare();
    });
    noteLoaded(this as AnyLayer, report.matched);
    return report;
  }

  /** Number of trained scalars. */
  parameterCount(): number {
    return this.parameters().reduce((sum, parameter) => sum + parameter.size, 0);
  }

  /** @internal Constructor arguments as JSON, for `save`; see {@link registerLayer}. */
  config(): unknown {
    return undefined;
  }

  /** A copy with its own memory: a snapshot, in the middle of a run one of whole steps. */
  clone(): this {
    refuseInStep('a model was copied', 'Copy it between two steps');
    if (!this.#ready) this.prepare();
    return betweenSteps(() => this.#copy());
  }

  #copy(): this {
    const twin = buildModel(describeModel(this as AnyLayer)) as unknown as this;
    twin.prepare();
    const originals = this.namedState();
    const copies = twin.namedState();
    checkSameState(originals, copies);
    for (const [path, copy] of copies) {
      const original = originals.get(path) as Parameter;
      copy.convert(original.dtype as FloatDType);
      copy.data.set(original.data as Float32Array);
      if (copy instanceof Parameter) copy.isTrained = original.isTrained;
    }
    noteLoaded(
      twin as unknown as AnyLayer,
      [...originals].filter(([, original]) => isLoaded(original)).map(([path]) => path),
    );
    const layers = this.namedLayers();
    for (const [path, layer] of twin.namedLayers()) {
      const original = layers.get(path) as Layer;
      (layer as Layer).#training = original.#training;
      (layer as Layer).#frozen = original.#frozen;
    }
    return twin;
  }
}

showAs(Layer as unknown as { prototype: AnyLayer }, layerText, { inTexts: true });

setNoConfig(Layer.prototype.config);
// Not in a static block: the compiler gives the class another name in there, which has no value yet.
ours(Layer);
keepNames({ Layer });
