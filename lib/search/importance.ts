// Which parameters decide the score: the share of the scores' ranks that each explains by itself.

import { Choice, type Space } from './space.js';
import { type Direction, type TrialRecord, ranked } from './trial-record.js';

/** How much a parameter decides. */
export interface ParameterImportance {
  /** The parameter. */
  readonly parameter: string;
  /** Share of the variance of the scores' ranks between groups of its values, 0 to 1. */
  readonly importance: number;
}

/** Fewer trials say nothing. */
const fewest = 8;
const mostGroups = 6;

/**
 * How much each parameter decides by itself, most first; none for fewer than 8 completed trials. Trials are put in groups by the parameter's value
 * (choices by the choice, numbers in up to six stretches with equally many, a missing value by itself), and the measure is ε² of the scores' ranks:
 * `(SSB − (k − 1) · SSW / (n − k)) / SST`, at least 0, with sums of squares between and within the k groups of n trials. Chance adds little to it, it
 * does not ask for a direction, and outliers count little; what two parameters do only together it does not see. Of trials with several budgets, those with
 * the most frequent one count.
 */
export function importances(space: Space, trials: readonly TrialRecord[], direction: Direction): ParameterImportance[] {
  const completed = ranked(trials, direction);
  const counts = new Map<number | null, number>();
  for (const { budget } of completed) counts.set(budget, (counts.get(budget) ?? 0) + 1);
  const [usual] = [...counts].sort((a, b) => b[1] - a[1])[0] ?? [null];
  const order = completed.filter(({ budget }) => budget === usual);
  if (order.length < fewest) return [];
  const scores = order.map(({ score }) => score);
  // Of equal scores each has the mean of their ranks.
  const ranks = scores.map((score) => (scores.indexOf(score) + scores.lastIndexOf(score)) / 2);
  return Object.entries(space)
    .map(([parameter, { inner }]) => {
      const values = order.map(({ params }) => params[parameter]);
      const groups = inner instanceof Choice ? values.map((value) => inner.indexOf(value)) : stretches(values as (number | undefined)[]);
      return { parameter, importance: explained(ranks, groups) };
    })
    .sort((a, b) => b.importance - a.importance);
}

/** The stretch of each number, of up to six with equally many; equal numbers are in one. */
function stretches(values: readonly (number | undefined)[]): number[] {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const count = Math.max(2, Math.min(mostGroups, Math.floor(sorted.length / 4)));
  return values.map((value) => (value === undefined ? -1 : Math.floor((sorted.indexOf(value) * count) / sorted.length)));
}

function explained(ranks: readonly number[], groups: readonly number[]): number {
  const mean = ranks.reduce((sum, rank) => sum + rank, 0) / ranks.length;
  const members = new Map<number, number[]>();
  for (const [i, group] of groups.entries()) members.set(group, [...(members.get(group) ?? []), ranks[i]]);
  let [between, within] = [0, 0];
  for (const own of members.values()) {
    const middle = own.reduce((sum, rank) => sum + rank, 0) / own.length;
    between += own.length * (middle - mean) * (middle - mean);
    for (const rank of own) within += (rank - middle) * (rank - middle);
  }
  const [n, k] = [ranks.length, members.size];
  if (k < 2 || n <= k || between + within === 0) return 0;
  return Math.max(0, (between - ((k - 1) * within) / (n - k)) / (between + within));
}
