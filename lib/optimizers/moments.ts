// Relatives of Adam, by moments of the gradient: Adamax, NAdam, RAdam, Lion.

import { keepNames } from '../names.js';
import { exp, log } from '../ops/elementwise.js';
import { eagerly } from '../ops/emit.js';
import { defineUpdate } from '../ops/update.js';
import { power } from '../schedules/arithmetic.js';
import type { Scheduled } from '../schedules/schedule.js';
import { Tensor } from '../tensor.js';
import type { OptimizerTarget } from './groups.js';
import { flag } from '../options.js';
import { belowOne, notNegative, orSchedule, pair, pairBelowOne, scheduled } from './options.js';
import { type Rule, RuleOptimizer, type RuleOptimizerOptions } from './rule.js';

/** Options of {@link Adamax} and {@link RAdam}. */
export interface MomentsOptions extends RuleOptimizerOptions {
  /** Learning rate. Default 2e-3 for Adamax, 1e-3 for RAdam. */
  lr: Scheduled;
  /** Decay of the mean and of the second average. Default [0.9, 0.999]. */
  betas?: readonly [Scheduled, Scheduled];
  /** Keeps the division from one by zero. Default 1e-8 (Keras: 1e-7). */
  eps?: number;
}

const adamax = defineUpdate('adamax');

const adamaxRule: Rule<MomentsOptions> = {
  options: { lr: [2e-3, scheduled], betas: [[0.9, 0.999], pairBelowOne], eps: [1e-8, notNegative] },
  state: () => ['m', 'u'],
  update: () => adamax,
  numbers: ({ lr, betas: [beta1, beta2], eps }, t) => [beta1, beta2, eps, lr / (1 - power(beta1, t))],
};

/**
 * Adamax (Kingma & Ba 2015): Adam by the largest gradient, `m = β₁m + (1−β₁)g; u = max(β₂u, |g| + eps); w −= lr/(1−β₁ᵗ)·m/u`. The form is
 * PyTorch's; Keras and optax add eps to u in the division.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Adamax, Linear } from 'nodegrad';
 * new Adamax(new Linear(4, 2));
 * ```
 */
export class Adamax extends RuleOptimizer<MomentsOptions> {
  constructor(target: OptimizerTarget<MomentsOptions>, options: Partial<MomentsOptions> = {}) {
    super(target, options, adamaxRule);
  }
}

/** Options of {@link NAdam}. */
export interface NAdamOptions extends RuleOptimizerOptions {
  /** Learning rate. Default 2e-3. */
  lr: Scheduled;
  /** Decay of the mean and of the mean square. Default [0.9, 0.999]. */
  betas?: readonly [number, Scheduled];
  /** Added to the root of the corrected mean square, outside of it. Default 1e-8. */
  eps?: number;
  /** How fast the momentum comes up to β₁. Default 0.004, PyTorch's (Keras: 1; optax: its own form, without). */
  momentumDecay?: number;
}

// 0.96 to the power of the momentum decay; exp and log of our own, for the same bits in every engine.
function base(momentumDecay: number): number {
  return eagerly(() => exp(log(Tensor.from(Float64Array.of(0.96))).mul(momentumDecay)).item());
}

// μ₁·…·μₜ and the μ of this step and of the next. The products are kept: they depend on β₁, the decay and t alone.
class Momenta {
  readonly #base: number;
  readonly #products = [1];

  constructor(
    readonly beta: number,
    readonly decay: number,
  ) {
    this.#base = base(decay);
  }

