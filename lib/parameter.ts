// Parameters: leaves that a layer owns and an optimizer updates. Their memory is part of a slab on a SharedArrayBuffer.

import type { DType, FloatDType, TypedArrayOf } from './dtype.js';
import { bytesOf, floatDTypes } from './dtype.js';
import { ArgumentError, DTypeError, ShapeError, checkChoice, checkOptions, describeShape, expected } from './errors.js';
import type { Initializer } from './initializers/initializer.js';
import { allocateShared } from './native.js';
import type { Stamp } from './ops/destination.js';
import { eagerly, isTracing, touch, withoutGradients } from './ops/emit.js';
import { cast, copyInto, fillInPlace } from './ops/shape.js';
import { Random } from './random.js';
import { noteBirth } from './seed.js';
import { type StateKind, reads, refuseInStep, writes } from './recording.js';
import { type AnyTensor, Tensor, checkShape } from './tensor.js';
import { keepNames } from './names.js';

const alignment = 64;

// Set by layer.ts, which knows models: gives a parameter that is read before its model is used the place that it has in that model.
let prepareOwner: (parameter: AnyTensor) => void = () => {};
export function setOwnerPreparation(prepare: (parameter: AnyTensor) => void): void {
  prepareOwner = prepare;
}

/**
 * Values and gradients of several parameters side by side, each starting at a 64-byte boundary, so that an optimizer updates them in
 * one pass. A slab is an optimization: freezing, tying and groups work by segments of it.
 */
export class Slab {
  readonly values: TypedArrayOf<FloatDType>;
  #gradients: TypedArrayOf<FloatDType> | null = null;
  #isReached = false;

  constructor(
    readonly size: number,
    readonly dtype: FloatDType,
  ) {
    this.values = allocateShared(size, dtype);
  }

  /** Zeroed when first asked for: a model that only predicts has no gradients. */
  get gradients(): TypedArrayOf<FloatDType> {
    this.#gradients ??= allocateShared(this.size, this.dtype);
    return this.#gradients;
  }

  /** Whether there is memory for gradients. */
  get holdsGradients(): boolean {
    return this.#gradients !== null;
  }

