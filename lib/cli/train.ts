// `nodegrad train`, and `npm start`: a run from the data set to the files, with everything said on the way.

import { randomBytes } from 'node:crypto';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { sameWishMilliseconds } from '../distributed/launcher.js';
import { tableFormat } from '../data/column-files.js';
import { AbortedError, ArgumentError, NodegradError } from '../errors.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { reportFile } from '../report/report.js';
import { setSeed } from '../seed.js';
import { getNumThreads, info, setNumThreads } from '../runtime.js';
import { Sitter } from '../sitter/sitter.js';
import { TrainingNonFiniteError } from '../training/errors.js';
import { EarlyStopping } from '../training/early-stopping.js';
import type { History } from '../training/history.js';
import { formatDuration } from '../training/progress.js';
import { inCommands } from './advice.js';
import { inFlags, shellWord } from './flags.js';
import { recipeOf } from './models.js';
import { presetIn } from './pretrained.js';
import { RunFolder } from './run-folder.js';
import { finishUnwatched } from './output.js';
import { imageJob } from './images.js';
import { type Job, type Report, isBetter } from './job.js';
import { type GivenOptions, type TrainOptions, makeOptimizer, withRecipe } from './options.js';
import { tableJob } from './table.js';
import { Terminal, formatCount, pairs, percent } from './terminal.js';
import { plural } from '../words.js';

/** How a run ended, for people and for `--json`. */
interface Outcome {
  outcome: 'completed' | 'aborted' | 'fault';
  history: History;
  fault: string | null;
}

/** What a run shows beside its figures. */
interface Show {
  /** The confusion matrix and wrong images. */
  detailed?: boolean;
  /** A model that is trained the same way afterwards, for comparison. */
  rival?: string;
}

/** Runs the job and gives the exit code. */
export async function train(given: GivenOptions, { detailed = false, rival }: Show = {}): Promise<number> {
  given = await withModelOfWeights(given);
  let options = withRecipe(given);
  const { checkpointDir, checkpointEvery, resume, patience } = options;
  if (checkpointDir === undefined && (checkpointEvery !== undefined || resume)) {
    throw new ArgumentError('--checkpoint-every and --resume need --checkpoint-dir <folder>');
  }
  const terminal = new Terminal();
  const began = performance.now();
  const stopper = stopOnSignals();
  finishUnwatched();
  const folder = options.runDir ?? newFolder(options);
  let results: RunFolder | null = null;
  try {
    // Before anything is loaded or trained: what the work is for must be writable.
    results = await RunFolder.open(folder);
    setSeed(options.seed);
    if (options.numThreads !== undefined) setNumThreads(options.numThreads);
    if (options.target !== undefined && tableFormat(options.data) === null)
      throw new ArgumentError(`--target names a column of a table (.csv, .parquet, .arrow), and ${options.data} is none`);
    const job = await (tableFormat(options.data) === null ? imageJob(options, stopper.signal) : tableJob(options));
    const { model } = job;
    options = withRecipe(given, job.train.length);
    if (patience !== undefined && job.test.length === 0) throw new ArgumentError('--patience watches the test data, and --test 0 leaves none');
    const optimizer = makeOptimizer(options, model);
    if (!options.json) announce(terminal, options, job, optimizer);
    const sitter = new Sitter();
    sitter.words = (finding) => inCommands(finding, options);
    const result = await run(options, job, optimizer, sitter, folder, stopper.signal);
    // A model that exploded is of no use to anyone.
    const isUseful = result.outcome !== 'fault';
    if (isUseful) job.finish(model);
    const weights = isUseful ? await results.save(model) : null;
    const report = isUseful && job.test.length > 0 ? await job.judge(model) : null;
    const files = filesOf(options, weights, result.history.log);
    const isComparable = rival !== undefined && report !== null && result.outcome === 'completed';
    const beside = isComparable ? await trainRival(terminal, { ...options, model: rival }, job, stopper.signal) : null;
    const seconds = (performance.now() - began) / 1000;
    if (options.json) terminal.print(document(options, job, result, report, sitter, files, seconds));
    else {
      if (detailed && report !== null && result.outcome === 'completed') report.details?.(terminal);
      conclude(terminal, options, job, result, sitter, report, beside, files, seconds);
    }
    return result.outcome === 'aborted' ? stopper.exitCode() : result.outcome === 'fault' ? 1 : 0;
  } catch (error) {
    // While data is loaded there is nothing yet that could be saved.
    if (error instanceof AbortedError && stopper.signal.aborted) return stopper.exitCode();
    throw error;
  } finally {
    await results?.close();
    stopper.release();
  }
}

/** Where weights are named and no model, the model that they are for. */
async function withModelOfWeights(given: GivenOptions): Promise<GivenOptions> {
  const { weights, model, data, hidden } = given;
  if (weights === undefined || model !== undefined || tableFormat(data) !== null) return given;
  const found = await presetIn(weights, hidden ?? [512, 256]);
  if (found === undefined) throw new ArgumentError(`which model the weights of ${weights} are for is not known: say it with --model <name>`);
  return { ...given, model: found };
}

