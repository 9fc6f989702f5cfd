// Warnings about ranges whose best values lie at an edge, with the range to take next.

import { formatScore } from '../training/progress.js';
import { NumberRange, type Space } from './space.js';
import { type Direction, type TrialRecord, ranked } from './trial-record.js';

/** A range that ends where the best values begin. */
export interface EdgeWarning {
  /** The parameter. */
  readonly parameter: string;
  /** Which end. */
  readonly edge: 'lower' | 'upper';
  /** The best trial's value. */
  readonly best: number;
  /** The range to search next: as wide, with that edge in its middle. */
  readonly next: readonly [low: number, high: number];
  /** All of it in a sentence. */
  readonly text: string;
}

/** Within this share of the range a value lies at the edge; and within that one the better half of the best three must lie. */
const edgeShare = 0.05;
const nearShare = 0.25;
/** With so many trials, one good one at an edge may be chance. */
const many = 10;
const fewest = 3;

/**
 * Ranges whose best value lies within 5 % of an end, on the range's own scale; of ten trials or more, two of the best three must lie in the quarter
 * next to it. 0 and 1 end what is a share by themselves, as whole numbers end at 0 and 1: there is nothing beyond to try.
 */
export function edgeWarnings(space: Space, trials: readonly TrialRecord[], direction: Direction): EdgeWarning[] {
  return Object.entries(space).flatMap(([parameter, { inner }]) => {
    if (!(inner instanceof NumberRange)) return [];
    const order = ranked(
      trials.filter(({ params }) => typeof params[parameter] === 'number'),
      direction,
    );
    if (order.length < fewest) return [];
    const values = order.slice(0, 3).map(({ params }) => params[parameter] as number);
    const shares = values.map((value) => inner.shareOf(value));
    const edge = shares[0] <= edgeShare ? 'lower' : shares[0] >= 1 - edgeShare ? 'upper' : null;
    if (edge === null || isNatural(inner, edge)) return [];
    const isNear = (share: number): boolean => (edge === 'lower' ? share : 1 - share) <= nearShare;
    if (order.length >= many && shares.filter(isNear).length < 2) return [];
    const next = beyond(inner, edge);
    const text = `the best ${parameter}, ${formatValue(values[0])}, lies at the ${edge} edge of its range from ${formatValue(inner.low)} to ${formatValue(inner.high)} (score ${formatScore(order[0].score)}): search from ${formatValue(next[0])} to ${formatValue(next[1])} next, so that it lies in the middle`;
    return [{ parameter, edge, best: values[0], next, text } as const];
  });
}

/** Whether there is nothing beyond an end. */
function isNatural({ low, high, isWhole, isLog }: NumberRange, edge: 'lower' | 'upper'): boolean {
  if (edge === 'lower') return isWhole ? low === 0 || low === 1 : low === 0;
  return !isWhole && !isLog && low >= 0 && high === 1;
}

/** The range as wide as this one around its end, without what is no longer of its kind. */
function beyond({ low, high, isLog, isWhole }: NumberRange, edge: 'lower' | 'upper'): readonly [number, number] {
  const end = edge === 'lower' ? low : high;
  const [from, to] = isLog ? [end / Math.sqrt(high / low), end * Math.sqrt(high / low)] : [end - (high - low) / 2, end + (high - low) / 2];
  const least = isWhole ? Math.min(1, low) : low >= 0 ? 0 : Number.NEGATIVE_INFINITY;
  const most = !isLog && !isWhole && low >= 0 && high <= 1 ? 1 : Number.POSITIVE_INFINITY;
  // What rounding leaves of a zero is one.
  const neat = (value: number): number =>
    isWhole ? Math.round(value) : !isLog && Math.abs(value) < 1e-9 * (to - from) ? 0 : Number(value.toPrecision(2));
  return [Math.max(least, neat(from)), Math.min(most, neat(to))];
}

/** A value with as many digits as one reads. */
export function formatValue(value: unknown): string {
  if (value === undefined) return '–';
  if (typeof value !== 'number') return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  if (value === 0 || (Number.isInteger(value) && Math.abs(value) < 1e6)) return String(value);
  const [size, neat] = [Math.abs(value), Number(value.toPrecision(3))];
  return size >= 1e-3 && size < 1e6 ? String(neat) : neat.toExponential();
}
