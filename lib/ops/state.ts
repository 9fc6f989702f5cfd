// State that a forward pass changes, such as running statistics: written at once, or kept until a step is known to be sound.

import { context, within } from '../context.js';
import { guardInForce, guarded } from './emit.js';

/** Runs `write` now, or, within {@link holdState}, when its writes are released. */
export function writeState(write: () => void): void {
  const guard = guardInForce();
  // It runs once, also where the forward around it runs twice: what it draws is its own.
  if (context.held === null) within('draws', null, write);
  else context.held.push(guard === null ? write : () => guarded(guard.bit, guard.when, write));
}

/** Runs `body` without its writes to state; calling `release` makes them, in their order. */
export function holdState<R>(body: () => R): { result: R; release: () => void } {
  const held: (() => void)[] = [];
  return {
    result: within('held', held, body),
    release: () => {
      for (const write of held) write();
    },
  };
}
