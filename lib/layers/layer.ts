// The base class of layers and models: parameters by declaration, paths, modes, state, and the training verbs.

import { type FloatDType, isFloat } from '../dtype.js';
import { ArgumentError, DTypeError, NodegradError, ShapeError, checkChoice, checkOptions, describeShape, expected } from '../errors.js';
import { currentPath, pathDepth, withPath, withoutGradients } from '../ops/emit.js';
import { copy } from '../ops/shape.js';
import { Parameter, materializeAll, setOwnerPreparation } from '../parameter.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type SummaryOptions, summarize } from './summary.js';

/** What {@link Layer.loadStateDict} did: paths of each kind. */
export interface LoadReport {
  /** Parameters that were filled. */
  matched: string[];
  /** Parameters without a value in the source. */
  missing: string[];
  /** Values without a parameter. */
  unexpected: string[];
}

/** Options of {@link Layer.loadStateDict}. */
export interface LoadOptions {
  /** Whether missing or unexpected names are an error. Default true. */
  strict?: boolean;
  /** Only values whose name begins with this are used, and it is taken off. Default ''. */
  prefix?: string;
}

/** Called after each forward of a layer; see {@link observeForward}. */
export type ForwardObserver = (layer: Layer<never, unknown>, path: string, output: unknown) => void;

const observers: ForwardObserver[] = [];

/** @internal Runs `body` while `observer` sees the output of every layer: for summaries, statistics, and finding the first NaN. */
export function observeForward<R>(observer: ForwardObserver, body: () => R): R {
  observers.push(observer);
  try {
    return body();
  } finally {
    observers.splice(observers.lastIndexOf(observer), 1);
  }
}

/** A layer of any input and output type. */
// biome-ignore lint/suspicious/noExplicitAny: input and output types of a subclass may be anything.
export type AnyLayer = Layer<any, any>;

// Layers whose parameters may still be without values.
const unprepared = new Set<WeakRef<AnyLayer>>();

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
    const layers = layer.namedLayers();
    if (layers.size > most && [...layers.values()].some((inner) => [...inner.ownParameters().values()].includes(parameter as Parameter))) {
      model = layer;
      most = layers.size;
    }
  }
  model?.prepare();
});

const wrapped = new WeakSet<object>();
const active: AnyLayer[] = [];

