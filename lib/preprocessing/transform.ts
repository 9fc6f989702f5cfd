// The base class of preprocessing: what is learned from training data once, and done to all data afterwards.

import type { ColumnSchema } from '../data/columns.js';
import type { AnyDataset, AsyncDataset, Dataset } from '../data/dataset.js';
import { type DType, type FloatDType, isFloat } from '../dtype.js';
import { ArgumentError, ShapeError, checkObject, describe, describeShape, expected } from '../errors.js';
import { ours } from '../foreign.js';
import { isOurs, keepName, keepNames } from '../names.js';
import { type AnyTensor, Tensor, noGrad } from '../tensor.js';
import { type Examples, type TransformFitOptions, examplesOf } from './examples.js';

/** Element type after a transform: float64 stays, all others become float32. */
export type Transformed<D extends DType> = D extends 'float64' ? 'float64' : 'float32';

/** Numbers that a transform learned, as JSON. */
export interface TransformValue {
  /** Shape. */
  readonly shape: readonly number[];
  /** The numbers, row by row. */
  readonly data: readonly number[];
}

/** A transform as JSON: `JSON.stringify(transform)` gives it, {@link Transform.fromJSON} reads it. */
export interface TransformDescription {
  /** Name that the class is registered under. */
  readonly type: string;
  /** What its `config()` gave. */
  readonly config: unknown;
  /** Shape of one example that it was fitted on; null before. */
  readonly inputShape: readonly number[] | null;
  /** What it learned, by name: shapes and float64 numbers. */
  readonly state: Readonly<Record<string, TransformValue>>;
}

/** A transform class that can be built from its description; see {@link registerTransform}. */
export interface TransformConstructor {
  /** Builds a transform from what `config()` of another gave. */
  fromConfig(config: never): Transform;
}

/** What takes in batches of training data; `learned` gives what came out. */
export interface TransformFitter {
  /** One batch [n, ...]; `first` is the index of its first example. */
  add(batch: AnyTensor, first: number): void;
  /** What was learned, by name. */
  learned(): Record<string, Tensor<'float64'>>;
}

/**
 * Base class of preprocessing. `fit` learns from training data, in float64 whatever their element type, `transform` does the same to every
 * example (course rows B09, B11), `inverse` undoes it where that is possible. uint8 and int32 become float32.
 *
 * Assign one to `model.preprocessing`: `fit`, `evaluate` and `predict` of the model then take data as they are, and `save` and `load` keep it.
 *
 * A transform of your own has `fitter`, `apply`, `config` and a static `fromConfig`, and is made known with {@link registerTransform}.
 *
 * @example
 * ```ts
 * import { StandardScaler, tensor } from 'nodegrad';
 * const scaler = new StandardScaler().fit(tensor([[1, 10], [2, 20], [3, 30]]));
 * scaler.transform(tensor([[2, 20]])); // [[0, 0]]
 * ```
 */
export abstract class Transform {
  #inputShape: readonly number[] | null = null;
  #learned: ReadonlyMap<string, Tensor<'float64'>> = new Map();

  /** Shape of one example that it was fitted on; null before. */
  get inputShape(): readonly number[] | null {
    return this.#inputShape;
  }

  /** Whether `fit` has been called, or a state loaded. */
  get isFitted(): boolean {
    return this.#inputShape !== null;
  }

  /** The columns of a table that it takes, as `schema` of {@link readCsv} takes them; null where it knows of none. */
  get columns(): readonly ColumnSchema[] | null {
    return null;
  }

  /** @internal A data set as it takes it: one whose columns have names is taken by them. To learn from, it may be another. */
  adapted<D extends AnyDataset>(data: D, _toLearn = false): D {
    return data;
  }

  /** @internal A data set that does by itself what the transform does; null where there is none. */
  within(_data: AnyDataset): AnyDataset | null {
    return null;
  }

  /** @internal Refuses class indices that count other classes than those it says are predicted. */
  checkTarget(_data: AnyDataset): void {}

  /** @internal The same, and of a table what is predicted from it, where nobody has said that. */
  withTarget(_target: ColumnSchema): Transform {
    return this;
  }

  /** @internal What the columns are called that it makes of some; null where they are no longer columns. */
  namesAfter(_columns: readonly string[] | null): readonly string[] | null {
    return null;
  }

