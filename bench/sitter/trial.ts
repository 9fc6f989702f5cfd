// One run of a program: what the sitter said about it, and how well the model does afterwards on data that it has never seen.

import { type AnyDataset, type Tensor, TrainingNonFiniteError, type CallbackLike, type FitOptions, type Model } from '../../lib/index.js';
import { NodegradError } from '../../lib/errors.js';
import type { Change, FindingId } from '../../lib/sitter/finding.js';
import type { Parts } from './data/index.js';
import { losses } from './losses.js';
import { type Built, type Program, build } from './program.js';
import { watched } from './watch.js';

/** What the sitter said, as the bench judges it. */
export interface Seen {
  readonly id: FindingId;
  readonly epoch: number;
  readonly change: Change | null;
  readonly text: string;
  readonly symptoms: readonly FindingId[];
}

/** What became of a run. */
export interface Trial {
  /** Accuracy or R² on the test, at least 0; NaN predictions count as wrong. */
  readonly score: number;
  /** exp(−loss) on the test: for classes, the geometric mean of the probabilities that the model gives the right ones. */
  readonly likelihood: number;
  /** The score on what the program validates with; null where it has none. */
  readonly reported: number | null;
  readonly findings: readonly Seen[];
  /** What `fit` threw, by code and message. */
  readonly error: string | null;
  readonly epochs: number;
  readonly seconds: number;
}

/**
 * Trains a program and scores it. A run is over after `limit` milliseconds of the processor's time, so that it ends at the same place on a busy machine,
 * or twelve times that on the clock, and is then judged as it stands.
 */
export async function attempt(program: Program, parts: Parts, { watches, limit }: { watches: boolean; limit: number }): Promise<Trial> {
  const begin = performance.now();
  let findings: readonly Seen[] = [];
  const cpu = process.cpuUsage();
  const isLate = (): boolean => process.cpuUsage(cpu).user > 1000 * limit || performance.now() - begin > 12 * limit;
  let error: string | null = null;
  let epochs = 0;
  let built: Built | null = null;
  const end: CallbackLike = {
    onSteps: (_, run) => void (isLate() && run.stop('the bench has no more time for it')),
    onEpochEnd: () => void epochs++,
  };
  try {
    built = await build(program, parts);
    const { options } = built;
    const plain: FitOptions = { ...options, callbacks: [...(options.callbacks ?? []), end], progress: false, log: false };
    const run = await watched(built.model, built.data.train, plain, watches);
    findings = run.findings;
    if (run.error !== null) error = `${run.error.code}: ${run.error.message}`;
    // What fit refuses is said by its error, too.
    if (watches && run.error !== null && findings.length === 0)
      findings = [{ id: idOf(run.error), epoch: 0, change: null, text: error ?? '', symptoms: [] }];
  } catch (thrown) {
    // Data sets refuse what is no data.
    if (!(thrown instanceof NodegradError)) throw thrown;
    error = `${thrown.code}: ${thrown.message}`;
    if (watches) findings = [{ id: idOf(thrown), epoch: 0, change: null, text: error, symptoms: [] }];
  }
  const seconds = (performance.now() - begin) / 1000;
  if (built === null) return { score: 0, likelihood: 0, reported: null, findings, error, epochs, seconds };
  const { model, data, options } = built;
  const score = await scoreOf(model, data.test, data.truths.test, program, parts);
  const sees = options.validation !== undefined && data.validation !== null;
  const reported = sees ? await scoreOf(model, data.validation as AnyDataset, data.truths.validation, program, parts) : null;
  return { score, likelihood: await likelihoodOf(model, data.test, program), reported, findings, error, epochs, seconds };
}

/** What an error of `fit` says in the words of findings. */
function idOf(thrown: NodegradError): FindingId {
  if (thrown instanceof TrainingNonFiniteError) return thrown.place.what === 'input' ? 'non-finite-data' : 'non-finite';
  if (/does not hold|no parameter/.test(thrown.message)) return 'parameters-not-held';
  return /class ind|label/.test(thrown.message) ? 'labels-out-of-range' : 'targets-against-loss';
}

/** Accuracy of classes and labels, or R² of numbers. */
async function scoreOf(model: Model, data: AnyDataset, truth: Float32Array, program: Program, parts: Parts): Promise<number> {
  let output: Float32Array;
  try {
    output = ((await model.predict(data)) as Tensor).data;
  } catch (error) {
    if (error instanceof NodegradError) return 0;
    throw error;
  }
  if (parts.targets === 'numbers') return rSquared(output, truth);
  const threshold = losses[program.loss].takes === 'logits' ? 0 : 0.5;
  const isNumbers = parts.targets === 'labels' || program.targets === 'numbers';
  if (isNumbers) return share(truth.length, (i) => output[i] > threshold === truth[i] > 0.5 && truth[i] <= 1 && !Number.isNaN(output[i]));
  const width = output.length / truth.length;
  return share(truth.length, (row) => {
    const scores = output.subarray(row * width, (row + 1) * width);
    return scores.indexOf(Math.max(...scores)) === truth[row];
  });
}

async function likelihoodOf(model: Model, data: AnyDataset, program: Program): Promise<number> {
  try {
    const { loss } = await model.evaluate(data, { loss: losses[program.loss].make(), metrics: [] });
    return Number.isNaN(loss) ? 0 : Math.exp(-loss);
  } catch (error) {
    if (error instanceof NodegradError) return 0;
    throw error;
  }
}

function share(count: number, isRight: (i: number) => boolean): number {
  let right = 0;
  for (let i = 0; i < count; i++) if (isRight(i)) right++;
  return right / count;
}

function rSquared(output: Float32Array, truth: Float32Array): number {
  const mean = truth.reduce((sum, y) => sum + y, 0) / truth.length;
  let [left, all] = [0, 0];
  for (const [i, y] of truth.entries()) {
    left += (y - output[i]) ** 2;
    all += (y - mean) ** 2;
  }
  const r = 1 - left / all;
  return r > 0 ? r : 0;
}
