// Adam and AdamW.

import { checkNumber, checkOptions, ArgumentError, expected, mergeOptions } from '../errors.js';
import { adamUpdate } from '../ops/update.js';
import { Optimizer, type OptimizerTarget, type Run, hyperparameters } from './optimizer.js';
import { keepNames } from '../names.js';

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions {
  /** Learning rate. Default 1e-3. */
  lr: number;
  /** Decay of the mean and of the mean square. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the root, outside of it. Default 1e-8 (Keras: 1e-7). */
  eps?: number;
  /** Weight decay: coupled in Adam (default 0), decoupled in AdamW (default 0.01). */
  weightDecay?: number;
}

const known = ['lr', 'betas', 'eps', 'weightDecay'];

function check(options: AdamOptions): void {
  checkOptions(options, 'options', known);
  checkNumber(options.lr, 'lr', 0);
  checkNumber(options.eps ?? 1e-8, 'eps', 0);
  checkNumber(options.weightDecay ?? 0, 'weightDecay', 0);
  const betas = options.betas ?? [0.9, 0.999];
  if (!Array.isArray(betas) || betas.length !== 2) throw new ArgumentError(expected('a pair of numbers', 'betas', betas));
  for (const [i, beta] of betas.entries()) {
    checkNumber(beta, `betas[${i}]`, 0, 1);
    if (beta === 1) throw new ArgumentError(expected('a number below 1', `betas[${i}]`, beta));
  }
}

/** `beta^t` by repeated squaring: the same bits in every engine, which Math.pow does not promise. */
function power(beta: number, t: number): number {
  let result = 1;
  for (let square = beta, rest = t; rest > 0; rest = Math.floor(rest / 2), square *= square) if (rest % 2 === 1) result *= square;
  return result;
}

abstract class AdamBase extends Optimizer<AdamOptions> {
  constructor(
    target: OptimizerTarget<AdamOptions>,
    options: Partial<AdamOptions>,
    private readonly weightDecay: number,
    private readonly decoupled: boolean,
  ) {
    super(target, mergeOptions<AdamOptions>({ lr: 1e-3, weightDecay }, checkOptions<Partial<AdamOptions>>(options, 'options', known)), check);
  }

  protected stateNames(): readonly string[] {
    return ['m', 'v'];
  }

  protected update(run: Run, options: AdamOptions): void {
    const hyper = hyperparameters(8, (values) => {
      const [beta1, beta2] = options.betas ?? [0.9, 0.999];
      const { lr, eps = 1e-8, weightDecay = this.weightDecay } = options;
      values.set([lr, beta1, beta2, eps, weightDecay, this.decoupled ? 1 : 0, 1 - power(beta1, run.step), 1 - power(beta2, run.step)]);
    });
    adamUpdate(run.weights, run.state['m'], run.state['v'], run.gradients, hyper);
  }
}

/**
 * Adam (Kingma & Ba 2015): `m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; w −= lr·m̂ / (√v̂ + eps)` with `m̂ = m/(1−β₁ᵗ)`, `v̂ = v/(1−β₂ᵗ)`,
 * t from 1. Moments below the smallest normal number (1.2e-38 in float32) become 0. Course rows H15–H17, P18, P19.
 *
 * `weightDecay` is the coupled L2 form (`g += weightDecay·w`); {@link AdamW} decouples it.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Adam, Linear } from 'nodegrad';
 * new Adam(new Linear(4, 2), { lr: 1e-3 });
 * ```
 */
export class Adam extends AdamBase {
  constructor(target: OptimizerTarget<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(target, options, 0, false);
  }
}

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019): `w −= lr·weightDecay·w` before Adam's step.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { AdamW, Linear } from 'nodegrad';
 * new AdamW(new Linear(4, 2), { lr: 1e-3, weightDecay: 0.01 });
 * ```
 */
export class AdamW extends AdamBase {
  constructor(target: OptimizerTarget<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(target, options, 0.01, true);
  }
}

keepNames({ Adam, AdamW });
