// The base class of optimizers: groups of parameters, slices of slab memory, state. A subclass says how one slice is updated.

import { isMap, isPromise, ours } from '../foreign.js';
import type { FloatDType, TypedArrayOf } from '../dtype.js';
import { ArgumentError, checkFlag, checkInteger, checkNumber, checkOptions, expected, mergeOptions } from '../errors.js';
import type { StepHook } from '../ops/destination.js';
import { holdsWhile, liveInput, perStep, touch, withoutGradients } from '../ops/emit.js';
import { fillInPlace } from '../ops/shape.js';
import { Parameter, materializeAll } from '../parameter.js';
import { makes, recordingLocal, refuseInStep } from '../recording.js';
import { type Values, plainOptions, schedulesOf, valuesOf } from '../schedules/schedule.js';
import type { AnyTensor, Tensor } from '../tensor.js';
import {
  type OptimizerGroup,
  type OptimizerOptions,
  type OptimizerTarget,
  forwardOptions,
  groupsOf,
  guardedGroup,
  guardedOptions,
  kept,
  mapOptions,
  savedOption,
} from './groups.js';
import { type Segment, movingOf, part, refuseAveraged, segmentsOf, touchGradients } from './memory.js';
import { type StateKey, StateMemory } from './state-memory.js';
import { keepNames } from '../names.js';

/** Options of {@link Optimizer.zeroGrad}. */
export interface ZeroGradOptions {
  /**
   * Forgets the gradients instead of clearing them, as PyTorch does: a parameter that the next `backward()` does not reach is then left
   * alone by `step()`, where a gradient of zeros still moves it by momentum and decay. Default false.
   */
  setToNull?: boolean;
}

/** What `stateDict` gives: plain data and tensors. */
export interface OptimizerState {
  /** Class of the optimizer. */
  kind: string;
  /** Steps taken. */
  step: number;
  /** Epochs ended. */
  epoch: number;
  /** Steps by parameter: one that was frozen took fewer. */
  counts: Record<string, number>;
  /** Options by group, schedules as {@link ScheduleJSON}. */
  groups: Record<string, unknown>[];
  /** State tensors by `<parameter path or index>.<name>`. */
  tensors: Map<string, AnyTensor>;
  /** Numbers that an optimizer with a closure remembers; its vectors are the tensors `memory.<name>`. */
  memory?: Record<string, number>;
}

/** A stretch of memory that one native call updates. */
export interface ParameterSlice {
  /** Values to update, in place. */
  weights: AnyTensor;
  /** Gradients of the same length. */
  gradients: AnyTensor;
  /** State tensors of the same length by name. */
  state: Record<string, AnyTensor>;
  /** The step at hand for these parameters, from 1: a step program asks anew before each replay. */
  readonly step: number;
}

/**
 * @internal Numbers that change from step to step, as an operand: `fill` writes them now, or before each replay of a step program.
 *
 * @param size - How many.
 * @param fill - Writes all of them.
 */
export function hyperparameters(size: number, fill: (values: Float64Array) => void): Tensor<'float64'> {
  return liveInput(size, 'float64', fill);
}

/**
 * Base class of optimizers. `step()` updates every parameter that requires a gradient, in one pass over memory per group.
 *
 * @example
 * ```ts
 * import { Adam, Linear, ones } from 'nodegrad';
 * const model = new Linear(4, 2);
 * const optimizer = new Adam(model, { lr: 1e-3 });
 * model.forward(ones([8, 4])).sum().backward();
 * optimizer.step();
 * optimizer.zeroGrad();
 * ```
 */
export abstract class Optimizer<O extends OptimizerOptions = OptimizerOptions> {
  /** Groups of parameters with their options. */
  readonly groups: readonly OptimizerGroup<O>[];
  readonly #options: readonly O[];
  #step = 0;
  #epoch = 0;
  // A parameter that joins late starts at its own step 1, or Adam would not correct its averages.
  readonly #counts = new Map<AnyTensor, number>();
  readonly #check: (options: O) => void;
  readonly #names = new Map<AnyTensor, string>();
  /** @internal Where its state lies. */
  readonly stateMemory = new StateMemory(
    () => this.#names.keys(),
    () => this.#stateKeys(this.#options),
  );

