// Stochastic gradient descent with momentum, in both published forms of Nesterov's step.

import { ArgumentError } from '../errors.js';
import { defineUpdate } from '../ops/update.js';
import type { OptimizerTarget } from './groups.js';
import { flag, needed, probability } from '../options.js';
import { scheduled } from './options.js';
import { type Rule, RuleOptimizer, type RuleOptimizerOptions } from './rule.js';
import { keepNames } from '../names.js';
import type { Scheduled } from '../schedules/schedule.js';

/** Options of {@link SGD}. */
export interface SGDOptions extends RuleOptimizerOptions {
  /** Learning rate. Required: there is no good default. */
  lr: Scheduled;
  /** Weight of the old velocity. Default 0. */
  momentum?: Scheduled;
  /** Share of the gradient that does not enter the velocity. Default 0; must be 0 with Nesterov, and where `lrInVelocity`. */
  dampening?: number;
  /** Take the gradient's step at the look-ahead point. Needs momentum. Default false. */
  nesterov?: boolean;
  /** Multiply by the learning rate on the way into the velocity (the course, Caffe, Keras) and not on the way out (PyTorch). Default false. */
  lrInVelocity?: boolean;
}

const outside = defineUpdate('sgd');
const inside = defineUpdate('sgd_velocity');

const rule: Rule<SGDOptions> = {
  options: {
    lr: [needed, scheduled],
    momentum: [0, scheduled],
    dampening: [0, probability],
    nesterov: [false, flag],
    lrInVelocity: [false, flag],
  },
  // Two names, because a velocity of one form is none of the other.
  state: ({ momentum, lrInVelocity }) => [momentum === 0 ? null : lrInVelocity ? 'displacement' : 'velocity'],
  update: ({ momentum, lrInVelocity }) => (lrInVelocity && momentum !== 0 ? inside : outside),
  numbers: ({ momentum, dampening, nesterov, lrInVelocity }, t) =>
    lrInVelocity && momentum !== 0 ? [momentum, nesterov] : [momentum, dampening, nesterov, t === 1],
  together({ momentum, dampening, nesterov, lrInVelocity }) {
    if (nesterov && (momentum === 0 || dampening !== 0)) throw new ArgumentError('`nesterov` needs a momentum above 0 and no dampening');
    if (lrInVelocity && dampening !== 0) throw new ArgumentError('`lrInVelocity` is a form without dampening');
  },
};

/**
 * `v = momentum·v + (1−dampening)·g; w −= lr·v` (with Nesterov `w −= lr·(g + momentum·v)`), PyTorch's form: the learning rate stands
 * outside of the velocity. With `lrInVelocity` the form of the course, of Caffe and Keras: `v = momentum·v − lr·g; w += v` (with Nesterov
 * `w += momentum·v − lr·g`). Both walk alike while the rate stays, and part when it changes: outside, the whole velocity feels it at once.
 *
 * The velocity is a decayed sum of gradients, no average: with a constant gradient it grows to `g/(1−momentum)`, unless dampened. Below
 * the smallest normal number (1.2e-38 in float32) it becomes 0. Course rows H01, H07–H09, P44.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Linear, SGD } from 'nodegrad';
 * new SGD(new Linear(4, 2), { lr: 0.1, momentum: 0.9, nesterov: true });
 * ```
 */
export class SGD extends RuleOptimizer<SGDOptions> {
  constructor(target: OptimizerTarget<SGDOptions>, options: SGDOptions) {
    super(target, options, rule);
  }
}

keepNames({ SGD });
