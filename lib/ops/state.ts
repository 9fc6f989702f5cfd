// State that a forward pass changes, such as running statistics: written at once, or kept until a step is known to be sound.

import { context, within } from '../context.js';
import type { AnyTensor } from '../tensor/core.js';
import type { Condition } from './destination.js';
import { guardInForce, guarded } from './emit.js';

/** How state follows the average of several values, where it is not written as one value is. */
export interface StateAverage {
  /** What is averaged. */
  readonly values: () => readonly AnyTensor[];
  /** Makes the state follow the average. */
  readonly write: (values: readonly AnyTensor[]) => void;
}

/** A write to state that waits: it makes the state follow `values`. */
export interface StateWrite {
  readonly values: readonly AnyTensor[];
  readonly write: (values: readonly AnyTensor[]) => void;
  /** What is averaged over the shards of a batch; `values` where it is left out. */
  readonly average?: StateAverage;
  /** It is made in those steps alone. */
  readonly guard: Condition | null;
}

/** Runs `write` with `values` now, or, within {@link holdState}, when its writes are released. */
export function writeState<T extends readonly AnyTensor[]>(values: T, write: (values: T) => void, average?: StateAverage): void {
  // It runs once, also where the forward around it runs twice: what it draws is its own.
  if (context.held === null) within('draws', null, () => write(values));
  else context.held.push({ values, write: write as StateWrite['write'], guard: guardInForce(), ...(average && { average }) });
}

/** Runs `body` under the condition of a state's write. */
export function whereWritten({ guard }: StateWrite, body: () => void): void {
  if (guard === null) body();
  else guarded(guard.bit, guard.when, body);
}

/** Runs `body` without its writes to state, which come back in their order; {@link release} makes them. */
export function holdState<R>(body: () => R): { result: R; held: readonly StateWrite[] } {
  const held: StateWrite[] = [];
  return { result: within('held', held, body), held };
}

/** Makes the writes that {@link holdState} kept. */
export function release(held: readonly StateWrite[]): void {
  for (const one of held) whereWritten(one, () => one.write(one.values));
}
