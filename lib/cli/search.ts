// `nodegrad search`: trials of `train` over ranges of its options, a table while they run, and a report at the end.

import { join, resolve } from 'node:path';
import { processEnvironment } from '../distributed/environment.js';
import { AbortedError, ArgumentError } from '../errors.js';
import { packageFile } from '../installation.js';
import { writeFileAtomic } from '../io/atomic.js';
import { CrossEntropyLoss } from '../losses/cross-entropy.js';
import { setNumThreads } from '../runtime.js';
import { formatValue } from '../search/edges.js';
import { searchReport } from '../search/report.js';
import { search } from '../search/search.js';
import type { Plain } from '../search/space.js';
import { SearchAbortedError, type Study } from '../search/study.js';
import { formatDuration, formatScore } from '../training/progress.js';
import { finishUnwatched } from './output.js';
import { readSearchConfig, optionsOf, wordOf } from './search-config.js';
import { type SearchSettings, keepPrepared, objective, prepare, trialOptions } from './search-objective.js';
import { Terminal, pairs } from './terminal.js';
import { newFolder, shortest, stopOnSignals } from './train.js';
import { plural } from '../words.js';

/** What `search` is told. */
export interface SearchCommandOptions {
  runDir?: string;
  resume?: boolean;
  trials?: number;
  parallel?: number;
  json: boolean;
}

/**
 * Runs the search of a file and gives the exit code: 0, 1 when no trial completed, that of the signal when it was stopped. Launched processes share one search, about which that of
 * rank 0 tells.
 */
export async function searchCommand(path: string, given: SearchCommandOptions): Promise<number> {
  if (given.resume && given.runDir === undefined) throw new ArgumentError('--resume needs --run-dir, the folder of the search to go on with');
  const config = await readSearchConfig(path);
  const { rank, worldSize } = processEnvironment() ?? { rank: 0, worldSize: 1 };
  const terminal = new Terminal();
  const stopper = stopOnSignals('ending the trials in hand');
  finishUnwatched();
  const began = performance.now();
  try {
    const { words, seed, validation } = config;
    const fixed = optionsOf(words);
    if (fixed.numThreads !== undefined) setNumThreads(fixed.numThreads);
    const data = await prepare({ words, seed, validation }, stopper.signal);
    const score = config.score ?? (data.loss instanceof CrossEntropyLoss ? 'accuracy' : 'loss');
    const settings: SearchSettings = { words, seed, validation, score };
    // One of each kind is made before the first trial: a model that does not fit the data is no matter of luck.
    await data.another(
      trialOptions(settings, Object.fromEntries(Object.entries(config.space).map(([name, { inner }]) => [name, inner.at(0)])), null),
    );
    const parallel = given.parallel ?? config.parallel;
    const runDir = given.runDir ?? newFolder({ ...fixed, model: 'search' });
    const trials = given.trials ?? config.trials;
    if (!given.json && rank === 0)
      terminal.print(
        terminal.style('bold', `Searching for the best ${score}`),
        ...pairs([
          ['data', data.about],
          ...Object.entries(config.space).map(([name, { inner, condition }], i): [string, string] => [
            i === 0 ? 'ranges' : '',
            `${name}: ${rangeText(inner.toJSON())}${condition ? `, where ${condition.parameter} is ${condition.values.map(formatValue).join(' or ')}` : ''}`,
          ]),
          [
            'trials',
            `${trials ?? config.strategy.trialsIn(config.space)} by ${config.strategy.constructor.name}, seed ${seed}${worldSize > 1 ? `, shared by ${worldSize} processes` : ''}`,
          ],
          ['folder', shortest(runDir)],
        ]),
        '',
      );
    keepPrepared(data);
    const options = {
      strategy: config.strategy,
      trials,
      seed,
      direction: score === 'accuracy' ? ('maximize' as const) : ('minimize' as const),
      settings: settings as unknown as Plain,
      runDir,
      resume: given.resume,
      shared: worldSize > 1,
      signal: stopper.signal,
    };
    const module = packageFile('dist/lib/cli/search-objective.js');
    const study = await (parallel === 1
      ? search(config.space, objective as never, options)
      : search(config.space, { module, export: 'objective' }, { ...options, parallel })
    ).catch((error: unknown) => {
      if (error instanceof SearchAbortedError) return error.study;
      throw error;
    });
    const code = stopper.signal.aborted ? stopper.exitCode() : study.best === null ? 1 : 0;
    if (rank > 0) return code;
    const files = await writeReports(study, runDir);
    if (given.json) terminal.print(JSON.stringify({ ...study.toJSON(), files }, null, 2));
    else conclude(terminal, study, files, words, (performance.now() - began) / 1000, stopper.signal.aborted);
    return code;
  } catch (error) {
    // While data are loaded there is nothing yet that could be kept.
    if (error instanceof AbortedError && stopper.signal.aborted) return stopper.exitCode();
    throw error;
  } finally {
    stopper.release();
  }
}

const rangeText = ({ kind, low, high, values }: { kind: string; low?: number; high?: number; values?: readonly unknown[] }): string =>
  values === undefined
    ? `${formatValue(low)} to ${formatValue(high)}${kind.startsWith('log') ? ', logarithmic' : ''}`
    : values.map(formatValue).join(' | ');

interface Files {
  readonly report: string;
  readonly json: string;
  readonly log: string | null;
}

async function writeReports(study: Study, runDir: string): Promise<Files> {
  const files = { report: resolve(join(runDir, 'report.html')), json: resolve(join(runDir, 'report.json')), log: study.log };
  await writeFileAtomic(files.report, [Buffer.from(searchReport(study))]);
  await writeFileAtomic(files.json, [Buffer.from(JSON.stringify(study, null, 2))]);
  return files;
}

function conclude(terminal: Terminal, study: Study, files: Files, words: readonly string[], seconds: number, isStopped: boolean): void {
  const { best, trials } = study;
  const count = (state: string): number => trials.filter((trial) => trial.state === state).length;
  const others = (['stopped', 'failed'] as const).filter((state) => count(state) > 0).map((state) => `, ${count(state)} ${state}`);
  const importance = study.importance().filter(({ importance: share }) => share >= 0.005);
  terminal.print(
    '',
    ...pairs([
      [
        'search',
        `${isStopped ? 'stopped' : 'completed'}, ${formatDuration(seconds)}: ${plural(count('completed'), 'trial')}${others.join('')}`,
      ],
      ...(best === null
        ? [['best', 'none: no trial completed'] as const]
        : [
            ['best', `${formatScore(best.score)} by trial ${best.number}`] as const,
            ['again', commandOf(words, best.params, best.budget)] as const,
          ]),
      ...(importance.length === 0
        ? []
        : [['decides', importance.map(({ parameter, importance: share }) => `${parameter} ${Math.round(100 * share)} %`).join(', ')] as const]),
      ...study.warnings().map(({ text }, i) => [i === 0 ? 'warning' : '', text] as const),
      ['report', shortest(files.report)],
      ['log', `${shortest(files.log ?? '')}${isStopped ? ': --resume with --run-dir goes on from there' : ''}`],
    ]),
  );
}

/** The command that trains with the best parameters. */
function commandOf(words: readonly string[], params: Readonly<Record<string, unknown>>, budget: number | null): string {
  const own = Object.entries(params).map(([name, value]) => wordOf(name, value));
  const epochs = budget === null ? [] : [`--epochs=${budget}`];
  return ['nodegrad train', ...words, ...own, ...epochs].map((word) => (/^[\w=.,:/ -]+$/.test(word) ? word : `'${word}'`)).join(' ');
}
