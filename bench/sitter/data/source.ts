// What a generator of the fault bench is: rows drawn one after the other from a seed, and the few distributions that they share.

import { Generator } from '../../data.js';

/** Which data, and how many: `rows` to train on, a quarter as many for validation, half as many to test. */
export interface DataSpec {
  readonly kind: string;
  readonly seed: number;
  readonly rows?: number;
  readonly features?: number;
  readonly classes?: number;
  /** Features that say something, of `clusters`. */
  readonly informative?: number;
  /** Share of labels that are drawn anew, of `bag` and `patterns`. */
  readonly noise?: number;
  /** Distance of clusters from their middle; the side of an image; the length of a sequence. */
  readonly separation?: number;
  readonly size?: number;
  readonly length?: number;
}

/** One example: its inputs one after the other, and its targets: class indices, zeros and ones of labels, or numbers. */
export type Row = readonly [x: ArrayLike<number>, y: ArrayLike<number>];

/** Where examples come from. */
export interface Source {
  readonly inputShape: readonly number[];
  /** [] for one target per example, [time] or [outputs] else. */
  readonly targetShape: readonly number[];
  readonly targets: 'classes' | 'labels' | 'numbers';
  /** Of `classes`; else 0. */
  readonly classes: number;
  /** Rows to train on where nothing is said. */
  readonly rows: number;
  /** All there is, as a truth table: it is trained and tested on the same rows, and validated on none. */
  readonly isTable?: boolean;
  /** Row `i`; rows are asked for in their order. */
  row(i: number): Row;
}

/** Makes a source from its generator of numbers. */
export type MakeSource = (draw: Draw, spec: DataSpec) => Source;

/** Numbers of the distributions that generators need. */
export class Draw extends Generator {
  /** N(mean, std²), by Box and Muller. */
  normal(mean = 0, std = 1): number {
    return mean + std * Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** e^N(ln median, spread²): incomes, counts, weights. */
  logNormal(median: number, spread: number): number {
    return median * Math.exp(this.normal(0, spread));
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  chance(p: number): boolean {
    return this.uniform() < p;
  }

  /** A whole number by its weights, of any sum. */
  choice(weights: ArrayLike<number>): number {
    let sum = 0;
    for (let i = 0; i < weights.length; i++) sum += weights[i];
    let left = this.uniform() * sum;
    for (let i = 0; i < weights.length; i++) if ((left -= weights[i]) < 0) return i;
    return weights.length - 1;
  }

  list(length: number, one: (i: number) => number): number[] {
    return Array.from({ length }, (_, i) => one(i));
  }

  /** 0 … length − 1 in any order (Fisher and Yates). */
  order(length: number): number[] {
    const all = Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [all[i], all[j]] = [all[j], all[i]];
    }
    return all;
  }
}

export const logistic = (z: number): number => 1 / (1 + Math.exp(-z));
export const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, x, i) => sum + x * b[i], 0);
