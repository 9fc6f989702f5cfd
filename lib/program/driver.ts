// The way to the driver thread and back: jobs settle in the order in which they were queued.

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers';
import { binding, type Refusal } from '../native.js';
import { type Footprint, occupy, stepsInFlight, vacate } from '../ops/busy.js';

/** What is wrong, or null, how many whole steps were done, and how many microseconds one takes of late. */
export type Settled = (problem: Refusal | null, steps: number, microseconds: number) => void;

interface Waiting {
  readonly program: { readonly footprint: Footprint };
  /** With the program, keeps the memory that native code works on from being collected. */
  readonly push: (driver: object) => void;
  readonly settled: Settled;
}

const waiting: Waiting[] = [];
/** The thread of this copy of lib, kept alive with its way back. */
let driver: object | null = null;

const settle: Settled = (problem, steps, microseconds) => {
  const first = waiting.shift() as Waiting;
  vacate(first.program.footprint);
  if (waiting.length === 0) trimWhenIdle();
  if (turn === null) first.settled(problem, steps, microseconds);
  else turn.push(() => first.settled(problem, steps, microseconds));
};

/** Queues a job with `push`; `settled` is called when it is done, and never throws. */
export function enqueue(program: Waiting['program'], push: Waiting['push'], settled: Settled): void {
  driver ??= binding.startDriver(settle);
  push(driver);
  queued += 1;
  occupy(program.footprint);
  waiting.push({ program, push, settled });
}

const idleMilliseconds = 1000;
let queued = 0;
let trimming = false;

/** Frees the memory that jobs leave for those that follow, when none has followed for a while. */
function trimWhenIdle(): void {
  if (trimming) return;
  trimming = true;
  const before = queued;
  setTimeout(() => {
    trimming = false;
    if (waiting.length > 0) return;
    if (queued === before) trim();
    else trimWhenIdle();
  }, idleMilliseconds).unref();
}

/** Frees the memory that jobs leave for those that follow. */
export function trim(): void {
  if (driver !== null && waiting.length === 0) binding.trimDriver(driver);
}

const turnMilliseconds = 1;
let lastTurn = 0;
/** What is settled in the event loop's next turn, in its order; null while no turn is due. */
let turn: (() => void)[] | null = null;

/** Whether a short step may run on the calling thread: nothing is under way, and no turn is due. */
export function mayRunHere(): boolean {
  return turn === null && !stepsInFlight();
}

/** Settles a step that ran on the calling thread: at once, or once in a millisecond after the event loop had its turn. */
export function settleHere(settle: () => void): void {
  const now = performance.now();
  if (now - lastTurn < turnMilliseconds) {
    settle();
    return;
  }
  const due = [settle];
  turn = due;
  setImmediate(() => {
    turn = null;
    lastTurn = performance.now();
    for (const one of due) one();
  });
}

/**
 * Runs `body` between two steps: what it reads of parameters and optimizers is that of whole steps, also while a run is under way. It
 * must be short and synchronous; it waits for at most one step.
 */
export function betweenSteps<R>(body: () => R): R {
  if (driver === null || !stepsInFlight() || held) return body();
  binding.holdDriver(driver);
  held = true;
  try {
    return body();
  } finally {
    held = false;
    binding.releaseDriver(driver);
  }
}
let held = false;
