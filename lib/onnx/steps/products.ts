// Operators of ONNX that are products of matrices, in operations of nodegrad.

import { ArgumentError } from '../../errors.js';
import { filled, stack } from '../../ops/shape.js';
import type { Tensor } from '../../tensor.js';
import { Held, type Step, type Steps, input, int, sizeOf, stretched } from '../held.js';

/** Products of the last two axes, for each place of the others. */
const matmul: Step = (context) => {
  const [a, b] = [input(context, 0).floats, input(context, 1).floats];
  const [left, right] = [a.shape, b.shape];
  const [m, k, n] = [left[left.length - 2], left[left.length - 1], right[right.length - 1]];
  if (left.length < 2 || right.length < 2) throw new ArgumentError('products of vectors have no form here');
  if (right.length === 2)
    return Held.plain(
      a
        .reshape([sizeOf(left.slice(0, -1)), k])
        .matmul(b)
        .reshape([...left.slice(0, -1), n]),
    );
  if (left.length === 2) {
    // (a·b)ᵀ = bᵀ·aᵀ, whose rows are of one matrix.
    const swapped = right.map((_, d) => (d === right.length - 2 ? d + 1 : d === right.length - 1 ? d - 1 : d));
    const rows = b.transpose(swapped);
    const made = rows.reshape([sizeOf(right.slice(0, -2)) * n, k]).matmul(a, { transposeB: true });
    return Held.plain(made.reshape([...right.slice(0, -2), n, m]).transpose(swapped));
  }
  const outer = stretched(left.slice(0, -2), right.slice(0, -2));
  const whole = (x: Tensor, rows: number, columns: number): Tensor => {
    const shape = [...outer, rows, columns];
    const full = x.shape.join() === shape.join() ? x : x.mul(filled(shape, 1, 'float32') as Tensor);
    return full.reshape([sizeOf(outer), rows, columns]);
  };
  const [x, y] = [whole(a, m, k), whole(b, k, n)];
  const products = Array.from({ length: sizeOf(outer) }, (_, i) =>
    x
      .slice(i, i + 1)
      .reshape([m, k])
      .matmul(y.slice(i, i + 1).reshape([k, n])),
  );
  return Held.plain(stack(products).reshape([...outer, m, n]));
};

const gemm: Step = (context) => {
  const { node } = context;
  const [a, b] = [input(context, 0).floats, input(context, 1).floats];
  const product = a.matmul(b, { transposeA: int(node, 'transA', 0) === 1, transposeB: int(node, 'transB', 0) === 1 });
  const [alpha, beta] = [int(node, 'alpha', 1), int(node, 'beta', 1)];
  const scaled = alpha === 1 ? product : product.mul(alpha);
  const added = context.inputs[2]?.floats;
  if (added === undefined) return Held.plain(scaled);
  return Held.plain(scaled.add(beta === 1 ? added : added.mul(beta)));
};

/** Products of matrices. */
export const productSteps: Steps = { MatMul: matmul, Gemm: gemm };
