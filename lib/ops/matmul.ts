// Matrix products: matmul in the four transpose cases, and the product with bias of the linear layer.

import type { FloatDType } from '../dtype.js';
import { ShapeError, checkOptions, describeShape } from '../errors.js';
import { type AnyTensor, Tensor } from '../tensor/core.js';
import { defineOp, variantOf } from './define.js';
import { requireFloat } from './elementwise.js';
import { emitInPlace, emitOne, sizeOf } from './emit.js';
import { descriptor } from './fused.js';
import { featuresHint } from './hints.js';
import { sum } from './reduce.js';
import { reshape } from './shape.js';

/** Options of {@link Tensor.matmul}. */
export interface MatmulOptions {
  /** Use the transpose of the left operand: it is [k, m]. Default false. */
  transposeA?: boolean;
  /** Use the transpose of the right operand: it is [n, k]. Default false. */
  transposeB?: boolean;
}

interface Transposes {
  a: boolean;
  b: boolean;
}

/** What makes products of two matrices of others. */
function matricesHint(a: readonly number[], b: readonly number[], transposed: Transposes): string {
  if (transposed.a || a.length < 3) return '';
  const [n] = a;
  if (b.length === 2) return `. One matrix for all rows: x.reshape([-1, ${a[a.length - 1]}]).matmul(w), then back, as a Linear layer does it`;
  const part = (name: string, [, ...shape]: readonly number[]): string => `${name}.slice(i, i + 1).reshape(${describeShape(shape)})`;
  if (a.length !== 3 || b.length !== 3 || b[0] !== n || transposed.b) return '';
  return `. A product for each example: stack(Array.from({ length: ${n} }, (_, i) => ${part('a', a)}.matmul(${part('b', b)}))); attention() has those of attention`;
}

const matmulOp = defineOp<Transposes>('matmul', {
  shape: (inputs, transposed) => {
    const dtype = requireFloat('matmul', inputs);
    const [a, b] = inputs;
    if (a.shape.length !== 2 || b.shape.length !== 2) {
      throw new ShapeError(
        `[matmul] expected two matrices, received shapes ${describeShape(a.shape)} and ${describeShape(b.shape)}${matricesHint(a.shape, b.shape, transposed)}`,
      );
    }
    const [m, k] = transposed.a ? [a.shape[1], a.shape[0]] : a.shape;
    const [k2, n] = transposed.b ? [b.shape[1], b.shape[0]] : b.shape;
    if (k !== k2) {
      const text = (shape: readonly number[], flag: boolean): string => `${describeShape(shape)}${flag ? ' transposed' : ''}`;
      throw new ShapeError(
        `[matmul] inner dimensions differ: ${text(a.shape, transposed.a)} times ${text(b.shape, transposed.b)} (${k} and ${k2})`,
      );
    }
    return { outputs: [{ shape: [m, n], dtype }], ints: [m, n, k, transposed.a ? 1 : 0, transposed.b ? 1 : 0], reals: [] };
  },
  // √(mk·kn·mn), whichever operand is transposed.
  products: ([a, b], [y]) => Math.sqrt(a.size * b.size * y.size),
  // y = A·B: dA = dy·Bᵀ, dB = Aᵀ·dy, each transposed once more where the operand was. Course row G08.
  gradient: ({ inputs, upstream, attributes, needs, target }) => {
    const [a, b] = inputs as Tensor[];
    const dy = upstream as Tensor;
    const product = (left: Tensor, leftT: boolean, right: Tensor, rightT: boolean): Tensor =>
      emitOne(matmulOp, [left, right], { a: leftT, b: rightT });
    return [
      !needs[0] ? null : attributes.a ? product(b, attributes.b, dy, true) : product(dy, false, b, !attributes.b),
      !needs[1]
        ? null
        : attributes.b
          ? product(dy, true, a, attributes.a)
          : attributes.a
            ? product(a, false, dy, false)
            : weightGradient(a, dy, target(1)),
    ];
  },
});

export function matmul<D extends FloatDType>(a: Tensor<D>, b: Tensor<D>, options: MatmulOptions = {}): Tensor<D> {
  checkOptions(options, 'options', ['transposeA', 'transposeB']);
  return emitOne(matmulOp, [a, Tensor.check(b, 'other')], { a: options.transposeA === true, b: options.transposeB === true });
}

// c += a·b, for weight gradients: they are added where they stay.
const accumulate = descriptor({ prior: 'accumulate' });
const matmulAccumulateOp = variantOf<Transposes, { ints: readonly number[] }>(matmulOp, {
  shape: (_inputs, { ints }) => ({ outputs: [], ints, reals: [] }),
  gradient: 'none',
});

/** `xᵀ·dy` of x[rows, in] and dy[rows, out]: added to `into` (then null is returned), or a new tensor where that is null. */
export function weightGradient(x: AnyTensor, dy: AnyTensor, into: AnyTensor | null): AnyTensor | null {
  if (into === null) return emitOne(matmulOp, [x, dy], { a: true, b: false });
  emitInPlace(matmulAccumulateOp, [into], [x, dy], { ints: [x.shape[1], dy.shape[1], x.shape[0], 1, 0, accumulate] });
  return null;
}

/** Checks that the last dimension of `x` is the first one of a weight [in, out]. */
export function checkFeatures({ shape }: AnyTensor, weight: AnyTensor): void {
  const [features] = weight.shape;
  if (shape.length > 0 && shape[shape.length - 1] === features) return;
  const hint = featuresHint(features, shape) || `. The weight is [in, out] = ${describeShape(weight.shape)}`;
  throw new ShapeError(`[linear] expected ${features} input features (the last dimension), received shape ${describeShape(shape)}${hint}`);
}

const withBias = descriptor({ bias: true });
const linearOp = variantOf<Transposes, undefined>(matmulOp, {
  shape: (inputs) => {
    const dtype = requireFloat('linear', inputs);
    const [x, w, b] = inputs;
    if (x.shape.length < 1 || w.shape.length !== 2 || b.shape.length !== 1 || b.shape[0] !== w.shape[1]) {
      throw new ShapeError(
        `[linear] expected x [..., in], weight [in, out] and bias [out], received ${inputs.map((i) => describeShape(i.shape)).join(', ')}`,
      );
    }
    const [features, n] = w.shape;
    checkFeatures(x, w);
    const outer = x.shape.slice(0, -1);
    return { outputs: [{ shape: [...outer, n], dtype }], ints: [sizeOf(outer), n, features, 0, 0, withBias], reals: [] };
  },
  // dx = dy·Wᵀ, dW = xᵀ·dy, db = Σ dy over the rows. Course row G08.
  gradient: ({ inputs, upstream, needs, target }) => {
    const [x, w] = inputs as Tensor[];
    const [features, n] = w.shape;
    const rows = sizeOf(x.shape.slice(0, -1));
    const dy = reshape(upstream as Tensor, [rows, n]);
    return [
      needs[0] ? reshape(emitOne<Transposes, 'float32'>(matmulOp, [dy, w], { a: false, b: true }), x.shape) : null,
      needs[1] ? weightGradient(reshape(x, [rows, features]), dy, target(1)) : null,
      needs[2] ? sum(dy, 0) : null,
    ];
  },
});

/** `y = x·W + b` over the last dimension, the bias added in the product's epilogue with the bits of a separate addition. */
export function linear<D extends FloatDType>(x: Tensor<D>, weight: Tensor<D>, bias: Tensor<D>): Tensor<D> {
  return emitOne(linearOp, [x, weight, bias], undefined);
}
