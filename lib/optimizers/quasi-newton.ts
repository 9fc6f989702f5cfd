// Quasi-Newton methods with a strong Wolfe line search: L-BFGS, and BFGS for small problems.

import { ArgumentError } from '../errors.js';
import { keepNames } from '../names.js';
import { type OptionList, choice, integer } from '../options.js';
import type { Scheduled } from '../schedules/schedule.js';
import { Tensor } from '../tensor.js';
import { ClosureOptimizer, type Evaluation, type Vector, dot, largest, plus } from './closure.js';
import type { OptimizerOptions, OptimizerTarget } from './groups.js';
import { strongWolfe } from './line-search.js';
import { notNegative, optionArguments, scheduled } from './options.js';

/** Options of {@link BFGS}. */
export interface BFGSOptions extends OptimizerOptions {
  /** The step length that is tried first. Default 1. */
  lr: Scheduled;
  /** Iterations of a step. Default 20. */
  maxIterations?: number;
  /** Evaluations of a step. Default: a quarter more than iterations. */
  maxEvaluations?: number;
  /** Ends where no element of the gradient is larger. Default 1e-7. */
  toleranceGradient?: number;
  /** Ends where no parameter moves by more, and where the loss does not change by more. Default 1e-9. */
  toleranceChange?: number;
  /** How the step length is found: `'strongWolfe'`, or `'none'` for `lr` itself. Default `'strongWolfe'` (PyTorch: none). */
  lineSearch?: 'strongWolfe' | 'none';
}

/** Options of {@link LBFGS}. */
export interface LBFGSOptions extends BFGSOptions {
  /** Pairs of steps and changes of the gradient that are remembered. Default 100. */
  history?: number;
}

const bfgsOptions = {
  lr: [1, scheduled],
  maxIterations: [20, integer(1)],
  maxEvaluations: [undefined, integer(1)],
  toleranceGradient: [1e-7, notNegative],
  toleranceChange: [1e-9, notNegative],
  lineSearch: ['strongWolfe', choice(['strongWolfe', 'none'])],
} satisfies OptionList<BFGSOptions>;
const lbfgsOptions = { ...bfgsOptions, history: [100, integer(1)] } satisfies OptionList<LBFGSOptions>;

abstract class QuasiNewton<O extends BFGSOptions> extends ClosureOptimizer<O> {
  /** The direction at a place with this gradient. */
  protected abstract direction(gradient: Vector, options: O): Vector;

  /** Takes in that a step `s` changed the gradient by `y`, with y·s > 0. */
  protected abstract learn(s: Vector, y: Vector, options: O): void;

  protected minimize(start: Vector, at: (place: Vector) => Evaluation, options: O): Vector {
    const { lr, maxIterations, lineSearch, toleranceGradient, toleranceChange } = options as Required<BFGSOptions>;
    const { maxEvaluations = Math.max(1, Math.floor(maxIterations * 1.25)) } = options;
    const rate = lr as number;
    let place = start;
    let { loss, gradient } = at(place);
    let evaluations = 1;
    if (!(largest(gradient) > toleranceGradient)) return place;
    for (let iteration = 1; iteration <= maxIterations; iteration++) {
      const { step, gradient: before } = this.vectors;
      const isFirst = before === undefined;
      if (!isFirst) {
        const y = gradient.sub(before) as Vector;
        if (dot(y, step) > 1e-10) this.learn(step, y, options);
      }
      const d = isFirst ? (gradient.neg() as Vector) : this.direction(gradient, options);
      const slope = dot(gradient, d);
      // Without a step there is nothing to learn from.
      Object.assign(this.vectors, { gradient, step: d.mul(0) });
      if (!(slope <= -toleranceChange)) break;
      const first = isFirst ? Math.min(1, 1 / gradient.abs().sum().item()) * rate : rate;
      const [from, lossBefore] = [place, loss];
      let t = first;
      if (lineSearch === 'none') {
        place = plus(from, t, d);
        // The last place is not looked at: the next step does it.
        if (iteration < maxIterations) {
          ({ loss, gradient } = at(place));
          evaluations += 1;
        }
      } else {
        const look = (length: number) => {
          evaluations += 1;
          const found = at(plus(from, length, d));
          return { t: length, loss: found.loss, slope: dot(found.gradient, d), found: found.gradient };
        };
        const search = { decrease: 1e-4, curvature: 0.9, tolerance: toleranceChange, length: largest(d), maxEvaluations: maxEvaluations - evaluations }; // biome-ignore format: one line
        const best = strongWolfe({ t: 0, loss, slope, found: gradient }, first, look, search);
        ({ t, loss, found: gradient } = best);
        place = plus(from, t, d);
      }
      const moved = d.mul(t) as Vector;
      this.vectors['step'] = moved;
      if (evaluations >= maxEvaluations || !(largest(gradient) > toleranceGradient)) break;
      if (largest(moved) <= toleranceChange || Math.abs(loss - lossBefore) < toleranceChange) break;
    }
    return place;
  }
}

