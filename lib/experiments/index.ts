// The experiments of the course by name, and the function that runs one.

import { checkChoice, checkFlag, checkInteger, checkOptions, expected, ArgumentError } from '../errors.js';
import { isAbortSignal } from '../foreign.js';
import { type ChartPanel, chart } from '../pictures/chart.js';
import { refuseInStep } from '../recording.js';
import { withSeed } from '../seed.js';
import { bn } from './batch-norm.js';
import { type Experiment, checkSignal } from './experiment.js';
import { init, saturation } from './first-weights.js';
import { ensemble, gap, kFold } from './generalization.js';
import { gridVsRandom } from './grid-vs-random.js';
import { deadRelu, lr, zigzag } from './learning-rates.js';
import { architectures, dropPath, fractionalPooling } from './networks.js';

/** Names of the experiments. */
export type ExperimentName =
  | 'init'
  | 'saturation'
  | 'zigzag'
  | 'lr'
  | 'dead-relu'
  | 'bn'
  | 'gap'
  | 'k-fold'
  | 'ensemble'
  | 'grid-vs-random'
  | 'drop-path'
  | 'fractional-pooling'
  | 'architectures';

const all: Readonly<Record<ExperimentName, Experiment>> = {
  init,
  saturation,
  zigzag,
  lr,
  'dead-relu': deadRelu,
  bn,
  gap,
  'k-fold': kFold,
  ensemble,
  'grid-vs-random': gridVsRandom,
  'drop-path': dropPath,
  'fractional-pooling': fractionalPooling,
  architectures,
};

/** Names of the experiments, in the order of the course. */
export const experimentNames: readonly ExperimentName[] = Object.freeze(Object.keys(all) as ExperimentName[]);

/** Options of {@link runExperiment}. */
export interface ExperimentOptions {
  /** Decides data, first weights and orders; default 1. */
  readonly seed?: number;
  /** A first look with fewer examples, settings and epochs; default false. */
  readonly quick?: boolean;
  /** Told what it is doing. */
  readonly onProgress?: (what: string) => void;
  /** Stops it. */
  readonly signal?: AbortSignal;
}

/** What {@link runExperiment} gives: plain data that JSON can hold. */
export interface ExperimentReport {
  /** Its name. */
  readonly name: ExperimentName;
  /** What it shows. */
  readonly title: string;
  /** What it asks. */
  readonly question: string;
  /** Rows of the course that it shows. */
  readonly rows: readonly string[];
  /** What was seen, a sentence each. */
  readonly lines: readonly string[];
  /** The curves behind the picture. */
  readonly panels: readonly ChartPanel[];
  /** The picture, an SVG document that refers to no other file. */
  readonly picture: string;
}

/**
 * Runs one of the course's demonstrations on this machine: less than a minute on two cores. The command is `nodegrad experiment <name>`. Course
 * row O07.
 *
 * @returns Sentences, the data behind the picture, and the picture.
 * @throws {@link ArgumentError} for a name that is none, {@link AbortedError} when the signal stopped it.
 * @example
 * ```ts
 * import { writeFileSync } from 'node:fs';
 * import { runExperiment } from 'nodegrad';
 * const { lines, picture } = await runExperiment('zigzag');
 * console.log(lines.join('\n'));
 * writeFileSync('zigzag.svg', picture);
 * ```
 */
export async function runExperiment(name: ExperimentName, options: ExperimentOptions = {}): Promise<ExperimentReport> {
  refuseInStep('runExperiment() was called', 'Call it between two steps');
  checkChoice(name, 'name', experimentNames);
  const {
    seed = 1,
    quick = false,
    onProgress,
    signal,
  } = checkOptions<ExperimentOptions>(options, 'options', ['seed', 'quick', 'onProgress', 'signal']);
  checkInteger(seed, 'options.seed');
  checkFlag(quick, 'options.quick');
  if (onProgress !== undefined && typeof onProgress !== 'function')
    throw new ArgumentError(expected('a function', 'options.onProgress', onProgress));
  if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
  const { title, question, rows, run } = all[name];
  const step = (what: string): void => {
    checkSignal(signal);
    onProgress?.(what);
  };
  const { lines, panels, picture } = await withSeed(seed, () => run({ seed, signal, step, size: (full, small) => (quick ? small : full) }));
  return { name, title, question, rows, lines, panels, picture: picture ?? chart(panels, { title, subtitle: question }) };
}

/**
 * What an experiment shows, in a line; the command lists them.
 *
 * @throws {@link ArgumentError} for a name that is none.
 * @example
 * ```ts
 * import { describeExperiment, experimentNames } from 'nodegrad';
 * for (const name of experimentNames) console.log(name, describeExperiment(name));
 * ```
 */
export function describeExperiment(name: ExperimentName): string {
  return all[checkChoice(name, 'name', experimentNames)].title;
}
