// The tree-structured Parzen estimator, multivariate: new trials where good ones were dense and bad ones were not.

import { checkInteger, checkOptions } from '../errors.js';
import { keepNames } from '../names.js';
import type { Random } from '../random.js';
import { exponential, logSumExp, logarithm, normalDistribution } from './numbers.js';
import { Choice, type Dimension, type Params, type Space, isActive, paramsAt } from './space.js';
import { Sampler, type StudyView, randomOf } from './strategy.js';
import { type TrialRecord, ranked } from './trial-record.js';

/** Options of {@link TpeSearch}. */
export interface TpeSearchOptions {
  /** Trials at random before the first that is drawn from others; default 10. */
  readonly startupTrials?: number;
  /** Points that are drawn where good trials are dense, of which the best is taken; default 24. */
  readonly candidates?: number;
}

/** At most so many trials count as good … */
const mostGood = 25;
/** … and of the others so many of the latest count in full. */
const mostFull = 25;
/** A kernel's width in a space of d dimensions, by n trials: this · n^(−1 / (d + 4)) of the range. */
const widthFactor = 0.2;

/** What a kernel is around: positions of one trial by name; of parameters that it does not have, and of the prior, none. */
type Centre = Readonly<Record<string, number>>;

/** A density over the unit cube: a kernel for each trial, and a flat one over all (the prior). */
class Parzen {
  readonly #space: Space;
  readonly #centres: readonly Centre[];
  readonly #logWeights: readonly number[];
  readonly #weights: readonly number[];
  readonly #width: number;

  constructor(space: Space, trials: readonly TrialRecord[], weights: readonly number[]) {
    this.#space = space;
    const centreOf = ({ params }: TrialRecord): Centre =>
      Object.fromEntries(
        Object.entries(space)
          .filter(([, dimension]) => isActive(dimension, params))
          .map(([name, dimension]) => [name, dimension.positionOf(params[name])]),
      );
    this.#centres = [...trials.map(centreOf), {}];
    const all = [...weights, 1];
    const total = all.reduce((sum, weight) => sum + weight, 0);
    this.#weights = all.map((weight) => weight / total);
    this.#logWeights = this.#weights.map(logarithm);
    const count = Math.max(1, trials.length);
    const width = widthFactor * exponential(-logarithm(count) / (Object.keys(space).length + 4));
    this.#width = Math.max(width, 1 / Math.min(100, count + 1));
  }

