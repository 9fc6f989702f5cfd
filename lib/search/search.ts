// The search itself: asks the strategy for trials, runs them, keeps what came of them, and goes on where it was stopped.

import { randomBytes } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { processEnvironment } from '../distributed/environment.js';
import { ArgumentError, checkChoice, checkFlag, checkInteger, checkNumber, checkOptions, expected } from '../errors.js';
import { isAbortSignal, isPlainObject } from '../foreign.js';
import { checkPath } from '../io/atomic.js';
import { deriveSeed, getSeed } from '../seed.js';
import { type ProgressOption, milliseconds } from '../training/progress.js';
import { defaultLogPath } from '../training/run-log.js';
import { type Executor, LocalExecutor, type ModuleObjective, ThreadExecutor, deferred } from './executor.js';
import { LogStore, logVersion } from './log.js';
import { PostgresStore } from './postgres.js';
import { SearchProgress } from './progress.js';
import { type ParamsOf, type Plain, type Space, checkSpace } from './space.js';
import { SharedStore } from './shared-store.js';
import { MemoryStore, type Propose, type Store, type StudyHeader } from './store.js';
import { RandomSearch, Strategy } from './strategy.js';
import { SearchAbortedError, Study } from './study.js';
import type { Trial } from './trial.js';
import type { Direction, TrialRecord } from './trial-record.js';

/** Options of {@link search}. */
export interface SearchOptions<D = unknown> {
  /** Which trials there are; default `new RandomSearch()`. */
  readonly strategy?: Strategy;
  /** How many trials at most; needed where the strategy has no end of its own. A study that goes on may have more than before. */
  readonly trials?: number;
  /** Which way a score is better; default `'minimize'`, as for losses. */
  readonly direction?: Direction;
  /** With its number, decides everything random of a trial; default: the seed of `setSeed`. */
  readonly seed?: number;
  /** Trials that run at once, each in a worker thread of its own; default 1. The objective must then be a {@link ModuleObjective}. */
  readonly parallel?: number;
  /** Data sets by name, as `trial.data`; threads share their memory. Any value where the objective is a function. */
  readonly data?: D;
  /** Plain data that all trials get as `trial.settings`; the log keeps it, and a study goes on with the same only. Default null. */
  readonly settings?: Plain;
  /** What reports call the study; with a database, which study it is. Default: the name of the folder. */
  readonly name?: string;
  /** Folder of the study: its log, and a folder for the checkpoints of each configuration. Default: a new one in `runs/`. */
  readonly runDir?: string;
  /** Whether to keep a log; default true. */
  readonly log?: boolean;
  /** Goes on with the study in `runDir`, or begins it where there is none; default false: a folder that holds one is refused. */
  readonly resume?: boolean;
  /** Keeps the study in PostgreSQL instead, for several machines: `postgres://user@host/database`. Needs the package `pg`, and `name`. */
  readonly database?: string;
  /**
   * Shares the study with the other processes that `nodegrad launch`, Slurm, Kubernetes or torchrun started, which all call this alike: each of them runs
   * trials, and that of rank 0 keeps the log. A process that was started alone runs them all. Default false.
   */
  readonly shared?: boolean;
  /** Seconds after which a trial of a process that gave no sign of life is taken again, where several share a study; default 60. */
  readonly heartbeat?: number;
  /** How often a trial is begun whose process died, before it counts as failed; default 3. */
  readonly attempts?: number;
  /** Ends the search: trials that run are asked to end and are not kept; throws a {@link SearchAbortedError}. */
  readonly signal?: AbortSignal;
  /** A line on standard error for each trial that ends; a stream to write to, or false. Default `'auto'`. */
  readonly progress?: ProgressOption;
}

const names: readonly (keyof SearchOptions)[] = [
  'strategy',
  'trials',
  'direction',
  'seed',
  'parallel',
  'data',
  'settings',
  'name',
  'runDir',
  'log',
  'resume',
  'database',
  'shared',
  'heartbeat',
  'attempts',
  'signal',
  'progress',
];

/** What a search tries: trains with these parameters and gives one number, such as a validation loss (course row K15). */
export type Objective<S extends Space, D = unknown> = (params: ParamsOf<S>, trial: Trial<D>) => number | Promise<number>;

/** How often to look whether other machines have ended a trial. */
const pollMilliseconds = 500;

