// Adam and AdamW.

import { defineUpdate } from '../ops/update.js';
import type { OptimizerTarget } from './groups.js';
import { flag } from '../options.js';
import { notNegative, pairBelowOne, scheduled } from './options.js';
import { type Rule, RuleOptimizer, type RuleOptimizerOptions } from './rule.js';
import { keepNames } from '../names.js';
import { power } from '../schedules/arithmetic.js';
import type { Scheduled } from '../schedules/schedule.js';

/** Options of {@link Adam} and {@link AdamW}. */
export interface AdamOptions extends RuleOptimizerOptions {
  /** Learning rate. Default 1e-3. */
  lr: Scheduled;
  /** Decay of the mean and of the mean square. Default [0.9, 0.999]. */
  betas?: readonly [Scheduled, Scheduled];
  /** Added to the root of the corrected mean square, outside of it. Default 1e-8 (Keras and the course: 1e-7). */
  eps?: number;
  /** Weight decay: coupled in Adam (default 0), decoupled in AdamW (default 0.01). */
  weightDecay?: Scheduled;
  /** Divide by the root of the largest mean square so far (AMSGrad; Reddi, Kale & Kumar 2018). Default false. */
  amsgrad?: boolean;
  /** Divide the averages by `1−βᵗ`. Without, the first steps are too large: for the lesson. Default true. */
  biasCorrection?: boolean;
}

const update = defineUpdate('adam');

const rule: Rule<AdamOptions> = {
  options: {
    lr: [1e-3, scheduled],
    betas: [[0.9, 0.999], pairBelowOne],
    eps: [1e-8, notNegative],
    amsgrad: [false, flag],
    biasCorrection: [true, flag],
  },
  state: ({ amsgrad }) => ['m', 'v', amsgrad ? 'largest' : null],
  update: () => update,
  numbers({ lr, betas: [beta1, beta2], eps, amsgrad, biasCorrection }, t) {
    if (!biasCorrection) return [beta1, beta2, eps, lr, 1, amsgrad];
    return [beta1, beta2, eps, lr / (1 - power(beta1, t)), 1 / (1 - power(beta2, t)), amsgrad];
  },
};

/**
 * Adam (Kingma & Ba 2015): `m = β₁m + (1−β₁)g; v = β₂v + (1−β₂)g²; w −= lr·m̂ / (√v̂ + eps)` with `m̂ = m/(1−β₁ᵗ)`, `v̂ = v/(1−β₂ᵗ)`,
 * t from 1. Moments below the smallest normal number (1.2e-38 in float32) become 0. Course rows H15–H17, P18, P19.
 *
 * PyTorch's form, and optax's: eps is added after the correction. Keras adds it before (`lr·√(1−β₂ᵗ)/(1−β₁ᵗ)·m/(√v + eps)`), which is as
 * if eps were divided by `√(1−β₂ᵗ)`: smaller steps where gradients are as small as eps. `amsgrad` keeps the largest uncorrected v and
 * corrects it afterwards, as PyTorch and Keras do. `weightDecay` is the coupled L2 form (`g += weightDecay·w`); {@link AdamW} decouples it.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Adam, Linear } from 'nodegrad';
 * new Adam(new Linear(4, 2), { lr: 1e-3 });
 * ```
 */
export class Adam extends RuleOptimizer<AdamOptions> {
  constructor(target: OptimizerTarget<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(target, options, rule);
  }
}

const decoupled: Rule<AdamOptions> = {
  ...rule,
  options: { ...rule.options, weightDecay: [0.01, scheduled], decoupledDecay: [true, flag] },
};

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
export class AdamW extends RuleOptimizer<AdamOptions> {
  constructor(target: OptimizerTarget<AdamOptions>, options: Partial<AdamOptions> = {}) {
    super(target, options, decoupled);
  }
}

keepNames({ Adam, AdamW });
