// The base class of optimizers that look at the loss more than once in a step: all parameters as one vector in float64.

import { ArgumentError, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { touch, withoutGradients } from '../ops/emit.js';
import { concat } from '../ops/shape.js';
import { refuseInStep } from '../recording.js';
import { valuesOf } from '../schedules/schedule.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import type { OptimizerOptions } from './groups.js';
import { Optimizer, type OptimizerState } from './optimizer.js';

/** A vector of all parameters, or what belongs to them. */
export type Vector = Tensor<'float64'>;

/** The loss and its gradient at one place. */
export interface Evaluation {
  /** The loss. */
  readonly loss: number;
  /** Its gradient by all parameters. */
  readonly gradient: Vector;
}

/** The inner product of two vectors. */
export const dot = (a: Vector, b: Vector): number => a.mul(b).sum().item();

/** The largest absolute value; 0 of nothing. */
export const largest = (a: Vector): number => (a.size === 0 ? 0 : a.abs().max().item());

/** `a + factor·b`. */
export const plus = (a: Vector, factor: number, b: Vector): Vector => a.add(b.mul(factor)) as Vector;

/**
 * Base class of optimizers that are stepped with a closure, which computes the loss of the whole data and calls `backward()`. They evaluate
 * it as often as they need to, so it must give the same loss at the same place: no dropout, no other batch each time. They work on one
 * group of parameters, and cannot run inside of {@link compileStep} or `fit`.
 *
 * @example
 * ```ts
 * import { LBFGS, Linear, mseLoss, ones, zeros } from 'nodegrad';
 * const model = new Linear(3, 1);
 * const optimizer = new LBFGS(model);
 * optimizer.step(() => {
 *   const loss = mseLoss(model.forward(ones([4, 3])), zeros([4, 1]));
 *   loss.backward();
 *   return loss;
 * });
 * ```
 */
export abstract class ClosureOptimizer<O extends OptimizerOptions> extends Optimizer<O> {
  /** Numbers that are remembered from step to step, by name. */
  protected numbers: Record<string, number> = {};
  /** Vectors that are, and a matrix. */
  protected vectors: Record<string, Vector> = {};

  protected stateNames(): readonly string[] {
    return [];
  }

  protected update(): void {}

  /** Moves from `start`; `at` evaluates the loss there and at other places. Gives the place to end at. */
  protected abstract minimize(start: Vector, at: (place: Vector) => Evaluation, options: O): Vector;

  /**
   * Evaluates the closure, as often as it takes, and moves the parameters. Gradients are cleared before each evaluation.
   *
   * @param closure - Computes the loss, calls `backward()` and returns the loss.
   * @returns The loss where the step began.
   * @throws {@link ArgumentError} without a closure, and when it returns no loss.
   */
  override step<R>(closure?: () => R): R {
    const name = this.constructor.name;
    refuseInStep(
      `a step of ${name} was taken`,
      'It evaluates the loss several times, and looks at it in between: call it outside of compiled steps and of fit()',
    );
    if (typeof closure !== 'function') {
      const hint = `${name} evaluates the loss several times in a step: give it a function that computes it and calls backward()`;
      throw new ArgumentError(expected('a function', 'closure', closure, hint));
    }
    if (this.groups.length > 1) throw new ArgumentError(`${name} takes one group of parameters, received ${this.groups.length}`);
    this.refuseAveraged();
    const [{ options }] = this.groups;
    const parameters = this.groups[0].parameters.filter(({ requiresGrad }) => requiresGrad);
    let first: { result: R } | null = null;
    const evaluate = (): Evaluation => {
      this.zeroGrad();
      const result = closure();
      first ??= { result };
      const loss: unknown = result instanceof Tensor ? (result as AnyTensor).item() : result;
      if (typeof loss !== 'number') throw new ArgumentError(expected('the loss, a tensor or a number', 'closure()', result));
      const gradients = parameters.map(({ grad }) => grad);
      return { loss, gradient: vectorOf(gradients, parameters) };
    };
    const start = vectorOf(parameters, parameters);
    const before = { numbers: { ...this.numbers }, vectors: { ...this.vectors } };
    try {
      const at = (place: Vector): Evaluation => {
        write(parameters, place);
        return evaluate();
      };
      const values = valuesOf(options, (schedule) => schedule.at(schedule.per === 'step' ? this.steps : this.epoch)) as O;
      write(parameters, this.minimize(start, at, values));
    } catch (error) {
      write(parameters, start);
      Object.assign(this, before);
      throw error;
    }
    super.step();
    return (first as { result: R } | null)?.result as R;
  }

  override stateDict(): OptimizerState {
    const state = super.stateDict();
    for (const [name, vector] of Object.entries(this.vectors)) state.tensors.set(`memory.${name}`, vector.clone() as AnyTensor);
    return { ...state, memory: { ...this.numbers } };
  }

  override loadStateDict(state: OptimizerState): void {
    const memory: unknown = state?.memory;
    if (typeof memory !== 'object' || memory === null || !Object.values(memory).every((value) => typeof value === 'number'))
      throw new ArgumentError(expected('an object of numbers', 'state.memory', memory));
    super.loadStateDict(state);
    this.numbers = { ...(memory as Record<string, number>) };
    const kept = [...state.tensors].filter(([name]) => name.startsWith('memory.'));
    this.vectors = Object.fromEntries(kept.map(([name, tensor]) => [name.slice('memory.'.length), (tensor as Vector).clone() as Vector]));
  }
}

function vectorOf(tensors: readonly (AnyTensor | null)[], like: readonly AnyTensor[]): Vector {
  return withoutGradients(() =>
    concat(
      tensors.map((one, i) => {
        const flat = one === null ? Tensor.from(new Float64Array(like[i].size)) : (one as Tensor).reshape([like[i].size]).to('float64');
        return flat as Vector;
      }),
    ),
  );
}

function write(parameters: readonly AnyTensor[], place: Vector): void {
  let at = 0;
  for (const parameter of parameters) {
    parameter.data.set(place.data.subarray(at, at + parameter.size) as never);
    touch(parameter);
    at += parameter.size;
  }
}

keepNames({ ClosureOptimizer });