/**
 * Searches for the parameters with the best score. Each trial's numbers come from (seed, trial number): which parameters it gets, and the seed that is in
 * force while it runs. A trial that throws, that gives no number or whose thread dies is recorded as failed with its reason, and the
 * search goes on. Everything is in an append-only log before the next thing happens, so that a search that was killed goes on with
 * `resume` to the same trials: with every strategy when one trial runs at a time; with several, with all but {@link TpeSearch} and {@link Asha}, which
 * learn from the trials that happened to end first.
 *
 * @param space - A dimension for each parameter, made by the functions of `space`.
 * @param objective - A function of parameters and {@link Trial}; for worker threads, the module that exports it.
 * @throws {ArgumentError} for anything wrong with space, objective or options, before the first trial; {SearchAbortedError} after an abort;
 *   {MissingPackageError} for a database without the package `pg`.
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, datasets, mlp, search, space, split } from 'nodegrad';
 * const digits = await datasets.digits();
 * const [train, validation] = split(digits.train, [0.9, 0.1]);
 * const study = await search(
 *   { lr: space.logUniform(1e-5, 1e-1), hidden: space.choice([[64], [128, 64]]) },
 *   async ({ lr, hidden }, trial) => {
 *     const model = mlp({ hidden });
 *     const optimizer = new Adam(model, { lr });
 *     const loss = new CrossEntropyLoss();
 *     const history = await model.fit(train, { loss, optimizer, validation, epochs: 2, callbacks: [trial.watch()], progress: false, log: false });
 *     return history.last?.validation?.loss ?? Number.NaN;
 *   },
 *   { trials: 20 },
 * );
 * console.log(study.best?.params.lr, study.warnings());
 * ```
 */
export async function search<const S extends Space, D = unknown>(
  space: S,
  objective: Objective<S, D> | ModuleObjective,
  options: SearchOptions<D> = {},
): Promise<Study<ParamsOf<S>>> {
  const given = checkSearch(space, objective, options);
  const { header, signal, parallel } = given;
  const { store, runDir } = await openStore(given);
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  let executor: Executor | null = null;
  try {
    executor =
      typeof objective === 'function'
        ? new LocalExecutor(objective as never, given.data, given.settings)
        : await ThreadExecutor.start(objective, parallel, given.data, given.settings);
    await runTrials({ ...given, runDir }, store, executor, stop);
    const study = new Study<ParamsOf<S>>(JSON.parse(JSON.stringify(header)), await store.trials(), store.path ?? null);
    if (!signal?.aborted) return study;
    const wayOn = runDir === null ? '' : ': `options.resume` goes on with it';
    throw new SearchAbortedError(
      `the search was stopped after ${study.trials.filter(({ state }) => state !== 'running').length} trials${wayOn}`,
      study as never,
    );
  } finally {
    signal?.removeEventListener('abort', abort);
    await executor?.close();
    await store.close();
  }
}

/** The options, checked and completed. */
type Given = ReturnType<typeof checkSearch>;

function checkSearch(space: unknown, objective: unknown, given: unknown) {
  const checked = checkSpace(space);
  const options = checkOptions<SearchOptions>(given, 'options', names, ['settings', 'data']);
  const { strategy = new RandomSearch(), direction = 'minimize', seed = getSeed(), parallel = 1, settings = null, heartbeat = 60 } = options;
  const { attempts = 3, resume = false, log = true, shared = false, data, database, signal, progress, name, runDir } = options;
  if (!(strategy instanceof Strategy))
    throw new ArgumentError(expected('a strategy, such as new RandomSearch(),', 'options.strategy', strategy));
  strategy.check(checked);
  const most = strategy.trialsIn(checked);
  if (options.trials === undefined && most === null)
    throw new ArgumentError(expected('how many trials, since this strategy has no end of its own,', 'options.trials', undefined));
  const trials = Math.min(checkInteger(options.trials ?? most, 'options.trials', 1), most ?? Number.POSITIVE_INFINITY);
  checkChoice(direction, 'options.direction', ['minimize', 'maximize']);
  checkInteger(seed, 'options.seed');
  checkInteger(parallel, 'options.parallel', 1, 256);
  checkInteger(attempts, 'options.attempts', 1);
  checkNumber(heartbeat, 'options.heartbeat', 0.1, 86_400);
  for (const [option, value] of Object.entries({ resume, log, shared })) checkFlag(value, `options.${option}`);
  if (typeof objective !== 'function' && !isPlainObject(objective))
    throw new ArgumentError(expected('a function, or { module } with the module that exports one,', 'objective', objective));
  if (typeof objective === 'function' && parallel > 1)
    throw new ArgumentError(
      `several trials at once run in threads, which load the objective themselves: give \`objective\` as { module: new URL('./objective.js', import.meta.url) }`,
    );
  if (signal !== undefined && !isAbortSignal(signal)) throw new ArgumentError(expected('an AbortSignal', 'options.signal', signal));
  if (name !== undefined && (typeof name !== 'string' || name === '')) throw new ArgumentError(expected('a name', 'options.name', name));
  if (database !== undefined && name === undefined)
    throw new ArgumentError(expected('the name of the study in the database', 'options.name', name));
  if (database !== undefined && shared)
    throw new ArgumentError('a study in a database is shared by it: leave out `options.shared` or `options.database`');
  if (!log && resume) throw new ArgumentError('a study without a log cannot go on: leave out `options.log` or `options.resume`');
  const automatic = defaultLogPath();
  const folder =
    runDir !== undefined ? checkPath(runDir, 'options.runDir', 'the path of a folder') : automatic === null ? null : newFolder(automatic);
  const dir = log ? folder : null;
  const header = JSON.parse(
    JSON.stringify({
      name: name ?? (dir === null ? 'search' : basename(dir)),
      version: logVersion,
      space: checked,
      direction,
      seed,
      strategy,
      settings,
    } satisfies Record<keyof StudyHeader, unknown>),
  ) as StudyHeader;
  const all = { space: checked, header, strategy, trials, direction, seed, parallel, data, settings, database, heartbeat, attempts };
  return { ...all, shared, resume, runDir: database !== undefined && runDir === undefined ? null : dir, signal, progress };
}

