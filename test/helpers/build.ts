// Short forms for making tensors in tests.
import { Tensor } from '../../lib/index.js';

/** A float64 tensor of its own memory; a vector unless a shape is given. */
export function f64(numbers: ArrayLike<number>, shape: readonly number[] = [numbers.length]): Tensor<'float64'> {
  return Tensor.from(Float64Array.from(numbers), [...shape]) as Tensor<'float64'>;
}

/** A float32 tensor of its own memory; a vector unless a shape is given. */
export function f32(numbers: ArrayLike<number>, shape: readonly number[] = [numbers.length]): Tensor<'float32'> {
  return Tensor.from(Float32Array.from(numbers), [...shape]) as Tensor<'float32'>;
}

/** An int32 tensor of its own memory; a vector unless a shape is given. */
export function i32(numbers: ArrayLike<number>, shape: readonly number[] = [numbers.length]): Tensor<'int32'> {
  return Tensor.from(Int32Array.from(numbers), [...shape]) as Tensor<'int32'>;
}

/** The same tensor, asked for its gradient. */
export function leaf<T extends { requiresGrad: boolean }>(tensor: T): T {
  tensor.requiresGrad = true;
  return tensor;
}

/** The gradient of sum(f(x) * upstream) at x; upstream is 1 everywhere unless given. */
export function gradientOf(
  f: (x: Tensor<'float64'>) => Tensor<'float64'>,
  x: ArrayLike<number>,
  upstream: ArrayLike<number> | number = 1,
  shape: readonly number[] = [x.length],
): Float64Array {
  const input = leaf(f64(x, shape));
  const output = f(input);
  const seed = typeof upstream === 'number' ? new Float64Array(output.size).fill(upstream) : Float64Array.from(upstream);
  output.mul(f64(seed, output.shape)).sum().backward();
  if (input.grad === null) throw new Error('no gradient reached the input');
  return Float64Array.from(input.grad.data);
}

/** Zeroes gradients in place. */
export function clear(tensors: Iterable<{ readonly grad: { readonly data: { fill(value: number): unknown } } | null }>): void {
  for (const { grad } of tensors) grad?.data.fill(0);
}
