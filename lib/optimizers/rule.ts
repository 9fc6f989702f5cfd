// Optimizers whose update is a native rule: a line of native/kernels/optimizers.def, with the options that it is called by.

import type { Op } from '../ops/define.js';
import { emitUpdate } from '../ops/update.js';
import type { OptimizerOptions, OptimizerTarget } from './groups.js';
import { Optimizer, type ParameterSlice, hyperparameters } from './optimizer.js';
import { keepNames } from '../names.js';
import { type OptionList, flag } from '../options.js';
import { optionArguments, scheduled } from './options.js';
import type { Scheduled, Values } from '../schedules/schedule.js';

/** What every optimizer with a native rule has per group. */
export interface RuleOptimizerOptions extends OptimizerOptions {
  /** Weight decay: the gradient of `weightDecay/2·Σw²`, added to the gradients, unless it is decoupled. Default 0, where the class says nothing else. */
  weightDecay?: Scheduled;
  /** Take the decay from the weights instead, beside the update: `w −= lr·weightDecay·w`, as in AdamW. Default false. */
  decoupledDecay?: boolean;
}

/** A rule on this side: which options, which state, which numbers. */
export interface Rule<O> {
  /** Its own options beside those of {@link RuleOptimizerOptions}, or other defaults of these. */
  readonly options: OptionList<Omit<O, 'weightDecay' | 'decoupledDecay'>> & Partial<OptionList<RuleOptimizerOptions>>;
  /** State tensors in the native order; null for one that these options do without. */
  state(options: Required<O>): readonly (string | null)[];
  /** The native operation: it may depend on what decides the state, and on nothing else. */
  update(options: Required<O>): Op<undefined>;
  /** The rule's own hyperparameters, by options without schedules, at a parameter's step t, which counts from 1. */
  numbers(options: Values<Required<O>>, t: number): readonly (number | boolean)[];
  /** What options must be together. */
  together?(options: Required<O>): void;
}

const common: OptionList<Required<Omit<RuleOptimizerOptions, 'lr'>>> = { weightDecay: [0, scheduled], decoupledDecay: [false, flag] };

/**
 * An optimizer with a native rule: one pass over weights, gradients and state. SGD, Adam and their relatives are such; one of your own
 * extends {@link Optimizer}.
 *
 * @example
 * ```ts
 * import { Linear, RuleOptimizer, SGD } from 'nodegrad';
 * new SGD(new Linear(4, 2), { lr: 0.1 }) instanceof RuleOptimizer; // true
 * ```
 */
export abstract class RuleOptimizer<O extends RuleOptimizerOptions> extends Optimizer<O> {
  readonly #rule: Rule<O>;
  readonly #sizes = new Map<Op<undefined>, number>();

  /** @hidden */
  protected constructor(target: OptimizerTarget<O>, given: Partial<O>, rule: Rule<O>) {
    super(target, ...optionArguments(given, { ...common, ...rule.options } as unknown as OptionList<O>, rule.together));
    this.#rule = rule;
  }

  protected stateNames(options: O): readonly string[] {
    return this.#rule.state(options as Required<O>).filter((name) => name !== null);
  }

  protected update(slice: ParameterSlice, given: O): void {
    const options = given as Required<O>;
    const rule = this.#rule;
    const update = rule.update(options);
    const size = this.#sizes.get(update) ?? 3 + rule.numbers(this.now(options) as Values<Required<O>>, 1).length;
    this.#sizes.set(update, size);
    const hyper = hyperparameters(size, (values) => {
      const now = this.now(options) as Values<Required<O>>;
      values[0] = now.lr as number;
      values[1] = now.weightDecay as number;
      values[2] = Number(now.decoupledDecay);
      const own = rule.numbers(now, slice.step);
      for (let i = 0; i < own.length; i++) values[3 + i] = Number(own[i]);
    });
    const { weights, gradients } = slice;
    const state = rule.state(options).map((name) => (name === null ? null : slice.state[name]));
    emitUpdate(update, { weights, state, gradients }, hyper);
  }
}

keepNames({ RuleOptimizer });
