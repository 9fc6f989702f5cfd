// A run whose epochs are iterated over: each is given when it is over, and the run goes on when the next one is asked for.

import type { AnyDataset } from '../data/dataset.js';
import { ArgumentError } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import { refuseInStep } from '../recording.js';
import type { CallbackLike, TrainingRun } from './callbacks.js';
import { type FitOptions, checkFit } from './fit-options.js';
import { fit } from './fit.js';
import type { EpochRecord, History } from './history.js';

/** What {@link fitEpochs} gives: the epochs of one run, to be gone through once. */
export interface FitEpochs extends AsyncIterable<EpochRecord> {
  /** The history of the run, which grows with it; null before the first epoch is asked for. */
  readonly history: History | null;
  /** The epochs, each when it is over. */
  [Symbol.asyncIterator](): AsyncGenerator<EpochRecord, void>;
}

/** An epoch that is over, and what lets the run go on. */
interface Offer {
  readonly record: EpochRecord;
  goOn(): void;
}

/**
 * Trains as {@link Model.fit} does, and gives each epoch when it and its validation are over: the run waits until the next one is asked for.
 * `break` ends it between two epochs, as `run.stop()` of a callback does: callbacks, log and checkpoints end in order, and `history` holds
 * what was trained. Training begins when the first epoch is asked for.
 *
 * @param model - What is trained.
 * @param data - What to train on.
 * @param options - As for `fit`.
 * @throws what {@link Model.fit} throws: wrong options at once, all else where the epochs are gone through; {@link ArgumentError} where that is
 *   done twice.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, datasets, fitEpochs, mlp } from 'nodegrad';
 * const { train, test } = await datasets.digits();
 * const model = mlp();
 * const run = fitEpochs(model, train, { loss: new CrossEntropyLoss(), optimizer: new Adam(model), epochs: 100, validation: test });
 * for await (const { epoch, validation } of run) {
 *   console.log(epoch, validation?.metrics.accuracy);
 *   if ((validation?.metrics.accuracy ?? 0) > 0.95) break;
 * }
 * console.log(run.history?.epochs.length);
 * ```
 */
export function fitEpochs(model: AnyLayer, data: AnyDataset, options: FitOptions): FitEpochs {
  refuseInStep('fitEpochs() was called', 'Call it outside of the step');
  return new RunningEpochs(model, data, checkFit(data, options));
}

class RunningEpochs implements FitEpochs {
  history: History | null = null;
  #hasBegun = false;
  readonly #model: AnyLayer;
  readonly #data: AnyDataset;
  readonly #options: FitOptions;

  constructor(model: AnyLayer, data: AnyDataset, options: FitOptions) {
    this.#model = model;
    this.#data = data;
    this.#options = options;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<EpochRecord, void> {
    if (this.#hasBegun) throw new ArgumentError('the epochs of a run are gone through once: fitEpochs() begins another');
    this.#hasBegun = true;
    let isLeft = false;
    let offer: (next: Offer | null) => void = () => {};
    const awaitNext = (): Promise<Offer | null> =>
      new Promise((resolve) => {
        offer = resolve;
      });
    const watch: CallbackLike = {
      onTrainBegin: (run: TrainingRun) => {
        this.history = run.history;
      },
      onEpochEnd: (record: EpochRecord, run: TrainingRun) =>
        new Promise<void>((resolve) => {
          const goOn = (): void => {
            if (isLeft) run.stop('its epochs were not asked for any more');
            resolve();
          };
          offer({ record, goOn });
        }),
    };
    const { callbacks } = this.#options;
    let next = awaitNext();
    // What is no array of callbacks, fit says best itself.
    const all = callbacks === undefined || Array.isArray(callbacks) ? [...(callbacks ?? []), watch] : callbacks;
    const done = fit(this.#model, this.#data, { ...this.#options, callbacks: all });
    done.then(
      () => offer(null),
      () => offer(null),
    );
    let held: Offer | null = null;
    try {
      for (held = await next; held !== null; held = await next) {
        next = awaitNext();
        yield held.record;
        held.goOn();
      }
    } finally {
      isLeft = true;
      held?.goOn();
      await done;
    }
  }
}
