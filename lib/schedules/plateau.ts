// A schedule that waits for the score to stop getting better.

import { checkChoice, checkInteger, checkNumber, checkObject, checkOptions } from '../errors.js';
import { keepNames } from '../names.js';
import { Schedule } from './schedule.js';

/** Options of {@link ReduceOnPlateau}. */
export interface ReduceOnPlateauOptions {
  /** What each cut multiplies by. Default 0.1. */
  factor?: number;
  /** Epochs without an improvement that are let pass: the next one cuts. Default 10. */
  patience?: number;
  /** Share of the best score by which another must be better to count. Default 1e-4. */
  threshold?: number;
  /** Whether a lower or a higher score is better. Default `'min'`. */
  mode?: 'min' | 'max';
  /** Epochs after a cut in which none is counted. Default 0. */
  cooldown?: number;
  /** The least value. Default 0. */
  minimum?: number;
}

/**
 * Multiplied by `factor` when the score of the epochs has not improved for more than `patience` of them: PyTorch's ReduceLROnPlateau with a
 * relative threshold. `fit` tells it the validation loss, without validation the training loss; a loop of your own gives the score to
 * `optimizer.nextEpoch(score)`. What it has heard is in its state.
 *
 * @throws {@link ArgumentError} for options out of range or unknown.
 * @example
 * ```ts
 * import { Linear, ReduceOnPlateau, SGD } from 'nodegrad';
 * const optimizer = new SGD(new Linear(2, 1), { lr: new ReduceOnPlateau(0.1, { patience: 0 }) });
 * optimizer.nextEpoch(1);
 * optimizer.nextEpoch(1);
 * optimizer.lr; // 0.01
 * ```
 */
export class ReduceOnPlateau extends Schedule {
  /** The value until the first cut. */
  readonly initial: number;
  /** What each cut multiplies by. */
  readonly factor: number;
  /** Epochs without an improvement that are let pass. */
  readonly patience: number;
  /** Share of the best score by which another must be better. */
  readonly threshold: number;
  /** Whether a lower or a higher score is better. */
  readonly mode: 'min' | 'max';
  /** Epochs after a cut in which none is counted. */
  readonly cooldown: number;
  /** The least value. */
  readonly minimum: number;
  #value: number;
  #best: number | null = null;
  #waited = 0;
  #cooling = 0;

  constructor(initial: number, options: ReduceOnPlateauOptions = {}) {
    super();
    const known = ['factor', 'patience', 'threshold', 'mode', 'cooldown', 'minimum'];
    const given = checkOptions<ReduceOnPlateauOptions>(options, 'options', known);
    const { factor = 0.1, patience = 10, threshold = 1e-4, mode = 'min', cooldown = 0, minimum = 0 } = given;
    this.initial = checkNumber(initial, 'initial', 0);
    this.factor = checkNumber(factor, 'options.factor', 0, 1);
    this.patience = checkInteger(patience, 'options.patience', 0);
    this.threshold = checkNumber(threshold, 'options.threshold', 0);
    this.mode = checkChoice(mode, 'options.mode', ['min', 'max']);
    this.cooldown = checkInteger(cooldown, 'options.cooldown', 0);
    this.minimum = checkNumber(minimum, 'options.minimum', 0);
    this.#value = this.initial;
  }

  /** The value in force: it depends on the scores, not on t. */
  at(): number {
    return this.#value;
  }

  override observe(score: number): void {
    if (this.#best === null || this.#isBetter(score, this.#best)) {
      this.#best = score;
      this.#waited = 0;
    } else this.#waited += 1;
    if (this.#cooling > 0) {
      this.#cooling -= 1;
      this.#waited = 0;
    }
    if (this.#waited <= this.patience) return;
    this.#value = Math.max(this.#value * this.factor, this.minimum);
    this.#cooling = this.cooldown;
    this.#waited = 0;
  }

  #isBetter(score: number, best: number): boolean {
    return this.mode === 'min' ? score < best * (1 - this.threshold) : score > best * (1 + this.threshold);
  }

  override stateDict(): Record<string, unknown> {
    return { value: this.#value, best: this.#best, waited: this.#waited, cooling: this.#cooling };
  }

  override loadStateDict(state: Record<string, unknown>): void {
    const { value, best, waited, cooling } = checkObject<Record<string, unknown>>(state, 'state');
    const found = [checkNumber(value, 'state.value', 0), checkInteger(waited, 'state.waited', 0), checkInteger(cooling, 'state.cooling', 0)];
    this.#best = best === null ? null : checkNumber(best, 'state.best');
    [this.#value, this.#waited, this.#cooling] = found;
  }
}

keepNames({ ReduceOnPlateau });