  /** Whether any of its parameters has ever had a gradient: those beside it have one of zeros then. */
  get hasGradients(): boolean {
    reads(Slab.#reached, this);
    return this.#isReached;
  }

  /** One of its parameters has a gradient. */
  reach(): void {
    if (this.#isReached) return;
    // A slab of which some steps skip all has gradients of zeros in those, too.
    writes(Slab.#reached, this, true);
    this.#isReached = true;
  }

  static readonly #reached: StateKind<Slab> = {
    get: (slab) => slab.#isReached,
    set: (slab, value) => {
      slab.#isReached = value;
    },
  };
}

/** Options of {@link Parameter}. */
export interface ParameterOptions<D extends FloatDType> {
  /** Where its first values come from. */
  init: Initializer;
  /** Element type. Default `'float32'`. */
  dtype?: D;
}

/**
 * A tensor that a layer learns. Its values are drawn at first use from a random stream of its own. The seed is the one that was in force when
 * its layer was made; the stream is named by the path, so that adding a layer changes no other one's numbers, and, in models after the first
 * one since `setSeed`, by how many layers and parameters had been made before the model.
 *
 * @example
 * ```ts
 * import { Layer, Parameter, Tensor, Zeros } from 'nodegrad';
 * class Shift extends Layer {
 *   readonly bias = new Parameter([10], { init: new Zeros() });
 *   forward(x: Tensor): Tensor {
 *     return x.add(this.bias);
 *   }
 * }
 * ```
 */
export class Parameter<D extends FloatDType = 'float32'> extends Tensor<D> {
  /** Place in the model, such as `0.weight`; '' until the model is first used. */
  path = '';
  #init: Initializer;
  #slab: Slab | null = null;
  #offset = 0;
  #gradient: Tensor<D> | null = null;
  #isWithout = false;
  #wasTrained = true;
  /** Of all gradients that it has had: they lie in the same memory. */
  readonly #gradientStamp: Stamp = { at: 0 };
  readonly #birth = noteBirth();
  /** @internal Where the first values come from, as the layer says that it belongs to; null for a parameter that stands alone. */
  origin: { readonly seed: number; readonly stream: string } | null = null;

  constructor(shape: readonly number[], options: ParameterOptions<D>) {
    if ((shape as unknown) instanceof Tensor)
      throw new ArgumentError(
        expected('a shape', 'shape', shape, 'Values come from an initializer, { init }, or are set afterwards: parameter.data.set(x.data)'),
      );
    const { init, dtype = 'float32' as D } = checkOptions<ParameterOptions<D>>(options, 'options', ['init', 'dtype']);
    super(null, checkShape(shape), checkChoice(dtype, 'options.dtype', floatDTypes) as D);
    if (!isInitializer(init)) throw new ArgumentError(expected('an Initializer, such as new He()', 'options.init', init));
    this.#init = init;
    this.requiresGrad = true;
  }

  /** @internal Replaces the initializer of a parameter that has no values yet. */
  set init(init: Initializer) {
    this.#init = init;
  }

  /** @internal The slab that holds this parameter, and where in it. */
  get place(): { slab: Slab; offset: number } {
    if (this.isWidened) this.refuseTraining();
    if (this.#slab === null) materializeAll([this]);
    return { slab: this.#slab as Slab, offset: this.#offset };
  }

  /** @internal Takes its memory from a slab and draws its values. */
  settle(slab: Slab, offset: number): void {
    this.#slab = slab;
    this.#offset = offset;
    const { seed, stream } = this.origin ?? { seed: this.#birth.seed, stream: `parameter#${this.#birth.number}` };
    const view = slab.values.subarray(offset, offset + this.size) as TypedArrayOf<D>;
    const values = Tensor.check(
      eagerly(() => withoutGradients(() => this.#init.values(this.shape, this.dtype, new Random(seed, stream)))),
      `the values of ${this.#init.constructor.name}`,
    );
    if (values.memory.length !== this.size) {
      throw new ShapeError(`${this.#init.constructor.name} gave ${values.memory.length} values for shape ${describeShape(this.shape)}`);
    }
    view.set(values.memory as never);
    this.moveTo(view);
  }

  /** @internal Its values are made at first use, which a table is as well. */
  override get hasValues(): boolean {
    return !isTracing();
  }

  protected override materialize(): TypedArrayOf<D> {
    materializeAll([this]);
    return this.memory;
  }

  /** @internal */
  get isSettled(): boolean {
    return this.#slab !== null || this.isWidened;
  }

  /** @internal Of a parameter that is stored as bfloat16. */
  refuseTraining(): never {
    throw this.untrainable;
  }

  /** @internal Why it cannot be trained while it is stored as bfloat16. */
  get untrainable(): DTypeError {
    return new DTypeError(`parameter '${this.path}' is stored as bfloat16, which is for inference: model.to('float32') before it is trained`);
  }

  /** @internal Whether it requires a gradient or, while it is stored as bfloat16, will again in another type. */
  get isTrained(): boolean {
    return this.isWidened ? this.#wasTrained : this.requiresGrad;
  }

  /** @internal */
  set isTrained(value: boolean) {
    if (this.isWidened) this.#wasTrained = value;
    else this.requiresGrad = value;
  }

  /**
   * The gradient that `backward()` has added up, in the slab; null before the first, or after it was set to null. Without one, optimizers
   * and clipping leave the parameter alone; one that `backward()` has not reached yet, in a model where it has reached others, counts as zero.
   */
  override get grad(): Tensor<D> | null {
    reads(Parameter.#there, this);
    return this.#gradient;
  }

  override set grad(value: Tensor<D> | null) {
    if (value !== null && value === this.#gradient) return;
    if (value === null) {
      writes(Parameter.#there, this);
      writes(Parameter.#without, this);
      this.#gradient = null;
      this.#isWithout = true;
      return;
    }
    if (Tensor.check(value, 'grad').size !== this.size || value.dtype !== this.dtype) {
      throw new ShapeError(`expected a gradient of shape ${describeShape(this.shape)} and dtype ${this.dtype}`);
    }
    // The optimizer reads the slab: what is set must stand there.
    withoutGradients(() => copyInto(this.gradientTarget(), value));
  }

  /** @internal Whether its gradient was set to null, and no `backward()` has made one since. */
  get isWithoutGradient(): boolean {
    reads(Parameter.#without, this);
    return this.#isWithout;
  }

  /** @internal The gradient as it is, for whom a recording need not hear of. */
  get heldGradient(): Tensor<D> | null {
    return this.#gradient;
  }

  /** @internal The gradient's memory, made when it is first needed. Whoever holds a gradient that was set to null has it until now. */
  override gradientTarget(): Tensor<D> {
    if (this.isWithoutGradient) {
      fillInPlace(this.#wrapGradient(), 0);
      writes(Parameter.#without, this);
      this.#isWithout = false;
    }
    this.place.slab.reach();
    writes(Parameter.#there, this);
    return this.#hold();
  }

  #hold(): Tensor<D> {
    this.#gradient ??= this.#wrapGradient();
    return this.#gradient;
  }

  #wrapGradient(): Tensor<D> {
    const { slab, offset } = this.place;
    const memory = slab.gradients.subarray(offset, offset + this.size) as TypedArrayOf<D>;
    const gradient = Tensor.wrap(memory, this.shape, this.dtype);
    gradient.stamp = this.#gradientStamp;
    return gradient;
  }

  static readonly #there: StateKind<Parameter<FloatDType>> = {
    get: (parameter) => parameter.#gradient !== null,
    set: (parameter, value) => {
      if (value) parameter.#hold();
      else parameter.#gradient = null;
    },
  };

  static readonly #without: StateKind<Parameter<FloatDType>> = {
    get: (parameter) => parameter.#isWithout,
    set: (parameter, value) => {
      parameter.#isWithout = value;
    },
  };

  /** @internal Converts to another element type, in a slab of its own; for bfloat16 in memory without one, and not trained. */
  convert(dtype: FloatDType | 'bfloat16'): void {
    refuseInStep('a parameter was converted', 'Convert the model before');
    if (dtype === (this.dtype as DType)) return;
    const isStored = dtype === 'bfloat16';
    const { isTrained } = this;
    if (isStored) void this.memory; // its values are drawn in what it was made for
    const before = this.isSettled ? withoutGradients(() => cast(this, dtype)) : null;
    (this as unknown as { dtype: DType }).dtype = dtype;
    this.isWidened = isStored;
    this.#gradient = null;
    this.#isWithout = false;
    this.#slab = null;
    this.moveTo(isStored ? (allocateShared(this.size, dtype) as unknown as TypedArrayOf<D>) : null);
    if (before !== null) {
      if (!isStored) materializeAll([this as unknown as Parameter]);
      this.memory.set(before.memory as never);
    }
    // What is stored as bfloat16 takes no updates.
    if (isStored) this.requiresGrad = false;
    this.isTrained = isTrained;
    touch(this);
  }
}

function isInitializer(value: unknown): value is Initializer {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Initializer>).values === 'function';
}

/** Gives all parameters without memory a place in one slab per element type, and draws their values. */
export function materializeAll(parameters: Iterable<AnyTensor>): void {
  const all = [...parameters].filter((p): p is Parameter => p instanceof Parameter);
  for (const parameter of all) if (!parameter.isSettled && parameter.origin === null) prepareOwner(parameter);
  const waiting = all.filter((parameter) => !parameter.isSettled);
  if (waiting.length === 0) return;
  waiting.forEach((parameter, i) => {
    if (parameter.path === '') parameter.path = `parameter${i}`;
  });
  for (const dtype of floatDTypes) {
    const group = waiting.filter((p) => (p.dtype as FloatDType) === dtype);
    const unit = alignment / bytesOf(dtype);
    const offsets: number[] = [];
    let size = 0;
    for (const parameter of group) {
      offsets.push(size);
      size += Math.ceil(parameter.size / unit) * unit;
    }
    if (group.length === 0) continue;
    const slab = new Slab(size, dtype);
    group.forEach((parameter, i) => {
      parameter.settle(slab, offsets[i]);
    });
  }
}

keepNames({ Parameter });
