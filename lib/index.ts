// The table of contents, in the order a reader learns.

export { type CreateOptions, Tensor, full, noGrad, ones, tensor, zeros } from './tensor.js';
export { concat, stack } from './ops/shape.js';
export { addRelu, exp, log, relu, sigmoid, sqrt, tanh, where } from './ops/elementwise.js';
export { histogram } from './ops/reduce.js';
export { crossEntropy, logSoftmax, softmax } from './ops/softmax.js';
export { dropout } from './ops/random.js';
