// State that a forward pass changes, such as running statistics: written at once, or kept until a step is known to be sound.

import { guardInForce, guarded } from './emit.js';

let waiting: (() => void)[] | null = null;

/** Runs `write` now, or, within {@link holdState}, when its writes are released. */
export function writeState(write: () => void): void {
  if (waiting === null) return write();
  const guard = guardInForce();
  waiting.push(guard === null ? write : () => guarded(guard.bit, guard.when, write));
}

/** Runs `body` without its writes to state; calling `release` makes them, in their order. */
export function holdState<R>(body: () => R): { result: R; release: () => void } {
  const before = waiting;
  const held: (() => void)[] = [];
  waiting = held;
  try {
    const result = body();
    return {
      result,
      release: () => {
        for (const write of held) write();
      },
    };
  } finally {
    waiting = before;
  }
}
