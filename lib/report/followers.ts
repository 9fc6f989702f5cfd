// What fit adds to a run's callbacks: what its log keeps, the report at its end, the live view, event files of TensorBoard.

import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { AnyDataset } from '../data/dataset.js';
import { ArgumentError, checkFlag, expected } from '../errors.js';
import { checkPath } from '../io/atomic.js';
import { makeFolder } from '../io/folders.js';
import { keepNames } from '../names.js';
import { Callback, type CallbackLike, type TrainingRun, hears } from '../training/callbacks.js';
import type { FitOptions } from '../training/fit-options.js';
import type { History } from '../training/history.js';
import { LossRecorder, ObservationRecorder } from '../training/recorder.js';
import { defaultLogPath } from '../training/run-log.js';
import { folderRefusal } from '../training/writable.js';
import { TensorBoardLog } from './tensorboard.js';

/** What follows a run. */
export interface Followers {
  /** Called after the user's. */
  readonly callbacks: readonly CallbackLike[];
  /** After the run, however it ended: its log is closed. Whatever goes wrong here is a warning, for the run is done. */
  close(history: History): Promise<void>;
}

/** The followers that options of fit ask for; `judged` is the data that the model is examined on. */
export function followersOf(options: FitOptions, judged: AnyDataset): Followers {
  const { report = false, watch = false, tensorboard, callbacks: own } = options;
  const hasReport = report !== false;
  const isWatched = checkFlag(watch, 'options.watch');
  if (typeof report !== 'boolean') checkReportPath(report);
  if (hasReport || isWatched) checkHasLog(options, hasReport ? 'report' : 'watch');
  const live = isWatched ? new LiveView() : null;
  const isObserved =
    hasReport || isWatched || (Array.isArray(own) && own.some((one: CallbackLike | null) => one !== null && hears(one, 'onObserve')));
  return {
    callbacks: [
      new LossRecorder(),
      ...(isObserved ? [new ObservationRecorder()] : []),
      ...(tensorboard === undefined ? [] : [new TensorBoardLog(checkPath(tensorboard, 'options.tensorboard', 'the path of a folder'))]),
      ...(hasReport || isWatched ? [new Draughtsman()] : []),
      ...(hasReport ? [new Examiner(judged)] : []),
      ...(live === null ? [] : [live]),
    ],
    async close({ log }) {
      if (hasReport && log !== null) await orWarn('no report is written', async () => (await import('./report.js')).writeReport(log, report));
      await orWarn('the live view did not close', async () => live?.close());
    },
  };
}

/** Draws the layers of the model into the log. */
class Draughtsman extends Callback {
  override async onTrainBegin(run: TrainingRun): Promise<void> {
    const { pictureOf } = await import('../training/plot.js');
    const svg = await pictureOf(run.model, run.data);
    if (svg !== null) run.record({ type: 'architecture', svg });
  }
}

/** Looks at the trained model, for the report: into the log, so that the report can be made again from it. */
class Examiner extends Callback {
  constructor(readonly data: AnyDataset) {
    super();
  }

  override async onTrainEnd(run: TrainingRun): Promise<void> {
    // A model that became NaN takes nothing for anything.
    if (run.outcome === 'failed' || run.step === 0) return;
    await orWarn('the report says nothing about single examples', async () => {
      const { examine } = await import('./examine.js');
      const examination = await examine(run.model, this.data, run.loss, run.data);
      if (examination !== null) run.record({ type: 'examination', ...examination });
    });
  }
}

/** The live view of a run in this process: it reads the run's log as it would that of any other. */
class LiveView extends Callback {
  #view: { readonly url: string; close(): Promise<void> } | null = null;

  override async onTrainBegin(run: TrainingRun): Promise<void> {
    const { log } = run.history;
    if (log === null) return;
    await orWarn('there is no live view', async () => {
      const { watchRuns } = await import('./live.js');
      this.#view = await watchRuns(log);
      run.note(`live view: ${this.#view.url}`);
    });
  }

  async close(): Promise<void> {
    await this.#view?.close();
  }
}

async function orWarn(what: string, body: () => Promise<unknown>): Promise<void> {
  try {
    await body();
  } catch (error) {
    process.emitWarning(`${what}: ${(error as Error).message}`, { code: 'NODEGRAD_NO_REPORT' });
  }
}

/** A report nobody can write is refused before the run. */
function checkReportPath(path: unknown): void {
  const what = 'true, false, or the path of a file';
  const file = resolve(checkPath(path, 'options.report', what));
  try {
    makeFolder(dirname(file));
  } catch (error) {
    throw folderRefusal('a file in a folder that can be made', 'options.report', dirname(file), error);
  }
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw new ArgumentError(expected(what, 'options.report', path, 'It is a folder'));
}

function checkHasLog({ log, runDir }: FitOptions, option: string): void {
  if (log === false || (log === undefined && runDir === undefined && defaultLogPath() === null))
    throw new ArgumentError(
      `\`options.${option}\` is made from the run's log, and this run has none: leave \`options.log\` out, or give a path`,
    );
}

keepNames({ Draughtsman, Examiner, LiveView });
