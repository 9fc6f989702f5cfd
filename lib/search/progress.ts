// The progress of a search: a table that gets a line for each trial that ends.

import { Progress, type ProgressOption, formatDuration, formatScore } from '../training/progress.js';
import { formatValue } from './edges.js';
import type { Space } from './space.js';
import { type Direction, type TrialEnd, type TrialRecord, ranked } from './trial-record.js';

const scoreWidth = 10;
const most = 18;

/** Prints the table. */
export class SearchProgress {
  readonly #progress: Progress;
  readonly #names: readonly string[];
  readonly #widths: readonly number[];
  readonly #direction: Direction;
  readonly #limit: number;
  #ended: TrialRecord[] = [];
  #hasBegun = false;

  constructor(option: ProgressOption | undefined, space: Space, direction: Direction, limit: number) {
    this.#progress = new Progress(option, 0, 0);
    this.#names = Object.keys(space);
    this.#widths = Object.entries(space).map(([name, { inner }]) => {
      const shown = [name, ...inner.points(3).map(formatValue), formatValue(inner.at(0.123456789))];
      return Math.min(most, Math.max(...shown.map(({ length }) => length)));
    });
    [this.#direction, this.#limit] = [direction, limit];
  }

  /** What is there already. */
  resumed(trials: readonly TrialRecord[]): void {
    this.#ended = trials.filter(({ state }) => state !== 'running');
    if (trials.length > 0) this.#progress.note(`going on: ${this.#ended.length} of ${this.#limit} trials are there`);
  }

  /** A trial that ended. */
  ended(trial: TrialRecord, { state, score, reason }: TrialEnd, seconds: number): void {
    if (!this.#hasBegun) this.#progress.note(this.#line('trial', 'score', '', 'time', this.#names, trial.budget === null ? '' : 'budget'));
    this.#hasBegun = true;
    const record: TrialRecord = { ...trial, state, score };
    this.#ended.push(record);
    const isBest = state === 'completed' && ranked(this.#ended, this.#direction)[0].number === trial.number;
    const values = this.#names.map((name) => formatValue(trial.params[name]));
    const shown = score === null ? state : formatScore(score);
    const budget = trial.budget === null ? '' : String(trial.budget);
    this.#progress.note(this.#line(String(trial.number), shown, isBest ? 'best' : '', formatDuration(seconds), values, budget, reason ?? ''));
  }

  #line(number: string, score: string, mark: string, time: string, values: readonly string[], budget: string, reason = ''): string {
    const cells = values.map((value, i) => (value.length > most ? `${value.slice(0, most - 1)}…` : value).padEnd(this.#widths[i]));
    const [first] = reason.split('\n');
    return [
      number.padStart(5),
      score.padStart(scoreWidth),
      mark.padEnd(4),
      time.padStart(7),
      ...(budget === '' ? [] : [budget.padStart(6)]),
      ...cells,
      first,
    ]
      .join('  ')
      .trimEnd();
  }
}
