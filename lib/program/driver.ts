// The way to the driver thread and back: jobs settle in the order in which they were queued.

import { binding } from '../native.js';
import { type Footprint, occupy, stepsInFlight, vacate } from '../ops/busy.js';

/** What is wrong, or null, and how many whole steps were done. */
export type Settled = (problem: string | null, steps: number) => void;

interface Waiting {
  readonly program: { readonly footprint: Footprint };
  /** With the program, keeps the memory that native code works on from being collected. */
  readonly push: () => void;
  readonly settled: Settled;
}

const waiting: Waiting[] = [];
let started = false;

/** Queues a job with `push`; `settled` is called when it is done, and never throws. */
export function enqueue(program: Waiting['program'], push: () => void, settled: Settled): void {
  if (!started) {
    binding.startDriver((problem, steps) => {
      const first = waiting.shift() as Waiting;
      vacate(first.program.footprint);
      first.settled(problem, steps);
    });
    started = true;
  }
  push();
  occupy(program.footprint);
  waiting.push({ program, push, settled });
}

/**
 * Runs `body` between two steps: what it reads of parameters and optimizers is that of whole steps, also while a run is under way. It
 * must be short and synchronous; it waits for at most one step.
 */
export function betweenSteps<R>(body: () => R): R {
  if (!stepsInFlight() || held) return body();
  binding.holdDriver();
  held = true;
  try {
    return body();
  } finally {
    held = false;
    binding.releaseDriver();
  }
}
let held = false;