/**
 * Base class of everything with parameters.
 *
 * Fields that hold a {@link Parameter}, a layer, or arrays and plain objects of them are found by themselves. `forward` is what you
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
    wrapForward(new.target.prototype as object);
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

  /** All parameters by path; one that is shared appears once, under its first path. */
  namedParameters(): Map<string, Parameter> {
    const found = new Map<string, Parameter>();
    const seen = new Set<Parameter>();
    for (const [path, layer] of this.namedLayers()) {
      for (const [name, parameter] of layer.ownParameters()) {
        if (seen.has(parameter)) continue;
        seen.add(parameter);
        found.set(join(path, name), parameter);
      }
    }
    return found;
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
    for (const [path, layer] of this.namedLayers()) {
      layer.#path = path;
      unprepared.delete(layer.#reference);
    }
    for (const layer of this.namedLayers().values()) layer.chooseInitializers();
    for (const [path, parameter] of this.namedParameters()) parameter.path = path;
    materializeAll(this.parameters());
    this.#ready = true;
  }

  /** @internal Called before values are drawn: containers tell layers which activation follows. */
  chooseInitializers(): void {}

  /** @internal The path prefix and preparation of an outermost forward. */
  static enter(layer: AnyLayer): string {
    if (pathDepth() === 0 && !layer.#ready) layer.prepare();
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

  /** Converts all parameters to float32 or float64; make optimizers afterwards. */
  to(dtype: FloatDType): this {
    checkChoice(dtype, 'dtype', ['float32', 'float64']);
    if (!this.#ready) this.prepare();
    for (const parameter of this.parameters()) parameter.convert(dtype);
    return this;
  }

  /** All parameters by path, on the same memory, off the tape. */
  stateDict(): Map<string, AnyTensor> {
    if (!this.#ready) this.prepare();
    return new Map([...this.namedParameters()].map(([path, parameter]) => [path, parameter.detach()]));
  }

  /**
   * Copies values into the parameters of the same path. Nothing changes when anything does not fit.
   *
   * @throws {@link ShapeError} or {@link DTypeError} when a value does not fit, {@link ArgumentError} for missing or unexpected names
   *   with `strict`.
   */
  loadStateDict(state: Map<string, AnyTensor> | Record<string, AnyTensor>, options: LoadOptions = {}): LoadReport {
    checkOptions(options, 'options', ['strict', 'prefix']);
    if (typeof state !== 'object' || state === null) throw new ArgumentError(expected('a map of tensors by path', 'state', state));
    const prefix = options.prefix ?? '';
    const source = new Map<string, AnyTensor>();
    for (const [name, value] of state instanceof Map ? state : Object.entries(state)) {
      if (typeof name === 'string' && name.startsWith(prefix)) source.set(name.slice(prefix.length), Tensor.check(value, name));
    }
    const parameters = this.namedParameters();
    const report: LoadReport = { matched: [], missing: [], unexpected: [...source.keys()].filter((name) => !parameters.has(name)) };
    for (const [path, parameter] of parameters) {
      const value = source.get(path);
      if (value === undefined) {
        report.missing.push(path);
        continue;
      }
      if (value.shape.length !== parameter.shape.length || value.shape.some((dimension, d) => dimension !== parameter.shape[d])) {
        throw new ShapeError(
          `'${path}' expects shape ${describeShape(parameter.shape)}, received ${describeShape(value.shape)}. Weights of Linear are [in, out]`,
        );
      }
      if (!isFloat(value.dtype)) throw new DTypeError(`'${path}' expects ${parameter.dtype}, received ${value.dtype}`);
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
    withoutGradients(() => {
      for (const path of report.matched) {
        const parameter = parameters.get(path) as Parameter;
        parameter.data.set((source.get(path) as AnyTensor).to(parameter.dtype).data as Float32Array);
      }
    });
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

  /** @internal Constructor arguments as JSON, for `save`; see {@link registerLayer}. */
  config(): unknown {
    return undefined;
  }

  /** A copy with its own memory: a snapshot. */
  clone(): this {
    if (!this.#ready) this.prepare();
    const twin = buildLayer(describeLayer(this as AnyLayer)) as unknown as this;
    twin.prepare();
    for (const [path, parameter] of twin.namedParameters()) {
      const original = this.namedParameters().get(path) as Parameter;
      parameter.convert(original.dtype as FloatDType);
      parameter.data.set(withoutGradients(() => copy(original)).data as Float32Array);
      parameter.requiresGrad = original.requiresGrad;
    }
    const layers = this.namedLayers();
    for (const [path, layer] of twin.namedLayers()) (layer as Layer).#training = (layers.get(path) as Layer).#training;
    return twin;
  }
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

// Values of a kind among the enumerable fields, arrays and plain objects included.
function collect<T>(owner: object, is: (value: unknown) => value is T): Map<string, T> {
  const found = new Map<string, T>();
  const visit = (value: unknown, name: string): void => {
    if (is(value)) found.set(name, value);
    else if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) if (typeof value[i] === 'object') visit(value[i], `${name}.${i}`);
    } else if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
      for (const [key, inner] of Object.entries(value)) visit(inner, `${name}.${key}`);
    }
  };
  for (const [name, value] of Object.entries(owner)) visit(value, name);
  return found;
}

// Wraps a class's own `forward` once, so that every operation inside knows its layer. `super.forward` inside a subclass stays plain.
function wrapForward(prototype: object): void {
  for (let at = prototype; at !== Layer.prototype && at !== Object.prototype && at !== null; at = Object.getPrototypeOf(at) as object) {
    if (wrapped.has(at) || !Object.hasOwn(at, 'forward')) continue;
    wrapped.add(at);
    const forward = (at as { forward: (...inputs: unknown[]) => unknown }).forward;
    Object.defineProperty(at, 'forward', {
      configurable: true,
      writable: true,
      value: function wrappedForward(this: AnyLayer, ...inputs: unknown[]): unknown {
        if (active[active.length - 1] === this) return forward.apply(this, inputs);
        const path = Layer.enter(this);
        active.push(this);
        try {
          const output = withPath(path, () => forward.apply(this, inputs));
          for (const observer of observers) observer(this, path, output);
          return output;
        } catch (error) {
          // The innermost layer says where it happened.
          if (path !== '' && error instanceof NodegradError && !error.message.startsWith('in layer ')) {
            error.message = `in layer '${path}': ${error.message}`;
          }
          throw error;
        } finally {
          active.pop();
        }
      },
    });
  }
}

// ---- architecture as data: for save, load and clone ----

/** A layer's class and constructor arguments as JSON. */
export interface LayerDescription {
  /** Name of the class. */
  type: string;
  /** What its `config()` gave. */
  config: unknown;
}

/** A layer class that can be built from its description; see {@link registerLayer}. */
export type LayerConstructor = {
  /** Name of the class. */
  readonly name: string;
  /** Builds a layer from what `config()` of another gave. */
  fromConfig(config: never): AnyLayer;
};

const registry = new Map<string, LayerConstructor>();

/**
 * Makes a class of your own known to `save`, `load` and `clone`: it needs `config()`, which gives its constructor arguments as JSON, and
 * a static `fromConfig(config)`.
 *
 * @throws {@link ArgumentError} when the class lacks `fromConfig` or its name is taken.
 * @example
 * ```ts
 * import { Layer, Tensor, registerLayer } from 'nodegrad';
 * class Scale extends Layer {
 *   constructor(readonly factor: number) {
 *     super();
 *   }
 *   forward(x: Tensor): Tensor {
 *     return x.mul(this.factor);
 *   }
 *   override config() {
 *     return { factor: this.factor };
 *   }
 *   static fromConfig(config: { factor: number }) {
 *     return new Scale(config.factor);
 *   }
 * }
 * registerLayer(Scale);
 * ```
 */
export function registerLayer(type: LayerConstructor): void {
  const candidate = type as unknown;
  if (typeof candidate !== 'function' || typeof (candidate as { fromConfig?: unknown }).fromConfig !== 'function') {
    throw new ArgumentError(expected('a class with a static fromConfig()', 'type', candidate));
  }
  const taken = registry.get(type.name);
  if (taken !== undefined && taken !== type) throw new ArgumentError(`another layer class is already registered under the name '${type.name}'`);
  registry.set(type.name, type);
}

/** @internal The architecture of a layer as JSON. */
export function describeLayer(layer: AnyLayer): LayerDescription {
  const type = layer.constructor.name;
  if (!registry.has(type)) {
    throw new ArgumentError(
      `layer class '${type}' cannot be described: give it config() and static fromConfig(), and call registerLayer(${type})`,
    );
  }
  return { type, config: layer.config() ?? {} };
}

/** @internal Builds the layer that a description names. */
export function buildLayer(description: unknown): AnyLayer {
  if (typeof description !== 'object' || description === null)
    throw new ArgumentError(expected('a layer description', 'description', description));
  const { type, config } = description as LayerDescription;
  const known = typeof type === 'string' ? registry.get(type) : undefined;
  if (known === undefined)
    throw new ArgumentError(`unknown layer class ${JSON.stringify(String(type).slice(0, 60))}: call registerLayer() for it first`);
  return known.fromConfig(config as never);
}
