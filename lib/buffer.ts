// Buffers: state that a layer owns and no optimizer updates, such as running statistics. Their memory is a SharedArrayBuffer.

import { type DType, type TypedArrayOf, checkElement, dtypes } from './dtype.js';
import { ArgumentError, checkChoice, checkNumber, checkOptions, expected } from './errors.js';
import { allocateShared } from './native.js';
import { eagerly, isTracing, touch, withoutGradients } from './ops/emit.js';
import { cast } from './ops/shape.js';
import { makes, refuseInStep } from './recording.js';
import { Tensor, checkShape } from './tensor.js';
import { keepNames } from './names.js';

/** Options of {@link Buffer}. */
export interface BufferOptions<D extends DType> {
  /** The value that all elements start with. Default 0. */
  value?: number;
  /** Element type. Default `'float32'`. */
  dtype?: D;
}

/**
 * A tensor that belongs to a layer's state without being learned: it is saved, loaded, cloned, converted and brought back by checkpoints like
 * a {@link Parameter}, and is not among `parameters()`. Operations of a compiled step may update it in place.
 *
 * @example
 * ```ts
 * import { Buffer, Layer, type Tensor } from 'nodegrad';
 * class Centred extends Layer {
 *   readonly centre = new Buffer([10]);
 *   forward(x: Tensor): Tensor {
 *     return x.sub(this.centre);
 *   }
 * }
 * new Centred().stateDict().has('centre'); // true
 * ```
 */
export class Buffer<D extends DType = 'float32'> extends Tensor<D> {
  /** The value that all elements start with. */
  readonly value: number;

  /** @throws {@link ArgumentError} for unknown options, {@link ShapeError} for a wrong shape. */
  constructor(shape: readonly number[], options: BufferOptions<D> = {}) {
    if ((shape as unknown) instanceof Tensor)
      throw new ArgumentError(
        expected(
          'a shape',
          'shape',
          shape,
          'Values are set afterwards: const buffer = new Buffer(x.shape); buffer.data.set(x.data). One value for all is { value }',
        ),
      );
    const { value = 0, dtype = 'float32' as D } = checkOptions<BufferOptions<D>>(options, 'options', ['value', 'dtype']);
    super(null, checkShape(shape), checkChoice(dtype, 'options.dtype', dtypes) as D);
    this.value = checkElement(checkNumber(value, 'options.value'), this.dtype, 'options.value');
    makes(this, 'a buffer');
  }

  /** @internal Its values are made at first use, which a table is as well. */
  override get hasValues(): boolean {
    return !isTracing();
  }

  protected override materialize(): TypedArrayOf<D> {
    const data = allocateShared(this.size, this.dtype);
    data.fill(this.value);
    this.moveTo(data);
    return data;
  }

  /** @internal Converts to another element type, in memory of its own. */
  convert(dtype: DType): void {
    refuseInStep('a buffer was converted', 'Convert the model before');
    if (dtype === (this.dtype as DType)) return;
    const before = eagerly(() => withoutGradients(() => cast(this, dtype)));
    (this as unknown as { dtype: DType }).dtype = dtype;
    this.moveTo(null);
    this.memory.set(before.memory as never);
    touch(this);
  }
}

keepNames({ Buffer });
