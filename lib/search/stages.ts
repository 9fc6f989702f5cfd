// Coarse to fine: a wide range with little work first, then the region of its best trials with more.

import { ArgumentError, checkChoice, checkInteger, checkList, checkNumber, checkOptions, expected } from '../errors.js';
import { keepNames } from '../names.js';
import { Choice, Conditional, type Dimension, NumberRange, type Space, checkSpace, isActive, space as make } from './space.js';
import { type Proposal, RandomSearch, Sampler, Strategy, type StudyView } from './strategy.js';
import { type Direction, type ScoredTrial, type TrialRecord, ranked } from './trial-record.js';

/** Options of {@link narrowed}. */
export interface NarrowedOptions {
  /** Share of the completed trials whose region is kept; default 0.25, and at least two trials. */
  readonly keep?: number;
  /** Which way a score is better; default `'minimize'`. */
  readonly direction?: Direction;
}

/**
 * The part of a space that holds the best trials: of each range the stretch from the lowest to the highest of them, widened on both sides by its
 * share of the gap to its neighbours and cut at the old bounds; of choices those that occur among them (course rows K09, K11).
 *
 * @throws {ArgumentError} when no trial has completed.
 * @example
 * ```ts
 * import { narrowed, search, space } from 'nodegrad';
 * const wide = { lr: space.logUniform(1e-6, 1) };
 * const coarse = await search(wide, ({ lr }) => (lr - 0.01) * (lr - 0.01), { trials: 20 });
 * const fine = narrowed(wide, coarse.trials);
 * ```
 */
export function narrowed<S extends Space>(space: S, trials: readonly TrialRecord[], options: NarrowedOptions = {}): S {
  checkSpace(space);
  const { keep = 0.25, direction = 'minimize' } = checkOptions<NarrowedOptions>(options, 'options', ['keep', 'direction']);
  checkNumber(keep, 'options.keep', 0, 1);
  checkChoice(direction, 'options.direction', ['minimize', 'maximize']);
  const order = ranked(checkList<TrialRecord>(trials, 'trials', 'an array of trials'), direction);
  if (order.length === 0) throw new ArgumentError('a space is narrowed to where its best trials lie, and none has completed');
  const best = order.slice(0, Math.max(2, Math.ceil(keep * order.length)));
  return Object.fromEntries(Object.entries(space).map(([name, dimension]) => [name, narrow(name, dimension, best)])) as S;
}

function narrow(name: string, dimension: Dimension, best: readonly ScoredTrial[]): Dimension {
  const those = best.filter(({ params }) => isActive(dimension, params) && name in params).map(({ params }) => params[name]);
  if (those.length === 0) return dimension;
  const { inner, condition } = dimension;
  const part = inner instanceof Choice ? fewer(inner, those) : inner instanceof NumberRange ? shorter(inner, those as number[]) : inner;
  return condition ? new Conditional(condition, part) : part;
}

function fewer(dimension: Choice, those: readonly unknown[]): Choice {
  return make.choice(dimension.values.filter((_, i) => those.some((value) => dimension.indexOf(value) === i)));
}

function shorter(range: NumberRange, those: readonly number[]): NumberRange {
  const places = those.map((value) => range.positionOf(value));
  const [low, high] = [Math.min(...places), Math.max(...places)];
  const margin = places.length < 2 || high === low ? 0.05 : (high - low) / (2 * (places.length - 1));
  const ends = [Math.max(0, low - margin), Math.min(1, high + margin)].map((place) => range.at(place));
  const { isLog, isWhole } = range;
  return new NumberRange(ends[0], ends[1], isLog, isWhole);
}

/** One stage of {@link CoarseToFine}. */
export interface Stage {
  /** How many trials. */
  readonly trials: number;
  /** What each may spend, such as epochs: the course begins with 5. */
  readonly budget: number;
}

/** Options of {@link CoarseToFine}. */
export interface CoarseToFineOptions {
  /** The stages, at least two. */
  readonly stages: readonly Stage[];
  /** Share of a stage's trials whose region the next stage searches; default 0.25. */
  readonly keep?: number;
  /** Where configurations come from; default {@link RandomSearch}. */
  readonly sampler?: Sampler;
}

/**
 * Coarse to fine (course rows K09, K11): the first stage tries wide ranges for a few epochs, each later one the region of the best trials before
 * it, with more. A stage begins when the one before has ended.
 *
 * @throws {ArgumentError} for fewer than two stages, or stages out of range.
 * @example
 * ```ts
 * import { CoarseToFine } from 'nodegrad';
 * new CoarseToFine({ stages: [{ trials: 30, budget: 1 }, { trials: 20, budget: 5 }, { trials: 5, budget: 40 }] });
 * ```
 */
export class CoarseToFine extends Strategy {
  readonly #stages: readonly Stage[];
  readonly #keep: number;
  readonly #sampler: Sampler;

  constructor(options: CoarseToFineOptions) {
    super();
    const given = checkOptions<CoarseToFineOptions>(options, 'options', ['stages', 'keep', 'sampler']);
    const { stages, keep = 0.25, sampler = new RandomSearch() } = given;
    if (checkList(stages, 'options.stages', 'an array of stages').length < 2)
      throw new ArgumentError(expected('at least two stages', 'options.stages', stages));
    this.#stages = stages.map((stage, i) => {
      const { trials, budget } = checkOptions<Stage>(stage, `options.stages[${i}]`, ['trials', 'budget']);
      return Object.freeze({
        trials: checkInteger(trials, `options.stages[${i}].trials`, 1),
        budget: checkInteger(budget, `options.stages[${i}].budget`, 1),
      });
    });
    this.#keep = checkNumber(keep, 'options.keep', 0, 1);
    if (!(sampler instanceof Sampler)) throw new ArgumentError(expected('a sampler, such as new RandomSearch(),', 'options.sampler', sampler));
    this.#sampler = sampler;
  }

  next(view: StudyView): Proposal | 'wait' | 'done' {
    let { space } = view;
    let first = 0;
    for (const { trials, budget } of this.#stages) {
      const own = view.trials.slice(first, first + trials);
      if (view.number < first + trials) {
        // The sampler sees this stage alone: its numbers stay those of (seed, trial number).
        return { params: this.#sampler.draw({ ...view, space, trials: own }), config: view.number, budget };
      }
      if (own.some(({ state }) => state === 'running')) return view.number < this.trialsIn() ? 'wait' : 'done';
      if (ranked(own, view.direction).length > 0) space = narrowed(space, own, { keep: this.#keep, direction: view.direction });
      first += trials;
    }
    return 'done';
  }

  override trialsIn(): number {
    return this.#stages.reduce((sum, { trials }) => sum + trials, 0);
  }

  override check(space: Space): void {
    this.#sampler.check(space);
  }

  override toJSON(): Readonly<Record<string, unknown>> {
    return { ...super.toJSON(), stages: this.#stages, keep: this.#keep, sampler: this.#sampler.toJSON() };
  }
}

keepNames({ CoarseToFine });