/**
 * L-BFGS (Liu & Nocedal 1989): a direction from the last `history` pairs of steps s and changes of the gradient y (pairs with y·s ≤ 1e-10 are
 * left out), scaled by y·s / y·y, and a step length by strong Wolfe conditions (1e-4 and 0.9). PyTorch's algorithm, with the line search as
 * the default. Course row H22.
 *
 * It is for the full batch: y is the change of the gradient of one function, and with another mini-batch each time it is mostly noise.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { LBFGS, tensor } from 'nodegrad';
 * const w = tensor(new Float64Array([1, -2]));
 * w.requiresGrad = true;
 * const optimizer = new LBFGS([w], { history: 10 });
 * optimizer.step(() => {
 *   const loss = w.mul(w).sum();
 *   loss.backward();
 *   return loss;
 * });
 * ```
 */
export class LBFGS extends QuasiNewton<LBFGSOptions> {
  constructor(target: OptimizerTarget<LBFGSOptions>, options: Partial<LBFGSOptions> = {}) {
    super(target, ...optionArguments<LBFGSOptions>(options, lbfgsOptions));
  }

  protected learn(s: Vector, y: Vector, { history }: LBFGSOptions): void {
    const count = this.numbers['pairs'] ?? 0;
    const pairs = Array.from({ length: count }, (_, i) => [this.vectors[`s${i}`], this.vectors[`y${i}`]]);
    pairs.push([s, y]);
    while (pairs.length > (history as number)) pairs.shift();
    for (const [i, [one, other]] of pairs.entries()) Object.assign(this.vectors, { [`s${i}`]: one, [`y${i}`]: other });
    this.numbers = { pairs: pairs.length, scale: dot(y, s) / dot(y, y) };
  }

  protected direction(gradient: Vector): Vector {
    const { pairs = 0, scale = 1 } = this.numbers;
    let d = gradient.neg() as Vector;
    const weights: number[] = [];
    for (let i = pairs - 1; i >= 0; i--) {
      const [s, y] = [this.vectors[`s${i}`], this.vectors[`y${i}`]];
      weights[i] = dot(s, d) / dot(y, s);
      d = plus(d, -weights[i], y);
    }
    d = d.mul(scale) as Vector;
    for (let i = 0; i < pairs; i++) {
      const [s, y] = [this.vectors[`s${i}`], this.vectors[`y${i}`]];
      d = plus(d, weights[i] - dot(y, d) / dot(y, s), s);
    }
    return d;
  }
}

/** More parameters make a matrix of more than 128 MB. */
export const mostParameters = 4096;

/** Refuses what is no small problem. */
export function checkSmall(size: number, name: string): void {
  if (size <= mostParameters) return;
  const what = `${name} keeps a matrix of ${size} × ${size} numbers: it is for at most ${mostParameters} parameters. LBFGS needs no matrix`;
  throw new ArgumentError(what);
}

/**
 * BFGS (Broyden, Fletcher, Goldfarb & Shanno 1970), for small problems: keeps the whole approximation H of the inverse Hessian,
 * `H ← (I − s·yᵀ/y·s)·H·(I − y·sᵀ/y·s) + s·sᵀ/y·s`, and steps along `−H·g` by strong Wolfe conditions (Nocedal & Wright 2006). H starts as the
 * identity times y·s / y·y of the first step. O(n²) memory and time; at most 4096 parameters. Full batch only. Course rows H21, P35.
 *
 * @throws {@link ArgumentError} for options out of range or unknown, and for more parameters.
 * @example
 * ```ts
 * import { BFGS, tensor } from 'nodegrad';
 * const w = tensor(new Float64Array([1, -2]));
 * w.requiresGrad = true;
 * new BFGS([w]).step(() => {
 *   const loss = w.mul(w).sum();
 *   loss.backward();
 *   return loss;
 * });
 * ```
 */
export class BFGS extends QuasiNewton<BFGSOptions> {
  constructor(target: OptimizerTarget<BFGSOptions>, options: Partial<BFGSOptions> = {}) {
    super(target, ...optionArguments<BFGSOptions>(options, bfgsOptions));
    checkSmall(this.groups[0].parameters.reduce((sum, { size }) => sum + size, 0), 'BFGS'); // biome-ignore format: one line
  }

  protected learn(s: Vector, y: Vector): void {
    const n = s.size;
    const [column, row] = [s.reshape([n, 1]), s.reshape([1, n])];
    const product = dot(y, s);
    const matrix = this.vectors['matrix'] ?? identity(n).mul(product / dot(y, y));
    const hy = matrix.matmul(y.reshape([n, 1]));
    const cross = hy.matmul(row);
    const factor = (1 + dot(y, hy.reshape([n]) as Vector) / product) / product;
    const next = matrix.sub(cross.add(cross.transpose()).div(product)).add(column.matmul(row).mul(factor));
    this.vectors['matrix'] = next as Vector;
  }

  protected direction(gradient: Vector): Vector {
    const { matrix } = this.vectors;
    const d = gradient.neg() as Vector;
    return matrix === undefined ? d : (matrix.matmul(d.reshape([d.size, 1])).reshape([d.size]) as Vector);
  }
}

function identity(n: number): Vector {
  const data = new Float64Array(n * n);
  for (let i = 0; i < n; i++) data[i * (n + 1)] = 1;
  return Tensor.from(data, [n, n]) as Vector;
}

keepNames({ LBFGS, BFGS });