  /**
   * @param options - Those of every group, unless the group says otherwise.
   * @param check - Throws where options are out of range.
   * @param defaults - What an option is that nobody gives, or that is set to `undefined` later.
   */
  protected constructor(target: OptimizerTarget<O>, options: Partial<O>, check: (options: O) => void, defaults: Partial<O> = {}) {
    this.#check = check;
    makes(this, 'an optimizer');
    const groups = groupsOf(target);
    if (groups.every((group) => group.parameters.length === 0))
      throw new ArgumentError('there is nothing to optimize: no parameters were given');
    materializeAll(groups.flatMap((group) => group.parameters));
    this.#options = groups.map(({ own }) => {
      const merged = kept(mergeOptions<O>(defaults, options, own));
      check(merged);
      return merged;
    });
    this.groups = groups.map(({ parameters }, i) => guardedGroup({ parameters, options: guardedOptions(this.#options[i], check, defaults) }));
    forwardOptions(this, new Set(this.#options.flatMap((one) => Object.keys(one))));
    const taken = new Set<string>();
    for (const { parameters } of groups) {
      for (const parameter of parameters) {
        if (this.#names.has(parameter)) throw new ArgumentError(`parameter '${(parameter as Parameter).path ?? ''}' stands in two groups`);
        const path = parameter instanceof Parameter ? parameter.path : '';
        const name = path === '' || taken.has(path) ? String(this.#names.size) : path;
        this.#names.set(parameter, name);
        taken.add(name);
      }
    }
  }

  /** Names of the state tensors in use, each as long as the parameters. */
  protected abstract stateNames(options: O): readonly string[];

  /** Updates one slice by operations, with the numbers that {@link now} gives. Those that change from step to step must be operands. */
  protected abstract update(slice: ParameterSlice, options: O): void;

  /** Options at the step at hand: where a schedule stands, its value. */
  protected now(options: O): Values<O> {
    // A recording asks before the first step.
    return this.#valuesAt(options, Math.max(0, this.#step - 1));
  }

  #valuesAt(options: O, step: number): Values<O> {
    const values = valuesOf(options, (schedule) => schedule.at(schedule.per === 'step' ? step : this.#epoch));
    if (values !== options) this.#check(values as unknown as O);
    return values;
  }

  /** Learning rate of the first group at the next step; setting it sets all groups, in the place of their schedules too. */
  get lr(): number {
    refuseInStep('`optimizer.lr` was read', 'Pass the number to the step as an argument, or read it afterwards');
    return this.#valuesAt(this.#options[0], this.#step).lr as number;
  }

  set lr(value: number) {
    checkNumber(value, 'lr', 0);
    for (const group of this.groups) group.options.lr = value;
  }

  /** Steps taken so far. */
  get steps(): number {
    refuseInStep('`optimizer.steps` was read', 'Pass the number to the step as an argument, or read it afterwards');
    return this.#step;
  }

  /** Epochs ended, see {@link nextEpoch}. */
  get epoch(): number {
    refuseInStep('`optimizer.epoch` was read', 'Pass the number to the step as an argument, or read it afterwards');
    return this.#epoch;
  }

  /**
   * Ends an epoch: schedules that count epochs go on to the next value. `fit` does it; a loop of your own does it between two epochs. Inside
   * {@link compileStep} it is done in every step, at its place among the updates.
   *
   * @param score - What a {@link ReduceOnPlateau} looks at, such as the loss on validation data.
   */
  nextEpoch(score?: number): void {
    const listeners = new Set(this.#options.flatMap(schedulesOf).filter((schedule) => schedule.observe !== undefined));
    if (score !== undefined) {
      if (typeof score !== 'number') throw new ArgumentError(expected('a number', 'score', score));
      refuseInStep('a score was given to `optimizer.nextEpoch`', 'Give it between two steps');
      for (const schedule of listeners) schedule.observe?.(score);
    }
    perStep(counting(() => this.#epoch, (count) => (this.#epoch = count))); // biome-ignore format: one line
  }

  /** Bytes of state that this process keeps, such as averages of gradients; they are taken at the first step. */
  get stateBytes(): number {
    return this.stateMemory.bytes;
  }

  /** Whether this optimizer updates `parameter`. */
  owns(parameter: AnyTensor): boolean {
    return this.#names.has(parameter);
  }

  /**
   * Updates all parameters by their gradients.
   *
   * @param closure - Computes the loss and calls `backward()`; run first, its result is returned.
   * @throws {@link ArgumentError} when the closure gives a promise, and while a {@link WeightAverage} is swapped in, which would lose the step.
   */
  step<R>(closure?: () => R): R | undefined {
    if (closure !== undefined && typeof closure !== 'function') throw new ArgumentError(expected('a function', 'closure', closure));
    this.refuseAveraged();
    this.stateMemory.refuseLost();
    const result = closure?.();
    if (isPromise(result)) {
      result.catch(() => {});
      throw new ArgumentError('`closure` gave a promise, for which step() cannot wait: await what it needs before, and call step() then');
    }
    perStep(counting(() => this.#step, (count) => (this.#step = count))); // biome-ignore format: one line
    withoutGradients(() => {
      const moved = this.groups.flatMap(({ parameters }, i) => {
        const [options, names] = [this.#options[i], this.#namesNow(this.#options[i])];
        const segments = this.#segments(parameters);
        for (const own of this.stateMemory.ownOf(segments)) this.update(this.#slice(own, names), options);
        return segments;
      });
      this.stateMemory.shareWeights(moved);
    });
    return result;
  }

  /** @internal Refuses a step while the model holds an average of its weights. */
  protected refuseAveraged(): void {
    for (const { parameters } of this.groups) refuseAveraged(parameters);
  }

  /**
   * Sets all gradients to zero. What the next `backward()` does not reach has a gradient of zeros then: `step()` moves it by its momentum
   * and decay. `{ setToNull: true }` leaves such parameters alone, as PyTorch does.
   */
  zeroGrad(options?: ZeroGradOptions): void {
    if (options !== undefined) {
      const { setToNull } = checkOptions<ZeroGradOptions>(options, 'options', ['setToNull']);
      if (checkFlag(setToNull ?? false, 'options.setToNull')) {
        for (const { parameters } of this.groups) for (const parameter of parameters) parameter.grad = null;
        return;
      }
    }
    withoutGradients(() => {
      for (const { parameters } of this.groups) {
        touchGradients(parameters);
        for (const { home, begin, end } of segmentsOf(parameters)) {
          const { toClear } = home;
          if (toClear !== null) fillInPlace(part(toClear, begin, end, home.dtype), 0);
        }
      }
    });
  }

  #namesNow(options: O): readonly string[] {
    const names = this.stateNames(options);
    this.stateMemory.holdsWhileItStays();
    holdsWhile(() => {
      const now = this.stateNames(options);
      return now.length === names.length && now.every((name, i) => name === names[i]);
    });
    return names;
  }

  // Neighbours in a slab are updated together; a frozen parameter, or one with another count of steps, ends the slice.
  #segments(parameters: readonly AnyTensor[]): Segment[] {
    const moving = movingOf(parameters);
    for (const parameter of moving) touch(parameter);
    const count = (parameter: AnyTensor): number => this.#counts.get(parameter) ?? 0;
    // A recording may update several times: counts move on only when it is replayed.
    const ahead = recordingLocal(this, () => new Map<AnyTensor, number>());
    // What has moved as often is updated together; a recording holds while that is so.
    const segments = segmentsOf(moving, (left, right) => {
      const lead = (ahead?.get(left) ?? 0) - (ahead?.get(right) ?? 0);
      const alike = (): boolean => count(left) - count(right) + lead === 0;
      const now = alike();
      holdsWhile(() => alike() === now);
      return now;
    });
    if (ahead !== null) for (const parameter of moving) ahead.set(parameter, (ahead.get(parameter) ?? 0) + 1);
    perStep({
      advance: () => {
        for (const parameter of moving) this.#counts.set(parameter, count(parameter) + 1);
      },
      mark: () => {
        const before = moving.map((parameter) => [parameter, count(parameter)] as const);
        return () => {
          for (const [parameter, steps] of before) this.#counts.set(parameter, steps);
        };
      },
      discount: () => {
        for (const parameter of moving) this.#counts.set(parameter, count(parameter) - 1);
      },
    });
    return segments;
  }

  #slice(segment: Segment, names: readonly string[]): ParameterSlice {
    const { home, begin, end, first } = segment;
    const counts = this.#counts;
    return {
      weights: part(home.values, begin, end, home.dtype),
      gradients: part(home.gradients as TypedArrayOf<FloatDType>, begin, end, home.dtype),
      state: Object.fromEntries(names.map((name) => [name, this.stateMemory.of(segment, name)])),
      get step(): number {
        return counts.get(first) ?? 0;
      },
    };
  }

  /** Everything that a resumed run needs: steps, options, and state tensors on the optimizer's own memory. */
  stateDict(): OptimizerState {
    refuseInStep('the state of an optimizer was taken', 'Take it between two steps');
    return {
      kind: this.constructor.name,
      step: this.#step,
      epoch: this.#epoch,
      counts: Object.fromEntries([...this.#names].map(([parameter, name]) => [name, this.#counts.get(parameter) ?? 0])),
      groups: this.#options.map(plainOptions),
      tensors: new Map(this.#stateKeys(this.#options).map((one) => [one.key, this.stateMemory.whole(one)])),
    };
  }

  // The state tensors that each group has under the given options.
  #stateKeys(optionsOf: readonly O[]): StateKey[] {
    return this.groups.flatMap(({ parameters }, index) => {
      const names = this.stateNames(optionsOf[index]);
      return parameters.flatMap((parameter) => names.map((name) => ({ key: `${this.#names.get(parameter)}.${name}`, parameter, name })));
    });
  }

  /**
   * Continues where `stateDict` was taken. Nothing changes when anything does not fit.
   *
   * @throws {@link ArgumentError} when the state is of another class, group count or shape, or holds options out of range.
   */
  loadStateDict(state: OptimizerState): void {
    refuseInStep('the state of an optimizer was loaded', 'Load it between two steps');
    if (typeof state !== 'object' || state === null || state.kind !== this.constructor.name) {
      throw new ArgumentError(expected(`the state of a ${this.constructor.name}`, 'state', state));
    }
    if (!Array.isArray(state.groups) || state.groups.length !== this.groups.length) {
      const count = this.groups.length;
      throw new ArgumentError(expected(`the options of ${count} ${count === 1 ? 'group' : 'groups'}`, 'state.groups', state.groups?.length));
    }
    if (!isMap(state.tensors)) {
      const hint = 'JSON keeps no Map and no tensors: encodeSafetensors(state.tensors) does, and checkpoints of fit() keep all of it';
      throw new ArgumentError(expected('a Map of tensors by name', 'state.tensors', state.tensors, hint));
    }
    checkInteger(state.step, 'state.step', 0);
    checkInteger(state.epoch, 'state.epoch', 0);
    const counts = [...this.#names].map(
      ([parameter, name]) => [parameter, checkInteger(state.counts?.[name], `state.counts['${name}']`, 0)] as const,
    );
    const restore: (() => void)[] = [];
    const options = this.#options.map((own, i) => {
      const group = state.groups[i] as Partial<O>;
      return kept(
        mergeOptions<O>(own, mapOptions(group, (value, name) => savedOption(value, own[name as keyof O], name, restore)) as Partial<O>),
      );
    });
    for (const one of options) this.#check(one);
    const own = this.#stateKeys(options);
    this.stateMemory.check(own, state.tensors);
    for (const schedule of restore) schedule();
    for (const [i, own] of this.#options.entries()) Object.assign(own, options[i]);
    this.stateMemory.load(own, state.tensors);
    for (const [parameter, count] of counts) this.#counts.set(parameter, count);
    this.#step = state.step;
    this.#epoch = state.epoch;
  }
}

// What counts one more in every step.
function counting(read: () => number, write: (count: number) => unknown): StepHook {
  return {
    advance: () => write(read() + 1),
    mark: () => {
      const before = read();
      return () => write(before);
    },
    discount: () => write(read() - 1),
  };
}

keepNames({ Optimizer });

ours(Optimizer);