/** A new folder beside the logs of runs. */
const newFolder = (path: string): string => join(dirname(path), `search-${basename(path, '.jsonl')}-${randomBytes(1).toString('hex')}`);

async function openStore({
  database,
  shared,
  header,
  heartbeat,
  attempts,
  runDir,
  resume,
}: Given): Promise<{ store: Store; runDir: string | null }> {
  if (database !== undefined) return { store: await PostgresStore.open(database, header, { heartbeat, attempts }), runDir };
  const local = async (): Promise<MemoryStore> =>
    runDir === null ? new MemoryStore(attempts) : LogStore.open(runDir, header, resume, attempts);
  const environment = shared ? processEnvironment() : null;
  if (environment === null || environment.worldSize === 1) return { store: await local(), runDir };
  const store = await SharedStore.open(environment, { header, runDir, heartbeat, attempts, local });
  return { store, runDir: store.runDir };
}

/** Runs trials until there are no more, as many at once as are asked for. */
async function runTrials(given: Given, store: Store, executor: Executor, stop: AbortController): Promise<void> {
  const { space, strategy, seed, direction, trials: limit, parallel, progress, runDir } = given;
  const shown = new SearchProgress(progress, space, direction, limit);
  shown.resumed(await store.trials());
  const propose: Propose = (trials) => {
    if (trials.length >= limit) return 'done';
    const proposal = strategy.next({ space, seed, direction, number: trials.length, trials });
    return typeof proposal === 'string' ? proposal : { ...proposal, seed: deriveSeed(seed, 'trial', proposal.config) };
  };
  let change = deferred<void>();
  const one = async (record: TrialRecord): Promise<void> => {
    const own = new AbortController();
    const abort = (): void => own.abort();
    stop.signal.addEventListener('abort', abort);
    if (stop.signal.aborted) abort();
    store.onLost?.(record, abort);
    const began = milliseconds();
    let saved: Promise<unknown> = Promise.resolve();
    const dir = runDir === null ? null : join(runDir, `config-${String(record.config).padStart(6, '0')}`);
    const end = await executor.run(record, {
      dir,
      signal: own.signal,
      // In their order, and all of them before the end.
      say: (report) => {
        saved = saved.then(async () => {
          if (!(await store.report(record, report))) own.abort();
        });
        saved.catch(() => own.abort());
      },
    });
    stop.signal.removeEventListener('abort', abort);
    await saved;
    if (stop.signal.aborted) return store.release(record);
    if (await store.finish(record, end)) shown.ended(record, end, (milliseconds() - began) / 1000);
  };
  const slot = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const taken = await store.take(propose);
      if (taken === 'done') return;
      if (taken === 'wait') {
        await Promise.race([change.promise, pause(pollMilliseconds, stop.signal)]);
        continue;
      }
      await one(taken);
      change.settle();
      change = deferred();
    }
  };
  const slots = Array.from({ length: parallel }, () =>
    slot().catch((error: unknown) => {
      // What cannot be kept is not worth computing: a full disk, a database that is gone.
      stop.abort();
      throw error;
    }),
  );
  const ends = await Promise.allSettled(slots);
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
}

function pause(duration: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(end, duration);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      done();
    }
    signal.addEventListener('abort', end);
  });
}
