// What the next trial is: strategies answer from the seed, the trial's number and what earlier trials gave, and keep nothing themselves.

import { ours } from '../foreign.js';
import { keepNames } from '../names.js';
import { Random } from '../random.js';
import { type Params, type Space, paramsAt } from './space.js';
import type { Direction, TrialRecord } from './trial-record.js';

/** A study, as a strategy sees it. */
export interface StudyView {
  /** What there is to choose from. */
  readonly space: Space;
  /** The study's seed. */
  readonly seed: number;
  /** Which way a score is better. */
  readonly direction: Direction;
  /** The number of the trial that is asked for. */
  readonly number: number;
  /** The trials so far, by number. */
  readonly trials: readonly TrialRecord[];
}

/** A trial that a strategy wants. */
export interface Proposal {
  /** Its parameters. */
  readonly params: Params;
  /** The first trial with these parameters: its own number, or that of the trial it goes on with. */
  readonly config: number;
  /** What it may spend; null where that is left to the objective. */
  readonly budget: number | null;
}

/**
 * Says what the next trial is. A strategy keeps no state: `next` depends on what it is given alone, so that a study that was stopped goes
 * on as if it had not been.
 *
 * @example
 * ```ts
 * import { type Proposal, Strategy, type StudyView } from 'nodegrad';
 * class Same extends Strategy {
 *   next({ number }: StudyView): Proposal {
 *     return { params: { lr: 1e-3 }, config: number, budget: null };
 *   }
 * }
 * ```
 */
export abstract class Strategy {
  /** The next trial; `'wait'` where a running one must end before, `'done'` where there is none. */
  abstract next(view: StudyView): Proposal | 'wait' | 'done';

  /** How many trials there will be at most; null where the study has to say. */
  trialsIn(_space: Space): number | null {
    return null;
  }

  /** Refuses a space that the strategy cannot search. */
  check(_space: Space): void {}

  /** What a log keeps of it: a study goes on with an equal one only. */
  toJSON(): Readonly<Record<string, unknown>> {
    return { name: this.constructor.name };
  }
}

/**
 * A strategy that draws each trial's parameters, without a budget and without an end. Halving takes its new configurations from one.
 *
 * @example
 * ```ts
 * import { type Params, Sampler, type StudyView } from 'nodegrad';
 * class Middle extends Sampler {
 *   draw({ space }: StudyView): Params {
 *     return Object.fromEntries(Object.entries(space).map(([name, dimension]) => [name, dimension.at(0.5)]));
 *   }
 * }
 * ```
 */
export abstract class Sampler extends Strategy {
  /** The parameters of trial `view.number`. */
  abstract draw(view: StudyView): Params;

  next(view: StudyView): Proposal {
    return { params: this.draw(view), config: view.number, budget: null };
  }
}

/** The random numbers of one parameter of one trial: a function of (seed, trial number, name), whatever else is in the space. */
export const randomOf = ({ seed, number }: Pick<StudyView, 'seed' | 'number'>, name: string): Random =>
  new Random(seed, `search/${number}/${name}`);

/**
 * Points at random in the ranges: with one parameter that matters more than the others, every trial tries a new value of it, where a grid
 * tries few (course rows K04, K05; Bergstra & Bengio, JMLR 2012). The default strategy.
 *
 * @example
 * ```ts
 * import { RandomSearch, search, space } from 'nodegrad';
 * const study = await search({ x: space.uniform(-1, 1) }, ({ x }) => x * x, { strategy: new RandomSearch(), trials: 20 });
 * ```
 */
export class RandomSearch extends Sampler {
  draw(view: StudyView): Params {
    return paramsAt(view.space, (name) => randomOf(view, name).uniform53());
  }
}

keepNames({ Strategy, Sampler, RandomSearch });
ours(Strategy);