  /** Shape of one example after `transform`. */
  get outputShape(): readonly number[] {
    return this.outputOf(this.#fitted());
  }

  /** @internal Shape that examples of this shape get. */
  outputFor(shape: readonly number[]): readonly number[] {
    return this.outputOf(this.taken(shape));
  }

  /** The shape that examples must have, where these come: the one that it was fitted on. */
  protected taken(_shape: readonly number[]): readonly number[] {
    return this.#fitted();
  }

  /** What to do about examples of another shape, for the end of the message; empty where nobody knows. */
  protected wayOut(_shape: readonly number[]): string {
    return '';
  }

  /**
   * Learns from training data: a tensor whose first dimension counts examples, or a data set, of which the inputs count.
   *
   * @returns itself; a promise of itself for a data set that has to be waited for
   * @throws {@link ArgumentError} for the validation or test part of a split, data without an example, values that are not finite, and wrong
   *   options. It then has learned nothing, and keeps what it had.
   */
  fit(data: AsyncDataset<DType, DType>, options?: TransformFitOptions): Promise<this>;
  fit(data: AnyTensor | Dataset<DType, DType>, options?: TransformFitOptions): this;
  fit(data: AnyTensor | AnyDataset, options?: TransformFitOptions): this | Promise<this>;
  fit(data: AnyTensor | AnyDataset, options?: TransformFitOptions): this | Promise<this> {
    const learning = this.learn(examplesOf(data instanceof Tensor ? data : this.adapted(data as AnyDataset, true), options));
    return learning === undefined ? this : learning.then(() => this);
  }

  /** @internal Goes through the examples, once. */
  learn(examples: Examples): void | Promise<void> {
    const fitter = this.fitter(examples.shape, examples);
    const reading = examples.each((batch, first) => noGrad(() => fitter.add(batch, first)));
    const settle = (): void => this.settle(examples.shape, fitter.learned());
    return reading === undefined ? settle() : reading.then(settle);
  }

  /** @internal Takes over what was learned. */
  protected settle(inputShape: readonly number[], learned: Record<string, Tensor<'float64'>>): void {
    this.#inputShape = Object.freeze([...inputShape]);
    this.#learned = new Map(Object.entries(learned));
  }

  /**
   * The same for every example: transforming batches one by one gives the bits of transforming all (course row B09).
   *
   * @param x - Shape [n, ...inputShape].
   * @throws {@link ArgumentError} before `fit`; {@link ShapeError} for examples of another shape.
   */
  transform<D extends DType>(x: Tensor<D>): Tensor<Transformed<D>> {
    return this.#run(
      x,
      (shape) => this.taken(shape),
      'transform',
      (floats) => this.apply(floats),
    );
  }

