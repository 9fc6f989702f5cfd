// Starts a group again when it has failed.

import { constants } from 'node:os';
import { performance } from 'node:perf_hooks';
import { type LaunchOutcome, type StopSignal, signals } from './launcher.js';

/** A group that failed sooner may have a fault that every start has: the next one waits. */
const shortMilliseconds = 10_000;

/** Seconds that a start waits at most. */
const longestWait = 30;

/**
 * Launches a group, and after each failure all of it once more, at most `restarts` times. Where groups fail within ten seconds, the starts wait 1, 2, 4, … 30 s;
 * a signal in that time ends it all.
 *
 * @param launchOnce - Launches the group; it is told how often that failed before.
 * @param say - Tells the user which process failed, and what follows.
 * @returns How the last group ended.
 */
export async function launchAgain(
  launchOnce: (restart: number) => Promise<LaunchOutcome>,
  restarts: number,
  say: (text: string) => void,
): Promise<LaunchOutcome> {
  let wait = 0;
  for (let restart = 0; ; restart++) {
    const began = performance.now();
    const outcome = await launchOnce(restart);
    const { failure } = outcome;
    if (failure === null || restart === restarts) return outcome;
    wait = waitAfter(wait, performance.now() - began);
    say(`the process of rank ${failure.rank} ${failure.how}: restart ${restart + 1} of ${restarts}${wait > 0 ? ` in ${wait} s` : ''}`);
    const signal = await rest(1000 * wait);
    if (signal !== null) return { code: 128 + constants.signals[signal], failure: null };
  }
}

/** Seconds that the next start waits, after so many milliseconds of one that failed and that had waited itself. */
export function waitAfter(wait: number, milliseconds: number): number {
  return milliseconds < shortMilliseconds ? Math.min(longestWait, Math.max(1, 2 * wait)) : 0;
}

/** Waits; gives the signal that ended it. */
function rest(milliseconds: number): Promise<StopSignal | null> {
  return new Promise((done) => {
    const end = (signal: StopSignal | null): void => {
      clearTimeout(timer);
      for (const name of signals) process.off(name, end);
      done(signal);
    };
    const timer = setTimeout(() => end(null), milliseconds);
    for (const name of signals) process.on(name, end);
  });
}
