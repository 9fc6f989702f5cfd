// A callback that writes TensorBoard's event files.

import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { checkPath } from '../io/atomic.js';
import { makeFolder } from '../io/folders.js';
import { keepNames } from '../names.js';
import { Callback, type StepsRecord, type TrainingRun } from '../training/callbacks.js';
import type { EpochRecord } from '../training/history.js';
import { type LayerObservation, type Observation, histogramEdges } from '../training/observation.js';
import { stepsBetweenKept } from '../training/recorder.js';
import { folderRefusal } from '../training/writable.js';
import { type TensorBoardHistogram, encodeRecord } from './event-file.js';

const millisecondsBetweenWrites = 1000;

/**
 * Writes what TensorBoard shows, in its own format: `loss/step` of each step; `loss/training`, `loss/validation` and the same of every metric, and `lr`,
 * of each epoch; of up to a hundred observed steps `updates/<path>` (the ratio of update to weights) and `gradients/<path>` (the norm) of each
 * parameter, and `outputs/<path>`, a histogram for each layer. The horizontal axis is the step of the run. `fit({ tensorboard: dir })` is the same.
 *
 * @param dir - Folder of the run, made if it is missing; a folder of its own for each run, below one that `tensorboard --logdir` is given.
 * @throws {@link ArgumentError} for anything but a path; when the folder cannot be made, the run ends with it before its first step.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, TensorBoardLog, datasets, mlp } from 'nodegrad';
 * const { train, test } = await datasets.digits();
 * const model = mlp();
 * const optimizer = new Adam(model, { lr: 1e-3 });
 * await model.fit(train, { loss: new CrossEntropyLoss(), optimizer, validation: test, callbacks: [new TensorBoardLog('boards/adam')] });
 * ```
 */
export class TensorBoardLog extends Callback {
  /** Folder of the event files. */
  readonly dir: string;
  #file: string | null = null;
  #waiting: Buffer[] = [];
  #written = 0;
  #due = 0;

  constructor(dir: string) {
    super();
    this.dir = resolve(checkPath(dir, 'dir', 'the path of a folder'));
  }

  override onTrainBegin(run: TrainingRun): void {
    try {
      makeFolder(this.dir);
    } catch (error) {
      throw folderRefusal('a folder that can be made', 'dir', this.dir, error);
    }
    // TensorBoard reads the files of a folder in the order of their names.
    const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
    this.#file = join(this.dir, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${randomBytes(3).toString('hex')}`);
    this.#due = 0;
    this.#add(run.step, { version: 'brain.Event:2' });
    this.#write();
  }

  override onSteps({ step, losses }: StepsRecord): void {
    for (const [i, loss] of losses.entries()) this.#add(step + i, { scalars: { 'loss/step': loss } });
    if (performance.now() - this.#written > millisecondsBetweenWrites) this.#write();
  }

  override onObserve({ step, layers, parameters }: Observation, run: TrainingRun): void {
    if (step < this.#due) return;
    this.#due = step + stepsBetweenKept(run, layers.length);
    const scalars: [string, number][] = parameters.flatMap(({ path, updateRatio, gradientNorm }) => [
      [`updates/${path}`, updateRatio],
      [`gradients/${path}`, gradientNorm],
    ]);
    const histograms = layers.map((layer): [string, TensorBoardHistogram] => [`outputs/${layer.path}`, histogramOf(layer)]);
    this.#add(step, { scalars: Object.fromEntries(scalars), histograms: Object.fromEntries(histograms) });
  }

  override onEpochEnd({ validation, lr, ...training }: EpochRecord, run: TrainingRun): void {
    const scores = Object.entries({ training, validation }).flatMap(([name, given]) =>
      given === undefined
        ? []
        : Object.entries({ ...given.metrics, loss: given.loss }).map(([what, value]) => [`${what}/${name}`, value] as const),
    );
    this.#add(run.step, { scalars: { ...Object.fromEntries(scores), lr } });
    this.#write();
  }

  override onTrainEnd(): void {
    this.#write();
  }

  #add(step: number, event: Omit<Parameters<typeof encodeRecord>[0], 'time' | 'step'>): void {
    if (this.#file !== null) this.#waiting.push(encodeRecord({ time: Date.now() / 1000, step, ...event }));
  }

  /** A file that cannot be written any more (a full disk) warns, and the run goes on. */
  #write(): void {
    if (this.#file === null) return;
    try {
      appendFileSync(this.#file, Buffer.concat(this.#waiting));
    } catch (error) {
      this.#file = null;
      process.emitWarning(`the run is not written for TensorBoard any further: ${(error as Error).message}`, { code: 'NODEGRAD_NO_LOG' });
    }
    this.#waiting = [];
    this.#written = performance.now();
  }
}

/** A layer's outputs as TensorBoard keeps them, without the empty bins at the ends. */
function histogramOf({ mean, std, min, max, histogram }: LayerObservation): TensorBoardHistogram {
  const count = histogram.reduce((sum, one) => sum + one, 0);
  const first = Math.max(
    0,
    histogram.findIndex((one) => one > 0),
  );
  const last = histogram.findLastIndex((one) => one > 0);
  const counts = histogram.slice(first, last + 1);
  const limits = histogramEdges.slice(first + 1, last + 2).map((edge) => Math.min(edge, Number.MAX_VALUE));
  return { min, max, count, sum: count * mean, sumSquares: count * (std * std + mean * mean), limits, counts };
}

keepNames({ TensorBoardLog });
