// A run in which everything moves that a checkpoint must hold: dropout from two generators, Adam, a schedule, ragged batches, validation.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import {
  Adam,
  type AnyModel,
  type CheckpointOptions,
  Dropout,
  dropout,
  type FitOptions,
  type History,
  Layer,
  Linear,
  ReLU,
  Sequential,
  type Tensor,
  type TensorDataset,
  setSeed,
  StepDecay,
  TrainingAbortedError,
  fit,
} from '../../lib/index.js';
import { loss, points, quiet } from './training.js';

/** Draws from the generator of the process. */
export class SharedDropout extends Layer {
  forward(x: Tensor): Tensor {
    return this.training ? dropout(x, 0.1) : x;
  }
}

/** A model, what it trains with, and what it trains on. */
export interface Trial {
  readonly model: AnyModel;
  readonly optimizer: Adam;
  readonly data: TensorDataset;
  readonly options: FitOptions;
}

/** Three epochs of four steps, the last one ragged. */
export function makeTrial(
  given: { hidden?: number; examples?: number; epochs?: number; seed?: number; dataSeed?: number; lr?: number; sitter?: 'fix' } = {},
): Trial {
  const { hidden = 8, examples = 30, epochs = 3, seed = 5, dataSeed = 1, lr = 0.02, sitter } = given;
  setSeed(seed);
  const model = new Sequential([new Linear(2, hidden), new ReLU(), new Dropout(0.3), new SharedDropout(), new Linear(hidden, 4)]);
  const optimizer = new Adam(model, { lr: new StepDecay(lr, { every: 1, factor: 0.5 }) });
  return {
    model,
    optimizer,
    data: points(examples, dataSeed),
    options: { ...quiet, loss, optimizer, epochs, batchSize: 8, validation: points(20, 2), sitter },
  };
}

/** Runs a trial with checkpoints. */
export function runTrial(trial: Trial, checkpoint?: CheckpointOptions, more: Partial<FitOptions> = {}): Promise<History> {
  return fit(trial.model, trial.data, { ...trial.options, checkpoint, ...more });
}

/** Everything that must come out the same: weights, the optimizer's state, and the history without its times; of a mended run, what was found and done. */
export function outcomeOf({ model, optimizer, options }: Trial, history: History): string {
  const { tensors, ...state } = optimizer.stateDict();
  const bits = (tensor: { data: NodeJS.TypedArray }): string => createHash('sha256').update(tensor.data).digest('hex').slice(0, 16);
  return JSON.stringify({
    weights: [...model.stateDict()].map(([path, tensor]) => [path, bits(tensor)]),
    moments: [...tensors].map(([name, tensor]) => [name, bits(tensor)]),
    state,
    epochs: history.epochs.map(({ seconds: _, samplesPerSecond: __, ...record }) => record),
    stopped: history.stopped,
    ...(options.sitter === 'fix' && { findings: history.findings, fixes: history.fixes }),
  });
}

/** Gives a folder of its own. */
export async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-checkpoint-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Of a trial. */
export const stepsPerEpoch = 4;
export const steps = 3 * stepsPerEpoch;
export const named = (step: number): string => `step-${String(step).padStart(12, '0')}.safetensors`;

/** Aborts once a run has taken so many steps; after the last step of an epoch, in its validation. */
export function stopAfter(step: number): Partial<FitOptions> {
  const controller = new AbortController();
  return { signal: controller.signal, callbacks: [{ onBatchEnd: (batch) => batch.step === step && controller.abort() }] };
}

/** A stream that keeps what is written to it. */
export function listener(): { stream: Writable; text: () => string } {
  let text = '';
  const stream = new Writable({
    write: (chunk, _encoding, done) => {
      text += chunk;
      done();
    },
  });
  return { stream, text: () => text };
}

/** A folder with checkpoints of a run that was stopped after step 6, one for each of the last three steps. */
export async function interrupted(dir: string): Promise<void> {
  await runTrial(makeTrial(), { dir, every: 1 }, stopAfter(6)).catch((error) => {
    if (!(error instanceof TrainingAbortedError)) throw error;
  });
}

export const uninterrupted = async (): Promise<string> => {
  const trial = makeTrial();
  return outcomeOf(trial, await runTrial(trial));
};