  /**
   * The way back: what `transform` gave becomes what it was, up to rounding and what was left out.
   *
   * @param y - Shape [n, ...outputShape].
   * @throws {@link ArgumentError} before `fit`, or where there is no way back; {@link ShapeError} for examples of another shape.
   */
  inverse<D extends DType>(y: Tensor<D>): Tensor<Transformed<D>> {
    return this.#run(
      y,
      (shape) => this.outputFor(shape),
      'inverse',
      (floats) => this.revert(floats),
    );
  }

  #run<D extends DType>(
    x: Tensor<D>,
    wanted: (shape: readonly number[]) => readonly number[],
    method: string,
    body: (floats: Tensor<FloatDType>) => Tensor<FloatDType>,
  ): Tensor<Transformed<D>> {
    const given = Tensor.check(x, method === 'inverse' ? 'y' : 'x');
    const shape = wanted(given.shape.slice(1));
    if (describeShape(given.shape.slice(1)) !== describeShape(shape) || given.rank === 0) {
      const what = ['n', ...shape].join(', ');
      throw new ShapeError(
        `${method}() of this ${this.constructor.name} takes examples as [${what}], received shape ${describeShape(given.shape)}${this.wayOut(given.shape.slice(1))}`,
      );
    }
    return noGrad(() => body(isFloat(given.dtype) ? given.detach() : given.to('float32'))) as Tensor<Transformed<D>>;
  }

  #fitted(): readonly number[] {
    if (this.#inputShape !== null) return this.#inputShape;
    throw new ArgumentError(`this ${this.constructor.name} has learned nothing: call fit(training data) first`);
  }

  /** What takes in the training data; throws where their shape does not suit. */
  protected abstract fitter(shape: readonly number[], examples: { readonly name: string; readonly length: number }): TransformFitter;

  /** `transform` of floats [n, ...inputShape], by operations or loops; the result has their element type. */
  protected abstract apply(x: Tensor<FloatDType>): Tensor<FloatDType>;

  /** `inverse` of floats [n, ...outputShape]. */
  protected revert(_y: Tensor<FloatDType>): Tensor<FloatDType> {
    throw new ArgumentError(`${this.constructor.name} has no inverse`);
  }

  /** Shape of a transformed example. */
  protected outputOf(shape: readonly number[]): readonly number[] {
    return shape;
  }

  /** What was learned under this name. */
  protected value(name: string): Tensor<'float64'> {
    this.#fitted();
    const value = this.#learned.get(name);
    if (value === undefined) throw new ArgumentError(`the state of this ${this.constructor.name} has no '${name}'`);
    return value;
  }

  /** What was learned under this name, in an element type. */
  protected valueAs<D extends FloatDType>(name: string, dtype: D): Tensor<D> {
    return this.value(name).to(dtype);
  }

  /** Constructor arguments as JSON. */
  abstract config(): unknown;

  /** What was learned, by name. */
  stateDict(): Map<string, Tensor<'float64'>> {
    return new Map(this.#learned);
  }

  /** @internal Takes over what another of its class and options learned. */
  restore(inputShape: readonly number[], state: ReadonlyMap<string, Tensor<'float64'>>): void {
    this.settle(inputShape, Object.fromEntries(state));
  }

  /** @internal Class and options, without what was learned. */
  describe(): Pick<TransformDescription, 'type' | 'config'> {
    const type = names.get(this.constructor);
    if (type === undefined) {
      const { name } = this.constructor;
      throw new ArgumentError(`transform class '${name}' cannot be described: call registerTransform(${name}, '${name}')`);
    }
    return { type, config: this.config() };
  }

  /** Class, options and what was learned, for `JSON.stringify`. */
  toJSON(): TransformDescription {
    const state = [...this.stateDict()].map(([name, { shape, data }]) => [name, { shape, data: Array.from(data) }] as const);
    return { ...this.describe(), inputShape: this.#inputShape, state: Object.fromEntries(state) };
  }

  /**
   * The transform that `JSON.parse` of a description gives.
   *
   * @throws {@link ArgumentError} for anything else, or a class that is not registered.
   * @example
   * ```ts
   * import { Centre, Transform, tensor } from 'nodegrad';
   * const text = JSON.stringify(new Centre().fit(tensor([[1], [3]])));
   * Transform.fromJSON(JSON.parse(text)).transform(tensor([[2]])); // [[0]]
   * ```
   */
  static fromJSON(description: unknown): Transform {
    const { state, inputShape } = (description ?? {}) as Partial<TransformDescription>;
    const transform = buildTransform(description);
    if (inputShape == null) return transform;
    if (!Array.isArray(inputShape)) throw new ArgumentError(expected('an array of dimensions', 'inputShape', inputShape));
    const tensors = Object.entries(checkObject<TransformDescription['state']>(state, 'state', 'names and numbers')).map(([name, value]) => {
      if (!Array.isArray(value?.data) || !Array.isArray(value.shape))
        throw new ArgumentError(expected('shape and data', `state.${name}`, value));
      return [name, Tensor.from(Float64Array.from(value.data), value.shape) as Tensor<'float64'>] as const;
    });
    transform.restore(inputShape, new Map(tensors));
    return transform;
  }
}

const classes = new Map<string, TransformConstructor>();
const names = new Map<unknown, string>();

/**
 * Makes a transform class of your own known to `save` and `load`, under a name that stands in files: it needs `config()`, which gives its
 * constructor arguments as JSON, and a static `fromConfig(config)`.
 *
 * @throws {@link ArgumentError} when the class lacks `fromConfig`, or the name is missing or taken.
 * @example
 * ```ts
 * import { Tensor, Transform, registerTransform } from 'nodegrad';
 * class Halve extends Transform {
 *   protected fitter() {
 *     return { add() {}, learned: () => ({}) };
 *   }
 *   protected apply(x: Tensor<any>): Tensor<any> {
 *     return x.div(2);
 *   }
 *   config() {
 *     return {};
 *   }
 *   static fromConfig() {
 *     return new Halve();
 *   }
 * }
 * registerTransform(Halve, 'Halve');
 * ```
 */
export function registerTransform(type: TransformConstructor, name: string): void {
  if (typeof (type as unknown) !== 'function' || typeof type.fromConfig !== 'function')
    throw new ArgumentError(expected('a class with a static fromConfig()', 'type', type));
  if (typeof name !== 'string' || name === '') throw new ArgumentError(expected('the name that the class has in files', 'name', name));
  if ((classes.get(name) ?? type) !== type) throw new ArgumentError(`another transform class is already registered under the name '${name}'`);
  if ((names.get(type) ?? name) !== name) throw new ArgumentError(`this class is already registered under the name '${names.get(type)}'`);
  classes.set(name, type);
  names.set(type, name);
  if (!isOurs(type)) keepName(type, name);
}

/** @internal {@link registerTransform} for several of ours. */
export function registerTransforms(types: Readonly<Record<string, TransformConstructor>>): void {
  keepNames(types);
  for (const [name, type] of Object.entries(types)) registerTransform(type, name);
}

/** @internal The transform of a description, which has learned nothing yet. */
export function buildTransform(description: unknown): Transform {
  const { type, config } = (typeof description === 'object' && description !== null ? description : {}) as Partial<TransformDescription>;
  const known = typeof type === 'string' ? classes.get(type) : undefined;
  if (known === undefined) throw new ArgumentError(`unknown transform class ${describe(type)}: call registerTransform() for it first`);
  return known.fromConfig(config as never);
}

keepNames({ Transform });
ours(Transform);
