// Fused operations: what passes of lib/program put in place of several recorded ones. Nobody emits them, and they have no gradient.

import { type Op, defineOp } from './define.js';

function defineFused(name: string): Op<unknown> {
  return defineOp<unknown>(name, { shape: () => ({ outputs: [], ints: [], reals: [] }), gradient: 'none' });
}

/** `y = f(x·w + b)`; ints: m, n, k, index of the map f. */
export const linearMapOp = defineFused('linear_map');
/** `dz = f'(y)·(a·b)`; ints: those of matmul, index of the backward f'. */
export const matmulMapGradientOp = defineFused('matmul_map_gradient');
/** `dW += xᵀ·dy`, `db += Σ dy`; ints: m, n, k, and whether dW and db are overwritten instead. */
export const linearGradientsOp = defineFused('linear_gradients');
/** `c = 0 + a·b`: an accumulation into zeros. */
export const matmulOverwriteOp = defineFused('matmul_overwrite');
/** `y += Σ x`; ints: those of sum, and whether y is overwritten instead. */
export const sumAccumulateOp = defineFused('sum_accumulate');
/** The reduced loss and its gradient by the logits, from class indices; reals: smoothing, divisor. */
export const crossEntropyGradientOp = defineFused('cross_entropy_gradient');
/** The same from target probabilities. */
export const crossEntropyDenseGradientOp = defineFused('cross_entropy_dense_gradient');
/** `y = relu(batch_norm(x))`. */
export const batchNormReluOp = defineFused('batch_norm_relu');
/** The gradients by γ and β of that, from the gradient by y: what ReLU lets through is known from x. */
export const batchNormReluGradientsOp = defineFused('batch_norm_relu_gradients');
/** The gradient by x of that. */
export const batchNormReluBackwardOp = defineFused('batch_norm_relu_backward');
/** `y = relu(batch_norm(x) + other)`. */
export const batchNormAddReluOp = defineFused('batch_norm_add_relu');
/** What ReLU lets through of dy by its output y, and the gradients by γ and β of a batch norm before it. */
export const batchNormAddReluGradientsOp = defineFused('batch_norm_add_relu_gradients');
/** `y = f(x ∗ w + b)`; ints: those of conv2d, index of the map f. */
export const conv2dMapOp = defineFused('conv2d_map');
/** `dx +=` the gradient of a convolution by its input. */
export const conv2dInputAccumulateOp = defineFused('conv2d_input_accumulate');
/** `dz = f'(y)·dx`; ints: those of conv2d, index of the backward f'. */
export const conv2dInputMapGradientOp = defineFused('conv2d_input_map_gradient');
/** `dz = f'(y)·(dz + dx)`, in place. */
export const conv2dInputAccumulateMapGradientOp = defineFused('conv2d_input_accumulate_map_gradient');
/** Back through max pooling and the ReLU before it: dx from dy, the taps and the output of ReLU; ints: those of max_pool2d. */
export const maxPoolReluGradientOp = defineFused('max_pool2d_relu_gradient');
