// From the samples of a case to the figures of its table.

import type { Contestant } from './contestants.js';
import { maximum, median, minimum, quantile } from './statistics.js';
import type { ResidentMemory } from './process.js';
import type { BenchCase } from './types.js';

/** One contestant's turn in one round. */
export interface Turn {
  /** Mean milliseconds a step, one per chunk. */
  samples: number[];
  /** CPU milliseconds a step, all threads. */
  cpu: number;
  /** GFLOP/s or GB/s that bounded the case, the better of the probes before and after the turn; absent without calibration. */
  rate?: number;
}

/** What one contestant did in one case. */
export interface ContestantResult {
  name: string;
  role: Contestant['role'];
  versions: Record<string, string>;
  note?: string;
  /** Why it was not timed. */
  reason?: string;
  /** What its process held in memory. */
  memory?: ResidentMemory;
  turns: Turn[];
  /** Milliseconds a step. */
  minimum: number;
  median: number;
  lowerQuartile: number;
  upperQuartile: number;
  cpu: number;
  /** This contestant's time over ours: above 1, nodegrad is faster. By minimum, and the middle of the ratios round by round. */
  ratio?: { minimum: number; median: number };
  /** Time at the machine's limit over the time taken, the middle of the rounds: by each round's minimum and median. */
  fraction?: { minimum: number; median: number };
}

/** One case with one thread count. */
export interface CaseResult {
  name: string;
  title: string;
  unit: BenchCase['unit'];
  threads: number;
  inner?: BenchCase['inner'];
  table?: BenchCase['table'];
  limit?: BenchCase['limit'];
  /** The best rate that the probes of this case saw. */
  rate?: number;
  /** Empty when all contestants computed the same; otherwise who did not, and nothing was timed. */
  disagreement: string;
  rounds: number;
  discarded: number;
  /** The machine was disturbed in all rounds: figures of all of them are shown, and worth little. */
  disturbed: boolean;
  contestants: ContestantResult[];
}

/** An untimed contestant. */
export function emptyResult(contestant: Contestant, reason?: string): ContestantResult {
  const nothing = Number.NaN;
  return {
    name: contestant.name,
    role: contestant.role,
    versions: {},
    reason,
    turns: [],
    minimum: nothing,
    median: nothing,
    lowerQuartile: nothing,
    upperQuartile: nothing,
    cpu: nothing,
  };
}

/** Whether a contestant has figures; of a run that was noted elsewhere it may be shares of the limit alone. */
export function isTimed(result: ContestantResult): boolean {
  return Number.isFinite(result.minimum) || result.fraction !== undefined;
}

/** Fills in every figure that follows from the turns. */
export function summarize(results: readonly ContestantResult[], benchCase: BenchCase): void {
  const ran = results.filter(({ turns }) => turns.length > 0);
  for (const result of ran) {
    const samples = result.turns.flatMap((turn) => turn.samples);
    result.minimum = minimum(samples);
    result.median = median(samples);
    result.lowerQuartile = quantile(samples, 0.25);
    result.upperQuartile = quantile(samples, 0.75);
    result.cpu = median(result.turns.map((turn) => turn.cpu));
    const amount = benchCase.flops ?? benchCase.bytes;
    if (amount !== undefined && result.turns.every((turn) => turn.rate !== undefined)) {
      const fractions = (time: (samples: readonly number[]) => number): number[] =>
        result.turns.map((turn) => amount / ((turn.rate as number) * 1e6) / time(turn.samples));
      result.fraction = { minimum: median(fractions(minimum)), median: median(fractions(median)) };
    }
  }
  const base = ran.find((result) => result.role === 'ours');
  if (base === undefined) return;
  for (const result of ran.filter((other) => other !== base)) {
    const pairs = result.turns.map((turn, index) => median(turn.samples) / median(base.turns[index].samples));
    result.ratio = { minimum: result.minimum / base.minimum, median: median(pairs) };
  }
}

/** The rival that is hardest to beat by one of the two measures. */
export function bestRival(result: CaseResult, by: 'minimum' | 'median'): ContestantResult | undefined {
  const rivals = result.contestants.filter((contestant) => contestant.role === 'rival' && isTimed(contestant));
  const known = rivals.filter((rival) => Number.isFinite(rival[by]) || rival.ratio?.[by] !== undefined);
  return known.sort((a, b) => a[by] - b[by])[0];
}

/** Our own figures in a case. */
export function ours(result: CaseResult): ContestantResult | undefined {
  return result.contestants.find((contestant) => contestant.role === 'ours');
}

/**
 * Compares two contestants' check values; an empty string, or where they part.
 *
 * Losses must agree to the case's tolerance, relative. Values picked from a result may cancel to anything, so there it is relative to their
 * root mean square.
 */
export function disagreement(reference: readonly number[], values: readonly number[], benchCase: BenchCase): string {
  if (values.length !== reference.length) return `${values.length} values instead of ${reference.length}`;
  const tolerance = benchCase.tolerance ?? 1e-4;
  const losses = ['mlp', 'epoch', 'network', 'sequence'].includes(benchCase.work.kind);
  const scale = losses ? 0 : Math.sqrt(reference.reduce((sum, value) => sum + value * value, 0) / reference.length);
  const worst = maximum(values.map((value, index) => Math.abs(value - reference[index]) / Math.max(Math.abs(reference[index]), scale)));
  if (worst <= tolerance) return '';
  const index = values.findIndex((value, at) => !(Math.abs(value - reference[at]) <= tolerance * Math.max(Math.abs(reference[at]), scale)));
  return `value ${index} is ${values[index]} instead of ${reference[index]}`;
}
