// The one gradient check: the full Jacobian of a function of tensors, against central differences in float64.
import type { ExecutionContext } from 'ava';
import { noGrad, Tensor } from '../../lib/index.js';
import { clear } from './build.js';
import { placeOf } from './close.js';

type Double = Tensor<'float64'>;

/** A tensor whose elements are varied, with the name that a failure prints. */
export interface Leaf {
  readonly name: string;
  readonly tensor: Double;
}

/** Tolerances of the check; an entry passes when |analytic - numeric| <= atol + rtol * |numeric|. */
export interface GradcheckOptions {
  readonly rtol?: number;
  readonly atol?: number;
  /** Distance of the two evaluations, as a share of max(1, |x|): h = 2^-17 leaves h^2 |f'''| / 6 + 2^-53 |f| / h, about 1e-11 of each. */
  readonly step?: number;
}

/** Entries of the Jacobian that were compared, and the largest share of the tolerance that one of them used. */
export interface GradcheckResult {
  readonly entries: number;
  readonly share: number;
}

/**
 * Checks the Jacobian of `evaluate` with respect to each leaf, which it varies in place and restores. The caller keeps the leaves
 * away from kinks, and hands in a function that gives the same numbers each time.
 */
export function jacobianCheck(
  t: ExecutionContext,
  evaluate: () => Double,
  leaves: readonly Leaf[],
  options: GradcheckOptions = {},
  message = 'gradient',
): GradcheckResult {
  const { rtol = 1e-6, atol = 1e-8, step = 2 ** -17 } = options;
  const first = noGrad(evaluate);
  const again = noGrad(evaluate);
  if (!first.data.every((value: number, index: number) => Object.is(value, again.data[index]))) {
    t.fail(`${message}: two evaluations on the same numbers differ; the function is not deterministic`);
  }
  const outputs = first.size;
  const rows = Array.from({ length: outputs }, (_, output) => analyticRow(evaluate, leaves, first.shape, output, t, message));
  let entries = 0;
  let share = 0;
  let worst = '';
  for (const [which, { name, tensor }] of leaves.entries()) {
    for (let index = 0; index < tensor.size; index++) {
      const middle = tensor.data[index];
      const reach = step * Math.max(1, Math.abs(middle));
      const [below, above] = [middle - reach, middle + reach];
      tensor.data[index] = above;
      const high = Float64Array.from(noGrad(evaluate).data);
      tensor.data[index] = below;
      const low = Float64Array.from(noGrad(evaluate).data);
      tensor.data[index] = middle;
      for (let output = 0; output < outputs; output++) {
        const numeric = (high[output] - low[output]) / (above - below);
        const analytic = rows[output][which][index];
        const error = Math.abs(analytic - numeric);
        const used = error <= Infinity ? error / (atol + rtol * Math.abs(numeric)) : Infinity;
        entries++;
        if (!(used > share)) continue;
        share = used;
        worst =
          `d output[${placeOf(output, first.shape).join(', ')}] / d ${name}[${placeOf(index, tensor.shape).join(', ')}] ` +
          `is ${analytic}, central difference ${numeric}: error ${error.toExponential(3)}, ${used.toExponential(2)} times the tolerance`;
      }
    }
  }
  if (share > 1) t.fail(`${message}: ${worst}`);
  else t.pass();
  return { entries, share };
}

/** `jacobianCheck` for a plain function: copies the inputs, and asks for the gradient of each of them. */
export function gradcheck(
  t: ExecutionContext,
  fn: (...inputs: Double[]) => Double,
  inputs: readonly Double[],
  options: GradcheckOptions = {},
  message = 'gradient',
): GradcheckResult {
  const leaves = inputs.map((input, index) => {
    const tensor = Tensor.from(Float64Array.from(input.data), [...input.shape]) as Double;
    tensor.requiresGrad = true;
    return { name: inputs.length === 1 ? 'input' : `input ${index}`, tensor };
  });
  return jacobianCheck(t, () => fn(...leaves.map((leaf) => leaf.tensor)), leaves, options, message);
}

/** Row `output` of the Jacobian, per leaf, by backward from that one output element. */
function analyticRow(
  evaluate: () => Double,
  leaves: readonly Leaf[],
  shape: readonly number[],
  output: number,
  t: ExecutionContext,
  message: string,
): Float64Array[] {
  clear(leaves.map((leaf) => leaf.tensor));
  const result = evaluate();
  const seed = new Float64Array(result.size);
  seed[output] = 1;
  result
    .mul(Tensor.from(seed, [...shape]) as Double)
    .sum()
    .backward();
  return leaves.map(({ name, tensor }) => {
    const { grad } = tensor;
    if (grad === null) return new Float64Array(tensor.size);
    if (grad.dtype !== tensor.dtype || grad.shape.join() !== tensor.shape.join()) {
      t.fail(
        `${message}: gradient of ${name} is ${grad.dtype} [${grad.shape.join(', ')}], the tensor ${tensor.dtype} [${tensor.shape.join(', ')}]`,
      );
    }
    return Float64Array.from(grad.data);
  });
}