/** Trains; what ends a run early is an outcome here, and what was trained until then counts. */
async function run(
  options: TrainOptions,
  { train, test, model, loss }: Job,
  optimizer: Optimizer,
  sitter: Sitter,
  runDir: string,
  signal: AbortSignal,
): Promise<Outcome> {
  const {
    epochs,
    batchSize,
    seed,
    maxGradNorm,
    precision,
    checkpointDir: dir,
    checkpointEvery: every,
    resume,
    report,
    watch,
    tensorboard,
    patience,
  } = options;
  const stopping = patience === undefined ? null : new EarlyStopping({ patience });
  try {
    const history = await model.fit(train, {
      loss,
      optimizer,
      epochs,
      batchSize,
      seed,
      maxGradNorm,
      precision,
      validation: test.length > 0 ? test : undefined,
      callbacks: stopping === null ? [sitter] : [sitter, stopping],
      signal,
      runDir,
      report,
      watch,
      tensorboard,
      ...(dir !== undefined && { checkpoint: { dir, every }, resume }),
    });
    // Nobody but the two stops a run here.
    const isEarly = stopping !== null && history.epochs.length - stopping.bestEpoch >= stopping.patience;
    const isStopped = history.stopped !== null && !isEarly;
    if (!isStopped) return { outcome: 'completed', history, fault: null };
    return { outcome: 'fault', history, fault: sitter.fault === undefined ? history.stopped : sitter.words(sitter.fault) };
  } catch (error) {
    if (error instanceof TrainingNonFiniteError) return { outcome: 'fault', history: error.history, fault: error.message };
    if (error instanceof AbortedError && 'history' in error) return { outcome: 'aborted', history: error.history as History, fault: null };
    throw error;
  }
}

/** The accuracy of another model after the same recipe, as a line; null when it was stopped. */
async function trainRival(terminal: Terminal, options: TrainOptions, job: Job, signal: AbortSignal): Promise<string | null> {
  const { epochs, batchSize, seed, maxGradNorm, precision } = options;
  const model = await job.another(options);
  const optimizer = makeOptimizer(options, model);
  const size = `${options.model}, ${formatCount(model.parameterCount())} parameters`;
  terminal.print('', `For comparison, ${size}, trained the same way:`);
  try {
    await model.fit(job.train, { loss: job.loss, optimizer, epochs, batchSize, seed, maxGradNorm, precision, signal, log: false });
  } catch (error) {
    if (error instanceof AbortedError || error instanceof TrainingNonFiniteError) return null;
    throw error;
  }
  job.finish(model);
  return `${percent((await job.judge(model)).json.accuracy as number)} by ${size}`;
}

function announce(terminal: Terminal, options: TrainOptions, { data, notes, model, weights }: Job, optimizer: Optimizer): void {
  const { version, cpu, isa, blas } = info();
  const { note } = recipeOf(options.model);
  const library = blas.available ? 'OpenBLAS and own matrix kernels' : 'own matrix kernels';
  terminal.print(
    terminal.style('bold', `nodegrad ${version}`),
    ...pairs([
      ['data', data],
      ...notes.map((text, i) => [i === 0 ? 'columns' : '', text] as const),
      ['model', `${options.model}: ${formatCount(model.parameterCount())} parameters`],
      ...(weights === undefined ? [] : [['weights', weights] as const]),
      [
        'optimizer',
        `${options.optimizer}, learning rate ${optimizer.lr}, schedule ${options.schedule}, batches of ${options.batchSize}, seed ${options.seed}`,
      ],
      ...(note === undefined ? [] : [['note', note] as const]),
      ['machine', `${cpu.brand.trim()}, ${isa}, ${getNumThreads()} threads, ${library}`],
    ]),
    '',
  );
}

interface Files {
  weights: string | null;
  checkpoints: string | null;
  log: string | null;
  report: string | null;
}

function filesOf({ checkpointDir, report = false }: TrainOptions, weights: string | null, log: string | null): Files {
  const checkpoints = checkpointDir === undefined ? null : resolve(checkpointDir);
  return { weights, checkpoints, log, report: report === false || log === null ? null : reportFile(log, report) };
}