  /** A point: one kernel, and a place in it for each parameter. */
  draw(random: Random): Params {
    const centre = this.#centres[pick(this.#weights, random.uniform53())];
    return paramsAt(this.#space, (name, { inner }) => {
      const at = centre[name];
      if (at === undefined) return random.uniform53();
      if (inner instanceof Choice) return (pick(this.#shares(inner, at), random.uniform53()) + 0.5) / inner.values.length;
      for (;;) {
        const place = at + this.#width * random.normal();
        if (place >= 0 && place < 1) return place;
      }
    });
  }

  /** The logarithm of the density at a point; parameters that it does not have count for nothing. */
  logDensity(params: Params): number {
    const present = Object.entries(this.#space).filter(([, dimension]) => isActive(dimension, params));
    const places = present.map(([name, dimension]) => [name, dimension.inner, dimension.positionOf(params[name])] as const);
    return logSumExp(
      this.#centres.map((centre, i) => places.reduce((sum, place) => sum + this.#logKernel(centre, ...place), this.#logWeights[i])),
    );
  }

  #logKernel(centre: Centre, name: string, dimension: Dimension, place: number): number {
    const at = centre[name];
    if (at === undefined) return dimension instanceof Choice ? -logarithm(dimension.values.length) : 0;
    if (dimension instanceof Choice) return logarithm(this.#shares(dimension, at)[Math.floor(place * dimension.values.length)]);
    const z = (place - at) / this.#width;
    const inside = normalDistribution((1 - at) / this.#width) - normalDistribution(-at / this.#width);
    return (-z * z) / 2 - logarithm(inside * this.#width * Math.sqrt(2 * Math.PI));
  }

  /** How likely a kernel makes each choice: its own, and a part for all that the number of trials makes small. */
  #shares({ values }: Choice, at: number): number[] {
    const all = 1 / this.#centres.length;
    const own = Math.floor(at * values.length);
    return values.map((_, i) => (all + (i === own ? 1 : 0)) / (1 + values.length * all));
  }
}

/** The place in a list of shares that sum to 1 at which their sum passes `position`. */
function pick(shares: readonly number[], position: number): number {
  let sum = 0;
  for (const [i, share] of shares.entries()) {
    sum += share;
    if (position < sum) return i;
  }
  return shares.length - 1;
}

/** Weights of trials in their order: the latest in full, older ones less. */
function fading(count: number): number[] {
  const old = count - mostFull;
  return Array.from({ length: count }, (_, i) => (i >= old ? 1 : old === 1 ? 1 / count : 1 / count + (i / (old - 1)) * (1 - 1 / count)));
}

/** The trials that may be compared: those with the largest budget of which there are enough. */
function comparable(trials: readonly TrialRecord[], enough: number): readonly TrialRecord[] {
  const budgets = [...new Set(trials.map(({ budget }) => budget))].sort((a, b) => (b ?? 0) - (a ?? 0));
  const count = (budget: number | null): number => trials.filter((trial) => trial.budget === budget && trial.state === 'completed').length;
  const chosen = budgets.find((budget) => count(budget) >= enough);
  return chosen === undefined ? [] : trials.filter(({ budget }) => budget === chosen);
}

/**
 * The multivariate tree-structured Parzen estimator (Bergstra et al. 2011; in the form of BOHB, Falkner et al. 2018, and of Optuna's
 * default from version 5 on). The best tenth of the trials (at most 25) makes a density l, all others one g, each a mixture of one kernel
 * per trial over all parameters at once; of points drawn from l, the one with the largest l/g is next. Stopped, failed and running
 * trials count with the others, those with a smaller budget not at all.
 *
 * With one trial at a time, a study that goes on equals one that was never stopped. Trials that run side by side end in an order that time decides:
 * each is drawn from those that had ended when it began.
 *
 * @throws {ArgumentError} for options out of range.
 * @example
 * ```ts
 * import { TpeSearch, search, space } from 'nodegrad';
 * await search({ x: space.uniform(-1, 1) }, ({ x }) => x * x, { strategy: new TpeSearch(), trials: 40 });
 * ```
 */
export class TpeSearch extends Sampler {
  readonly #startupTrials: number;
  readonly #candidates: number;

  constructor(options: TpeSearchOptions = {}) {
    super();
    const { startupTrials = 10, candidates = 24 } = checkOptions<TpeSearchOptions>(options, 'options', ['startupTrials', 'candidates']);
    this.#startupTrials = checkInteger(startupTrials, 'options.startupTrials', 2);
    this.#candidates = checkInteger(candidates, 'options.candidates', 1, 10_000);
  }

  draw(view: StudyView): Params {
    const { space, direction } = view;
    const trials = comparable(view.trials, this.#startupTrials);
    if (trials.length === 0) return paramsAt(space, (name) => randomOf(view, name).uniform53());
    const order = ranked(trials, direction);
    const good = new Set(order.slice(0, Math.min(mostGood, Math.ceil(order.length / 10))).map(({ number }) => number));
    const [best, rest] = [true, false].map((wanted) => trials.filter(({ number }) => good.has(number) === wanted));
    const dense = new Parzen(space, best, best.map(() => 1)); // biome-ignore format: one line
    const sparse = new Parzen(space, rest, fading(rest.length));
    const random = randomOf(view, '');
    let [chosen, highest] = [dense.draw(random), Number.NEGATIVE_INFINITY];
    for (let i = 0; i < this.#candidates; i++) {
      const params = i === 0 ? chosen : dense.draw(random);
      const gain = dense.logDensity(params) - sparse.logDensity(params);
      if (gain > highest) [chosen, highest] = [params, gain];
    }
    return chosen;
  }

  override toJSON(): Readonly<Record<string, unknown>> {
    return { ...super.toJSON(), startupTrials: this.#startupTrials, candidates: this.#candidates };
  }
}

keepNames({ TpeSearch });
