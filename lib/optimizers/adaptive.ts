// Optimizers with a rate for each weight from its squared gradients: AdaGrad, Adadelta, RMSprop.

import { keepNames } from '../names.js';
import { defineUpdate } from '../ops/update.js';
import type { Scheduled } from '../schedules/schedule.js';
import type { OptimizerTarget } from './groups.js';
import { flag } from '../options.js';
import { belowOne, notNegative, orSchedule, scheduled } from './options.js';
import { type Rule, RuleOptimizer, type RuleOptimizerOptions } from './rule.js';

/** Options of {@link Adagrad}. */
export interface AdagradOptions extends RuleOptimizerOptions {
  /** Learning rate. Default 0.01 (Keras: 0.001). */
  lr: Scheduled;
  /** Added to the root. Default 1e-7, the course's (PyTorch: 1e-10). */
  eps?: number;
  /** Add eps below the root, as Keras and optax do. Default false. */
  epsInside?: boolean;
  /** What the sums of squares start from. Default 0 (Keras and optax: 0.1). */
  initialAccumulator?: number;
}

const adagrad = defineUpdate('adagrad');

const adagradRule: Rule<AdagradOptions> = {
  options: { lr: [0.01, scheduled], eps: [1e-7, notNegative], epsInside: [false, flag], initialAccumulator: [0, notNegative] },
  state: () => ['sum'],
  update: () => adagrad,
  numbers: ({ eps, epsInside, initialAccumulator }, t) => [eps, epsInside, t === 1 ? initialAccumulator : 0],
};

/**
 * AdaGrad (Duchi, Hazan & Singer 2011): `s = s + g²; w −= lr·g / (√s + eps)`. Directions with weak gradients take longer steps, those with
 * strong ones shorter; and all steps get shorter over the training, with a constant gradient as `lr/√t`. Course rows H11–H13, H19.
 *
 * The form is PyTorch's and the course's; Keras and optax have eps below the root and start the sums at 0.1: `{ epsInside: true,
 * initialAccumulator: 0.1 }`. PyTorch's `lr_decay` is the schedule {@link InverseTimeDecay}.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Adagrad, Linear } from 'nodegrad';
 * new Adagrad(new Linear(4, 2), { lr: 0.01 });
 * ```
 */
export class Adagrad extends RuleOptimizer<AdagradOptions> {
  constructor(target: OptimizerTarget<AdagradOptions>, options: Partial<AdagradOptions> = {}) {
    super(target, options, adagradRule);
  }
}

/** Options of {@link Adadelta}. */
export interface AdadeltaOptions extends RuleOptimizerOptions {
  /** Learning rate. Default 1, as in the paper and in PyTorch (Keras: 0.001). */
  lr: Scheduled;
  /** Decay of both averages. Default 0.9 (Keras: 0.95). */
  rho?: Scheduled;
  /** Added below both roots. Default 1e-6 (Keras: 1e-7). */
  eps?: number;
}

const adadelta = defineUpdate('adadelta');

const adadeltaRule: Rule<AdadeltaOptions> = {
  options: { lr: [1, scheduled], rho: [0.9, orSchedule(belowOne)], eps: [1e-6, notNegative] },
  state: () => ['square', 'delta'],
  update: () => adadelta,
  numbers: ({ rho, eps }) => [rho, eps],
};

/**
 * Adadelta (Zeiler 2012): `a = ρa + (1−ρ)g²; d = g·√(u + eps)/√(a + eps); u = ρu + (1−ρ)d²; w −= lr·d`. PyTorch, Keras and optax have this
 * form, with defaults of their own.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Adadelta, Linear } from 'nodegrad';
 * new Adadelta(new Linear(4, 2));
 * ```
 */
export class Adadelta extends RuleOptimizer<AdadeltaOptions> {
  constructor(target: OptimizerTarget<AdadeltaOptions>, options: Partial<AdadeltaOptions> = {}) {
    super(target, options, adadeltaRule);
  }
}

/** Options of {@link RMSprop}. */
export interface RMSpropOptions extends RuleOptimizerOptions {
  /** Learning rate. Default 0.01, PyTorch's (Keras: 0.001). */
  lr: Scheduled;
  /** Decay of the averages. Default 0.99, PyTorch's (the course, Keras, optax: 0.9). */
  alpha?: Scheduled;
  /** Added to the root. Default 1e-8 (the course and Keras: 1e-7). */
  eps?: number;
  /** Add eps below the root, as Keras and optax do. Default false. */
  epsInside?: boolean;
  /** Weight of the old velocity. Default 0. */
  momentum?: Scheduled;
  /** Take the squared mean gradient away from the mean square: the gradient's variance. Default false. */
  centred?: boolean;
}

const rmsprop = defineUpdate('rmsprop');

const rmspropRule: Rule<RMSpropOptions> = {
  options: {
    lr: [0.01, scheduled],
    alpha: [0.99, orSchedule(belowOne)],
    eps: [1e-8, notNegative],
    epsInside: [false, flag],
    momentum: [0, scheduled],
    centred: [false, flag],
  },
  state: ({ momentum, centred }) => ['square', centred ? 'mean' : null, momentum === 0 ? null : 'velocity'],
  update: () => rmsprop,
  numbers: ({ alpha, eps, epsInside, momentum, centred }) => [alpha, eps, epsInside, momentum, centred],
};

/**
 * RMSprop (Hinton 2012; Graves 2013): `a = αa + (1−α)g²; v = momentum·v + g/(√a + eps); w −= lr·v`; with `centred`, `a − m²` in the place
 * of a, where m is the average of g. The average decays, where AdaGrad's sum only grows. Course rows H14, H19, P17: `=`, not `+=`.
 *
 * The form is PyTorch's. Keras and optax have eps below the root (`epsInside`): with gradients as small as eps their steps are much smaller.
 * In Keras the learning rate goes into the velocity, which is the same while it stays. With `centred`, a gradient that hardly changes has hardly
 * any variance: the step is up to g/eps. Rounding never brings the variance below 0 here, as it does in PyTorch, which gives NaN then.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Linear, RMSprop } from 'nodegrad';
 * new RMSprop(new Linear(4, 2), { lr: 0.001, alpha: 0.9 });
 * ```
 */
export class RMSprop extends RuleOptimizer<RMSpropOptions> {
  constructor(target: OptimizerTarget<RMSpropOptions>, options: Partial<RMSpropOptions> = {}) {
    super(target, options, rmspropRule);
  }
}

keepNames({ Adagrad, Adadelta, RMSprop });