function conclude(
  terminal: Terminal,
  options: TrainOptions,
  { example }: Job,
  { outcome, fault, history }: Outcome,
  sitter: Sitter,
  report: Report | null,
  beside: string | null,
  files: Files,
  seconds: number,
): void {
  const lines = sitter.summary().filter((line) => line !== fault);
  const isWell = fault === null && sitter.findings.length === 0 && sitter.readings.every(({ verdict }) => verdict === 'good');
  const heading = isWell ? 'The sitter found nothing wrong. It measured' : 'The sitter says';
  // A run that was stopped at once has nothing to say.
  if (lines.length > 0 || fault !== null) terminal.print('', terminal.style('bold', heading), ...lines.map((line) => `  ${line}`));
  if (fault !== null) terminal.print(`  ${terminal.style(['red', 'bold'], fault)}`);
  const saved = files.weights === null ? '' : ', what was trained is saved';
  const ends = {
    completed: history.stopped === null ? 'completed' : `completed after ${plural(history.epochs.length, 'epoch')}, ${history.stopped}`,
    aborted: `stopped after ${plural(history.epochs.length, 'epoch')}${saved}`,
    fault: 'ended by a fault, nothing is saved',
  };
  terminal.print(
    '',
    ...pairs([
      ['run', `${ends[outcome]}, ${formatDuration(seconds)}`],
      ...(report === null
        ? []
        : [['test', `${report.text}${options.patience === undefined ? '' : '; the epoch was chosen by the same data'}`] as const]),
      ...(report?.baseline === undefined ? [] : [['baseline', report.baseline.text] as const]),
      ...(report === null || isBetter(report) ? [] : [['', 'no better than the baseline: this model has learned nothing yet'] as const]),
      ...(beside === null ? [] : [['rival', beside] as const]),
      ...(files.weights === null ? [] : [['weights', shortest(files.weights)] as const]),
      ...(files.checkpoints === null
        ? []
        : [['checkpoints', `${shortest(files.checkpoints)}${outcome === 'aborted' ? ': --resume goes on from there' : ''}`] as const]),
      ['log', files.log === null ? 'none' : shortest(files.log)],
      ...(files.report === null ? [] : [['report', shortest(files.report)] as const]),
    ]),
    ...nextCommands(options, files, example),
  );
}

/** What can be done with what lies there now, as commands. */
function nextCommands(options: TrainOptions, { weights, log, report }: Files, example?: string): string[] {
  const { data, dataDir, target, test, classes, damaged } = options;
  const lines: [string, string][] = [];
  if (weights !== null) {
    // What reading the file took once it takes again.
    const reading = { encoding: options.encoding, decimal: options.decimal, 'bad-rows': options.badRows, missing: options.missing?.join(',') };
    const read = Object.entries(reading).map(([flag, value]) => (value === undefined ? '' : ` --${flag} ${shellWord(value)}`));
    const [model, where] = [shellWord(shortest(weights)), `--data ${shellWord(data)}${read.join('')}`];
    const folder = dataDir === undefined ? '' : ` --data-dir ${shellWord(dataDir)}`;
    // Other shares and classes would be other test images, of which some were trained on.
    const same = { test, classes: classes && shellWord(classes.join(',')), damaged };
    const given = Object.entries(same).map(([flag, value]) => (value === undefined ? '' : ` --${flag} ${value}`));
    const images = example === undefined ? '' : `${given.join('')} --wrong 10`;
    lines.push(['evaluate', `npx nodegrad evaluate ${model} ${where}${folder}${images}`]);
    if (example !== undefined) lines.push(['predict', `npx nodegrad predict ${model} ${shellWord(example)}`]);
    if (target !== undefined) lines.push(['predict', `npx nodegrad predict ${model} ${where} --output predictions.csv`]);
  }
  if (log !== null && report === null) lines.push(['report', `npx nodegrad report ${shellWord(shortest(dirname(log)))}`]);
  return lines.length === 0 ? [] : ['', 'Next', ...pairs(lines)];
}

function document(
  options: TrainOptions,
  { notes }: Job,
  result: Outcome,
  report: Report | null,
  sitter: Sitter,
  files: Files,
  seconds: number,
): string {
  const { outcome, fault, history } = result;
  const columns = notes.length === 0 ? {} : { columns: notes };
  return JSON.stringify({
    outcome,
    fault,
    options,
    ...columns,
    epochs: history.epochs,
    test: report?.json ?? null,
    ...(report?.baseline && { baseline: report.baseline }),
    sitter: sitter.findings,
    files,
    seconds,
  });
}

/** A path as one would type it here. */
export function shortest(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}

export function newFolder({ data, model }: Pick<TrainOptions, 'data' | 'model'>): string {
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
  return join('runs', `${stamp}-${basename(resolve(data))}-${model}-${randomBytes(2).toString('hex')}`);
}

/** Signals that end a run, with the exit code of each. */
const codes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Ctrl-C, a request to end, or the end of the terminal ends the run after the step in hand; another Ctrl-C ends the process. */
export function stopOnSignals(doing = 'finishing the step'): { signal: AbortSignal; exitCode: () => number; release: () => void } {
  const controller = new AbortController();
  let code: number = codes.SIGINT;
  let first = 0;
  const handlers = (Object.keys(codes) as (keyof typeof codes)[]).map((name) => {
    const handler = (): void => {
      if (controller.signal.aborted) {
        if (name !== 'SIGHUP' && performance.now() - first > sameWishMilliseconds) process.exit(codes[name]);
        return;
      }
      code = codes[name];
      first = performance.now();
      process.stderr.write(`\n${doing}; once more ends at once\n`);
      controller.abort(name);
    };
    process.on(name, handler);
    return () => process.off(name, handler);
  });
  return {
    signal: controller.signal,
    exitCode: () => code,
    release: () => {
      for (const release of handlers) release();
    },
  };
}

/** An error as the command line shows it: one line for what nodegrad knows, the stack for what it does not. */
export function errorText(error: unknown): string {
  if (error instanceof NodegradError) return `${inFlags(error.message)} [${error.code}]`;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
