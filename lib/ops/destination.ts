// What operations need around them, as types: where they go, the nodes that they leave, what stands beside them in a step.

import type { Place } from '../context.js';
import type { DType, TypedArrayOf } from '../dtype.js';
import type { Watcher } from '../recording.js';
import type { AnyTensor, Tensor } from '../tensor/core.js';
import type { Op, OutputSpecification, Plan } from './define.js';

/** One executed operation on the tape. */
export interface GradientNode {
  op: Op<unknown>;
  inputs: readonly AnyTensor[];
  outputs: readonly AnyTensor[];
  attributes: unknown;
  /** The layer that the operation ran in, for errors. */
  place: Place | null;
  /** Order of execution. */
  id: number;
  /** Set once backward has used the node and let go of its tensors. */
  released: boolean;
}

/** An output that was made once more, and the first number of the nodes behind it that this left. */
export interface Remade {
  readonly output: AnyTensor;
  readonly since: number;
}

/** Where operands that are drawn anew for each step come from, while a forward runs that is to run again. */
export interface Draws {
  /** Nothing is drawn: the operands are those of the forward before. */
  readonly isReplay: boolean;
  take(draw: () => AnyTensor): AnyTensor;
}

/** When memory was last updated in place, as the number of the first node after it. All tensors on that memory share it. */
export interface Stamp {
  at: number;
}

/** What every step does in JavaScript: counts, sets random numbers aside. Steps are prepared ahead, so it can be taken back. */
export interface StepHook {
  /** One step more. */
  advance(): void;
  /** Remembers where things stand; calling the result puts them back. */
  mark(): () => void;
  /**
   * A step failed, and others have counted on from it: takes it off, where a number may be used twice. `restore` is what its `mark` gave,
   * `isLast` says that those others are no steps of this program.
   */
  discount?(restore: () => void, isLast: boolean): void;
  /** What it works on and with: two recordings are alike where this is the same. */
  readonly of?: readonly unknown[];
}

/** The condition under which a part of a step runs: `bit` (int32 [1], 0 or 1) is `when`. */
export interface Condition {
  readonly bit: AnyTensor;
  readonly when: 0 | 1;
}

/** An operation of which something was updated in place since it ran, and which stamps say so. */
export interface Outdated {
  readonly node: GradientNode;
  isOutdated(stamp: Stamp): boolean;
}

/** Instructions that were recorded aside. */
export interface Strand {
  /** How many there are. */
  readonly length: number;
  /** Appends those from `begin` to `end` − 1 to the program. */
  append(begin: number, end: number): void;
}

/** Where operations go: they run now, or a recorder appends them to a step program. Nothing else allocates outputs or runs. */
export interface Destination {
  /** Tensors have no values and get none: see `trace`. */
  readonly isHollow?: boolean;
  /** Who hears of what is done beside operations. */
  readonly watcher?: Watcher;
  allocate(output: OutputSpecification): AnyTensor;
  /** A tensor on the memory of `input` from element `offset`. */
  view(input: AnyTensor, shape: readonly number[], offset: number): AnyTensor;
  execute(op: Op<unknown>, outputs: readonly AnyTensor[], inputs: readonly AnyTensor[], plan: Plan): void;
  /** Does what every step does in JavaScript: now, or before each replay. */
  perStep(hook: StepHook): void;
  /** An operand that changes from step to step: `fill` writes all of it now, or before each replay, in the order of hooks and operands. */
  liveInput<D extends DType>(size: number, dtype: D, fill: (data: TypedArrayOf<D>) => void): Tensor<D>;
  /** Runs `body` in those steps whose `bit` (int32 [1], 0 or 1) is `when`. */
  guarded(bit: AnyTensor, when: 0 | 1, body: () => void): void;
  /** What a recording takes for granted: it serves only while this is true. */
  holdsWhile(condition: () => boolean): void;
  /** Records what `body` does aside of the program, which nothing is part of before it is appended. Not where operations run now. */
  aside?<R>(body: (strand: Strand) => R): R;
  /** The memory of `tensor` is updated in place: now, or in each replay. */
  touches?(tensor: AnyTensor, stamp: Stamp): void;
}
