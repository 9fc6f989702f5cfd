// What a run's log keeps beside its epochs: losses by step and some of the observed steps, few enough that a run of days has a log of megabytes.

import { performance } from 'node:perf_hooks';
import { keepNames } from '../names.js';
import { Callback, type StepsRecord, type TrainingRun } from './callbacks.js';
import type { Observation } from './observation.js';
import type { LoggedHistogram, LoggedObservation } from './run-log.js';

/** Numbers of a curve of losses, and observed steps, that a log holds at most; a run has more steps than a picture has pixels. */
const mostLosses = 2000;
const mostObservations = 100;
/** Layers times observed steps: a network of hundreds of layers is kept at fewer steps. */
const mostPictures = 2000;
const millisecondsBetweenLines = 500;

/** Writes the losses of steps into the log. */
export class LossRecorder extends Callback {
  #every = 1;
  /** Means that are not written yet, the first of them from step `#first` on. */
  #losses: number[] = [];
  #first = 1;
  /** The mean in the making. */
  #sum = 0;
  #count = 0;
  #written = 0;

  override onTrainBegin({ epochs, stepsPerEpoch, step }: TrainingRun): void {
    this.#every = Math.max(1, Math.ceil((epochs * stepsPerEpoch) / mostLosses));
    this.#first = step + 1;
  }

  override onSteps({ losses }: StepsRecord, run: TrainingRun): void {
    for (const loss of losses) {
      this.#sum += loss;
      this.#count += 1;
      if (this.#count === this.#every) this.#close();
    }
    if (performance.now() - this.#written > millisecondsBetweenLines) this.#write(run);
  }

  override onEpochEnd(_record: unknown, run: TrainingRun): void {
    this.#write(run);
  }

  override onTrainEnd(run: TrainingRun): void {
    this.#close();
    this.#write(run);
  }

  #close(): void {
    if (this.#count > 0) this.#losses.push(this.#sum / this.#count);
    this.#sum = 0;
    this.#count = 0;
  }

  #write(run: TrainingRun): void {
    if (this.#losses.length === 0) return;
    run.record({ type: 'losses', step: this.#first, every: this.#every, losses: this.#losses });
    this.#first += this.#every * this.#losses.length;
    this.#losses = [];
    this.#written = performance.now();
  }
}

/** Writes some of the observed steps into the log, evenly spread over the run, the first one among them. */
export class ObservationRecorder extends Callback {
  #due = 0;

  override onObserve({ step, layers, parameters }: Observation, run: TrainingRun): void {
    if (step < this.#due) return;
    this.#due = step + stepsBetweenKept(run, layers.length);
    const kept = layers.map((layer) => ({ ...layer, histogram: withoutEnds(layer.histogram) }));
    run.record({ type: 'observation', step, layers: kept, parameters } satisfies LoggedObservation & { type: string });
  }
}

/** How far apart the observed steps are that are kept of a run. */
export function stepsBetweenKept({ epochs, stepsPerEpoch }: Pick<TrainingRun, 'epochs' | 'stepsPerEpoch'>, layers: number): number {
  const most = Math.max(10, Math.min(mostObservations, Math.floor(mostPictures / Math.max(1, layers))));
  return Math.max(1, Math.floor((epochs * stepsPerEpoch) / most));
}

/** Counts without the zeros before the first and behind the last that is none. */
function withoutEnds(histogram: readonly number[]): LoggedHistogram {
  const first = histogram.findIndex((count) => count > 0);
  const last = histogram.findLastIndex((count) => count > 0);
  return first < 0 ? { first: 0, counts: [] } : { first, counts: histogram.slice(first, last + 1) };
}

keepNames({ LossRecorder, ObservationRecorder });
