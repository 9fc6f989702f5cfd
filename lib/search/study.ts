// A study: all trials of a search, what is best among them, which parameters decide, and which ranges should go on further.

import { AbortedError, checkInteger } from '../errors.js';
import { keepNames } from '../names.js';
import { type EdgeWarning, edgeWarnings } from './edges.js';
import { type ParameterImportance, importances } from './importance.js';
import { ReadStore } from './log.js';
import { type DimensionJSON, type Params, type Space, spaceFromJSON } from './space.js';
import type { StudyHeader } from './store.js';
import { type Direction, type ScoredTrial, type TrialRecord, ranked } from './trial-record.js';

/**
 * The trials of a search, and what can be said of them. {@link search} gives one, {@link readStudy} reads one.
 *
 * @example
 * ```ts
 * import { readStudy } from 'nodegrad';
 * const study = readStudy('runs/my-search');
 * console.log(study.best?.params, study.warnings().map(({ text }) => text));
 * ```
 */
export class Study<P = Params> {
  /** What reports call it. */
  readonly name: string;
  /** What was searched. */
  readonly space: Space;
  /** Which way a score is better. */
  readonly direction: Direction;
  /** What all trials' numbers come from, with their number. */
  readonly seed: number;
  /** The strategy, with its options. */
  readonly strategy: Readonly<Record<string, unknown>>;
  /** What all trials had in common. */
  readonly settings: unknown;
  /** The trials, by number. */
  readonly trials: readonly TrialRecord<P>[];
  /** Its log; null without one, and in a database. */
  readonly log: string | null;

  /** @internal */
  constructor(header: StudyHeader, trials: readonly TrialRecord[], log: string | null) {
    const { name, space, direction, seed, strategy, settings } = header;
    this.name = name;
    this.space = spaceFromJSON(space as Record<string, DimensionJSON>);
    this.direction = direction as Direction;
    [this.seed, this.strategy, this.settings, this.log] = [seed, strategy, settings, log];
    this.trials = trials as readonly TrialRecord<P>[];
  }

  /** The trial with the best score, of equal ones the first; null when none has completed. */
  get best(): ScoredTrial<P> | null {
    return ranked(this.trials, this.direction)[0] ?? null;
  }

  /**
   * The best `count` trials, best first.
   *
   * @throws {ArgumentError} for a count that is no whole number.
   */
  top(count: number): ScoredTrial<P>[] {
    return ranked(this.trials, this.direction).slice(0, checkInteger(count, 'count', 0));
  }

  /** Ranges whose best values lie at an edge, with the range to take next (course rows K13, K14). */
  warnings(): EdgeWarning[] {
    return edgeWarnings(this.space, this.trials as readonly TrialRecord[], this.direction);
  }

  /**
   * How much each parameter decides by itself, most first: ε² of the scores' ranks between groups of its values. Empty for fewer than 8 completed
   * trials.
   */
  importance(): ParameterImportance[] {
    return importances(this.space, this.trials as readonly TrialRecord[], this.direction);
  }

  /** All of it as plain data. */
  toJSON(): Readonly<Record<string, unknown>> {
    const { name, direction, seed, strategy, settings, trials, log, best } = this;
    const space = Object.fromEntries(Object.entries(this.space).map(([parameter, dimension]) => [parameter, dimension.toJSON()]));
    return { name, space, direction, seed, strategy, settings, log, best, warnings: this.warnings(), importance: this.importance(), trials };
  }
}

/**
 * Reads the log of a study: its folder, or the file. A last line that is cut off, as a killed process leaves it, is no error.
 *
 * @throws {FileFormatError} if a line is not one of a study; the message names it
 * @throws {ArgumentError} if the file cannot be read
 * @example
 * ```ts
 * import { readStudy } from 'nodegrad';
 * for (const { number, score, params } of readStudy('runs/my-search').top(5)) console.log(number, score, params);
 * ```
 */
export function readStudy(path: string): Study {
  const { header, records, path: log } = new ReadStore(path);
  return new Study(header, records, log);
}

/**
 * The search's `AbortSignal` fired. Trials that had ended are in `study`, and in the log: with `resume` the search goes on.
 *
 * @example
 * ```ts
 * import { SearchAbortedError } from 'nodegrad';
 * const best = (error: unknown) => (error instanceof SearchAbortedError ? error.study.best : null);
 * ```
 */
export class SearchAbortedError extends AbortedError {
  /** What was done before. */
  readonly study: Study;

  constructor(message: string, study: Study) {
    super(message);
    this.study = study;
  }
}

keepNames({ Study, SearchAbortedError });