  at(t: number): number {
    return this.beta * (1 - 0.5 * power(this.#base, t));
  }

  product(t: number): number {
    for (let i = this.#products.length; i <= t; i++) {
      const product = this.#products[i - 1] * this.at(i);
      // Far below the last bit of 1 − product, where it stays.
      if (product < 1e-30) return product;
      this.#products.push(product);
    }
    return this.#products[t];
  }
}

const nadam = defineUpdate('nadam');
const known = new Map<string, Momenta>();

function momentaOf(beta: number, decay: number): Momenta {
  const key = `${beta} ${decay}`;
  const momenta = known.get(key) ?? new Momenta(beta, decay);
  known.set(key, momenta);
  return momenta;
}

const nadamRule: Rule<NAdamOptions> = {
  options: {
    lr: [2e-3, scheduled],
    betas: [[0.9, 0.999], pair(belowOne, orSchedule(belowOne))],
    eps: [1e-8, notNegative],
    momentumDecay: [0.004, notNegative],
  },
  state: () => ['m', 'v'],
  update: () => nadam,
  numbers({ lr, betas: [beta1, beta2], eps, momentumDecay }, t) {
    const momenta = momentaOf(beta1, momentumDecay);
    const [now, next, product] = [momenta.at(t), momenta.at(t + 1), momenta.product(t)];
    return [beta1, beta2, eps, (lr * (1 - now)) / (1 - product), (lr * next) / (1 - product * next), 1 / (1 - power(beta2, t))];
  },
};

/**
 * NAdam (Dozat 2016): Adam with Nesterov's momentum. With `μₜ = β₁(1 − 0.96^(t·momentumDecay)/2)` and m, v as in {@link Adam}:
 * `w −= lr·((1−μₜ)/(1−μ₁…μₜ)·g + μₜ₊₁/(1−μ₁…μₜ₊₁)·m) / (√v̂ + eps)`. The form is PyTorch's; Keras's is that with `momentumDecay: 1` and
 * eps 1e-7, optax's has β₁ in the place of every μ.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Linear, NAdam } from 'nodegrad';
 * new NAdam(new Linear(4, 2));
 * ```
 */
export class NAdam extends RuleOptimizer<NAdamOptions> {
  constructor(target: OptimizerTarget<NAdamOptions>, options: Partial<NAdamOptions> = {}) {
    super(target, options, nadamRule);
  }
}

const adam = defineUpdate('adam');

const radamRule: Rule<MomentsOptions> = {
  options: { lr: [1e-3, scheduled], betas: [[0.9, 0.999], pairBelowOne], eps: [1e-8, notNegative] },
  state: () => ['m', 'v', null],
  update: () => adam,
  // Adam's rule: step, correction below the root, and eps behind it. Without rectification the root is 1.
  numbers({ lr, betas: [beta1, beta2], eps }, t) {
    const [kept, step] = [power(beta2, t), lr / (1 - power(beta1, t))];
    const longest = 2 / (1 - beta2) - 1;
    const length = longest - (2 * t * kept) / (1 - kept);
    if (length <= 5) return [beta1, beta2, 1, step, 0, false];
    const rectified = Math.sqrt(((length - 4) * (length - 2) * longest * (1 - kept)) / ((longest - 4) * (longest - 2) * length));
    return [beta1, beta2, eps, step * rectified, 1, false];
  },
};

/**
 * RAdam (Liu et al. 2020): Adam whose first steps, while the mean square is of too few gradients, are those of momentum. With
 * `ρ∞ = 2/(1−β₂) − 1` and `ρₜ = ρ∞ − 2tβ₂ᵗ/(1−β₂ᵗ)`: `w −= lr·m̂` up to `ρₜ = 5`, then `w −= lr·m̂·r·√(1−β₂ᵗ) / (√v + eps)` with
 * `r² = (ρₜ−4)(ρₜ−2)ρ∞ / ((ρ∞−4)(ρ∞−2)ρₜ)`. The form is PyTorch's: eps is added before the correction.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Linear, RAdam } from 'nodegrad';
 * new RAdam(new Linear(4, 2));
 * ```
 */
export class RAdam extends RuleOptimizer<MomentsOptions> {
  constructor(target: OptimizerTarget<MomentsOptions>, options: Partial<MomentsOptions> = {}) {
    super(target, options, radamRule);
  }
}

/** Options of {@link Lion}. */
export interface LionOptions extends RuleOptimizerOptions {
  /** Learning rate: the length of every step, so three to ten times less than Adam's. Default 1e-4. */
  lr: Scheduled;
  /** Weight of the old mean in the direction, and in the mean that is kept. Default [0.9, 0.99]. */
  betas?: readonly [Scheduled, Scheduled];
  /** Take the decay from the weights. Default true. */
  decoupledDecay?: boolean;
}

const lion = defineUpdate('lion');

const lionRule: Rule<LionOptions> = {
  options: { lr: [1e-4, scheduled], betas: [[0.9, 0.99], pairBelowOne], decoupledDecay: [true, flag] },
  state: () => ['m'],
  update: () => lion,
  numbers: ({ betas }) => betas,
};

/**
 * Lion (Chen et al. 2023): `w −= lr·(sign(β₁m + (1−β₁)g) + weightDecay·w); m = β₂m + (1−β₂)g`. One state in the place of Adam's two. Keras
 * and optax have this form; optax decays by 1e-3 unless told otherwise.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Linear, Lion } from 'nodegrad';
 * new Lion(new Linear(4, 2), { lr: 1e-4, weightDecay: 0.1 });
 * ```
 */
export class Lion extends RuleOptimizer<LionOptions> {
  constructor(target: OptimizerTarget<LionOptions>, options: Partial<LionOptions> = {}) {
    super(target, options, lionRule);
  }
}

keepNames({ Adamax, NAdam, RAdam, Lion });
