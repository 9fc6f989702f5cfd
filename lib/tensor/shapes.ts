// Methods of tensors: other shapes, parts, copies and element types, and the way back along the tape.

import { type DType, dtypes } from '../dtype.js';
import { ArgumentError, checkChoice, describe } from '../errors.js';
import { backward } from '../ops/backward.js';
import { withoutGradients } from '../ops/emit.js';
import { cast, copy, gather, pad, reshape, slice, split, transpose } from '../ops/shape.js';
import { Tensor } from './core.js';

// The tensor that these methods are called on.
const whole = <D extends DType>(methods: TensorShapes<D>): Tensor<D> => methods as unknown as Tensor<D>;

/** Other shapes, parts, copies and element types, and `backward()`: part of {@link Tensor}. */
export class TensorShapes<D extends DType> {
  // ---- differentiation ----

  /**
   * Adds the gradients of this tensor by all leaves with `requiresGrad` to their `grad`. The tape is used up.
   *
   * @param upstream - Gradient by this tensor; may be left out when it has one element.
   * @throws {@link ShapeError} without `upstream` for more than one element, {@link ArgumentError} when nothing requires a gradient.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * const w = tensor([3]);
   * w.requiresGrad = true;
   * w.mul(w).sum().backward();
   * w.grad?.item(); // 6
   * ```
   */
  backward(upstream?: Tensor<D>): void {
    backward(whole(this), upstream === undefined ? undefined : Tensor.check(upstream, 'upstream'));
  }

  /** The same memory, off the tape. */
  detach(): Tensor<D> {
    return withoutGradients(() => reshape(whole(this), whole(this).shape));
  }

  // ---- copies ----

  /**
   * A copy in new memory; the gradient flows through. {@link Tensor.detach} is the opposite: the same memory, no gradient.
   */
  clone(): Tensor<D> {
    return copy(whole(this));
  }

  /**
   * The same values in another element type; the same tensor when it has it already. Float to integer truncates and saturates;
   * NaN, which is no integer, is refused. The gradient flows between float32, float64 and bfloat16, straight through
   * the rounding.
   *
   * @throws {@link ArgumentError} for an unknown dtype, or NaN where an integer is asked for.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([1.9, -1.9, 300]).to('uint8').toArray(); // [1, 0, 255]
   * ```
   */
  to<E extends DType>(dtype: E): Tensor<E> {
    return cast(whole(this), checkChoice(dtype, 'dtype', dtypes) as E);
  }

  // ---- shape and indexing ----

  /**
   * A view with another shape of the same size: the memory is shared. One dimension may be −1, it follows from the others.
   *
   * @throws {@link ShapeError} when the sizes differ.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * ones([32, 28, 28, 1]).reshape([32, -1]).shape; // [32, 784]
   * ```
   */
  reshape(shape: readonly number[]): Tensor<D> {
    return reshape(whole(this), shape);
  }
  /**
   * Permutes the axes, a copy: axis `i` of the result is axis `order[i]`. Without an order the axes are reversed. A product needs no
   * copy: {@link Tensor.matmul} transposes in passing.
   *
   * @throws {@link ShapeError} when the order does not name every axis once.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * ones([8, 3, 32, 32]).transpose([0, 2, 3, 1]).shape; // images NCHW to NHWC: [8, 32, 32, 3]
   * ```
   */
  transpose(order?: readonly number[]): Tensor<D> {
    return transpose(whole(this), order);
  }
  /**
   * Elements [begin, end) of the leading axes; negative bounds count from the end. A slice of the first axis alone is a view, others copy.
   *
   * @throws {@link ShapeError} for bounds outside of the tensor, {@link ArgumentError} for a third argument.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * const x = ones([10, 4]);
   * x.slice(2, 5).shape; // [3, 4], on the same memory
   * x.slice([0, 1], [10, 3]).shape; // [10, 2], a copy
   * ```
   */
  slice(begin: number | readonly number[], end?: number | readonly number[], more?: never): Tensor<D> {
    if (more !== undefined) refuseMore(more, 'slice', '2 arguments, begin and end, both counted from 0: no size, no step');
    return slice(whole(this), begin, end);
  }
  /**
   * Cuts along `axis` (default 0) into `parts` equal pieces, or into pieces of the given sizes.
   *
   * @throws {@link ShapeError} when the pieces do not add up to the axis.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * ones([6, 2]).split(3).length; // 3 pieces of [2, 2]
   * ones([6, 2]).split([1, 5])[1].shape; // [5, 2]
   * ```
   */
  split(parts: number | readonly number[], axis = 0): Tensor<D>[] {
    return split(whole(this), parts, axis);
  }
  /**
   * Surrounds with `value` (default 0): `padding[d]` is [before, after] of axis d. The gradient is the inner part of `dy`.
   *
   * @throws {@link ShapeError} unless there is one pair for each axis, {@link ArgumentError} for a value that the dtype does not hold.
   * @example
   * ```ts
   * import { ones } from 'nodegrad';
   * ones([1, 2]).pad([[0, 1], [1, 1]]).toArray(); // [[0, 1, 1, 0], [0, 0, 0, 0]]
   * ```
   */
  pad(padding: readonly (readonly [number, number])[], value = 0): Tensor<D> {
    return pad(whole(this), padding, value);
  }
  /**
   * Rows of the first axis by index: `y[i] = this[indices[i]]`. Repeated rows add up in the gradient.
   *
   * @throws {@link IndexError} for an index outside of the first axis, {@link ArgumentError} for indices that are not int32, or an axis.
   * @example
   * ```ts
   * import { tensor } from 'nodegrad';
   * tensor([[1, 2], [3, 4], [5, 6]]).gather([2, 0]).toArray(); // [[5, 6], [1, 2]]
   * ```
   */
  gather(indices: Tensor<'int32'> | readonly number[], more?: never): Tensor<D> {
    if (more !== undefined)
      refuseMore(
        more,
        'gather',
        '1 argument, indices of the first axis. One number of each row is pick(x, index); transpose() brings another axis to the front',
      );
    return gather(whole(this), indices);
  }
}

/** Refuses an argument that other libraries have and this method has not: dropped, it would change the result in silence. */
function refuseMore(given: unknown, name: string, what: string): never {
  throw new ArgumentError(`${name}() takes ${what}. It also received ${describe(given)}`);
}
