// A stream of steps: many steps per native call, the next call prepared while one is under way.

import { performance } from 'node:perf_hooks';
import { NodegradError } from '../errors.js';
import type { Feed } from './feed.js';
import { RunMemory, type Stream } from './program.js';
import type { StepPrograms } from './step.js';
import { keepNames } from '../names.js';

/** Steps that are done. */
export interface Chunk<R> {
  /** Which batch of the feed was the first. */
  readonly first: number;
  /** How many whole steps. */
  readonly count: number;
  /** The results of one of them, 0 to `count` − 1: copies. Only until the next chunk is asked for. */
  read(step: number): R;
}

/** Options of {@link runSteps}. */
export interface StreamOptions<R> {
  /** The first batch, and the one behind the last. */
  first: number;
  last: number;
  /** Asked before steps are queued: no more are when it says true, and those under way are finished. */
  stopped?: () => boolean;
  /** Steps are recorded and queued inside of this: it puts the model into its mode. */
  within?: (body: () => void) => void;
  /** Another step's programs from batch `at` on, and for how many batches: chunks end there. */
  choose?: (at: number) => { programs: StepPrograms<R>; count: number };
}

/** A step failed: `cause` is why. Steps before it are whole, those after it did not run. */
export class StepFailure extends NodegradError {
  declare readonly cause: NodegradError;

  constructor(
    cause: NodegradError,
    /** The batch that failed. */
    readonly batch: number,
  ) {
    super(cause.code, cause.message, { cause });
  }
}

/** JavaScript is entered about this often: often enough for progress and signals, too seldom to cost anything. */
const targetMilliseconds = 25;
const mostSteps = 4096;
const mostStagedBytes = 32 << 20;

let streams = 0;

/** A native call under way. */
type Flight<R> = Promise<{ chunk: Chunk<R>; failure: StepFailure | null }>;

/** Runs the steps of a feed on the driver thread, and yields them chunk by chunk while the next ones are under way. */
export async function* runSteps<R>(programs: StepPrograms<R>, feed: Feed, options: StreamOptions<R>): AsyncGenerator<Chunk<R>> {
  const { last, stopped = () => false, within = (body) => body(), choose } = options;
  streams += 1;
  const stream: Stream = { number: streams, failed: false };
  // Where steps of another kind come in between, the native calls are short: more of them wait.
  const lanes = Array.from({ length: choose === undefined ? 2 : 4 }, () => new RunMemory());
  const flights: Flight<R>[] = [];
  let next = options.first;
  let lane = 0;
  let perStep = Number.POSITIVE_INFINITY; // milliseconds
  let settledAt = performance.now();

  const queue = (ready: number): void => {
    const choice = choose?.(next) ?? { programs, count: last - next };
    const examples = feed.examples(next);
    const specifications = feed.specifications(next);
    const program = choice.programs.find(specifications, feed.structure);
    let most = !program.repeats
      ? 1
      : Math.min(last - next, ready, choice.count, mostSteps, Math.max(1, Math.round(targetMilliseconds / perStep)));
    if (feed.stagedBytes > 0) most = Math.min(most, Math.max(1, Math.floor(mostStagedBytes / feed.stagedBytes)));
    // Only the last batch may be smaller: it goes alone.
    const count = feed.examples(next + most - 1) === examples ? most : most - 1;
    const first = next;
    const inputs = feed.prepare(first, count, lane);
    const memory = lanes[lane];
    const flight: Flight<R> = new Promise((resolve) => {
      program.queueRun(count, stream, inputs, memory, (problem, done, read) => {
        const now = performance.now();
        if (problem === null) perStep = (now - settledAt) / count;
        settledAt = now;
        resolve({ chunk: { first, count: done, read }, failure: problem === null ? null : new StepFailure(problem, first + done) });
      });
    });
    flights.push(flight);
    next += count;
    lane = (lane + 1) % lanes.length;
  };

  let failure: { readonly error: unknown } | null = null;
  try {
    while (next < last || flights.length > 0) {
      // A lane's memory is free again only when its chunk has been read.
      while (flights.length < lanes.length && next < last && failure === null) {
        if (stopped()) {
          next = last;
          break;
        }
        if (flights.length === 0) settledAt = performance.now();
        try {
          const ready = feed.ready(next);
          const count = typeof ready === 'number' ? ready : await ready;
          if (count === 0) {
            next = last; // a stream has come to its end
            break;
          }
          within(() => queue(count));
        } catch (error) {
          // A data set that cannot make a batch: what is under way is taken in first, so that whoever counts steps misses none.
          failure = { error };
        }
      }
      const flight = flights.shift();
      if (flight === undefined) break;
      const { chunk, failure: found } = await flight;
      if (found !== null) failure ??= { error: found };
      if (chunk.count > 0) {
        // The other lanes work on while this chunk is read; its own is taken again only afterwards.
        yield chunk;
      }
    }
    if (failure !== null) throw failure.error;
  } finally {
    for (const flight of flights) await flight;
  }
}

keepNames({ StepFailure });
