// Newton's method for small problems.

import { keepNames } from '../names.js';
import type { OptionList } from '../options.js';
import type { Scheduled } from '../schedules/schedule.js';
import { Tensor } from '../tensor.js';
import { ClosureOptimizer, type Evaluation, type Vector } from './closure.js';
import type { OptimizerOptions, OptimizerTarget } from './groups.js';
import { notNegative, optionArguments, scheduled } from './options.js';
import { checkSmall } from './quasi-newton.js';

/** Options of {@link Newton}. */
export interface NewtonOptions extends OptimizerOptions {
  /** Share of Newton's step that is taken. Default 1: Newton's method needs no learning rate. */
  lr: Scheduled;
  /** Added to the diagonal of the Hessian (Levenberg). Default 0. */
  damping?: number;
}

const newtonOptions = { lr: [1, scheduled], damping: [0, notNegative] } satisfies OptionList<NewtonOptions>;

/**
 * Newton's method: `w −= H⁻¹·g`, to the minimum of a quadratic in one step. The Hessian comes from central differences of the gradient, 2n
 * evaluations for n parameters, and the step from its Cholesky factors: O(n²) memory, O(n³) time, at most 4096 parameters. Where H is not
 * positive definite (a saddle, a maximum), the diagonal grows until it is, so that the step goes downhill. Use float64 parameters: in float32
 * differences of gradients have few digits. Course row H20.
 *
 * @throws {@link ArgumentError} for options out of range or unknown, and for more parameters.
 * @example
 * ```ts
 * import { Newton, tensor } from 'nodegrad';
 * const w = tensor(new Float64Array([1, -2]));
 * w.requiresGrad = true;
 * new Newton([w]).step(() => {
 *   const loss = w.mul(w).sum();
 *   loss.backward();
 *   return loss;
 * });
 * ```
 */
export class Newton extends ClosureOptimizer<NewtonOptions> {
  constructor(target: OptimizerTarget<NewtonOptions>, options: Partial<NewtonOptions> = {}) {
    super(target, ...optionArguments<NewtonOptions>(options, newtonOptions));
    checkSmall(this.groups[0].parameters.reduce((sum, { size }) => sum + size, 0), 'Newton'); // biome-ignore format: one line
  }

  protected minimize(start: Vector, at: (place: Vector) => Evaluation, { lr, damping = 0 }: NewtonOptions): Vector {
    const n = start.size;
    const gradient = Float64Array.from(at(start).gradient.data);
    const hessian = new Float64Array(n * n);
    for (let j = 0; j < n; j++) {
      // Half the digits of a gradient for the step, half for the difference, at the third root of the rounding error.
      const h = (1 / 2 ** 17) * Math.max(1, Math.abs(start.data[j]));
      const [ahead, behind] = [h, -h].map((by) => {
        const place = Float64Array.from(start.data);
        place[j] += by;
        return { x: place[j], g: at(Tensor.from(place) as Vector).gradient.data };
      });
      for (let i = 0; i < n; i++) hessian[i * n + j] = (ahead.g[i] - behind.g[i]) / (ahead.x - behind.x);
    }
    let [scale, shift] = [0, damping];
    for (let i = 0; i < n; i++) scale = Math.max(scale, Math.abs(hessian[i * (n + 1)]));
    let factor = cholesky(hessian, n, shift);
    while (factor === null) {
      shift = Math.max(2 * shift, 1e-3 * scale, 1e-12);
      factor = cholesky(hessian, n, shift);
    }
    const step = solve(factor, gradient, n);
    return Tensor.from(Float64Array.from(start.data, (x, i) => x - (lr as number) * step[i])) as Vector;
  }
}

// The lower factor of the symmetric part of `a` plus `shift` on the diagonal; null where that is not positive definite.
function cholesky(a: Float64Array, n: number, shift: number): Float64Array | null {
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = (a[i * n + j] + a[j * n + i]) / 2 + (i === j ? shift : 0);
      for (let k = 0; k < j; k++) sum -= l[i * n + k] * l[j * n + k];
      if (i !== j) l[i * n + j] = sum / l[j * n + j];
      else if (sum > 0) l[i * n + i] = Math.sqrt(sum);
      else if (Number.isNaN(sum) || shift === Number.POSITIVE_INFINITY) return l.fill(Number.NaN);
      else return null;
    }
  }
  return l;
}

// x with l·lᵀ·x = b.
function solve(l: Float64Array, b: Float64Array, n: number): Float64Array {
  const x = b.slice();
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= l[i * n + k] * x[k];
    x[i] /= l[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= l[k * n + i] * x[k];
    x[i] /= l[i * n + i];
  }
  return x;
}

keepNames({ Newton });
