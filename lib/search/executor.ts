// Where trials run: in this thread one after the other, or in worker threads side by side.

import { pathToFileURL } from 'node:url';
import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { ArgumentError, checkInteger, checkOptions, expected } from '../errors.js';
import { isUrl } from '../foreign.js';
import { packageFile } from '../installation.js';
import { checkPath } from '../io/atomic.js';
import type { Plain } from './space.js';
import { shareData } from './shared-data.js';
import { Trial, reasonOf, runTrial } from './trial.js';
import type { TrialEnd, TrialRecord, TrialReport } from './trial-record.js';

/** An objective for worker threads: a module that exports it. */
export interface ModuleObjective {
  /** URL or path of the module, such as `new URL('./objective.js', import.meta.url)`. */
  readonly module: string | URL;
  /** What it is exported as; default `'default'`. */
  readonly export?: string;
  /** Megabytes of JavaScript heap that each thread may take; default: as Node.js has it. Tensors lie outside of it. */
  readonly heapSize?: number;
}

/** What surrounds a trial. */
export interface Surroundings {
  readonly dir: string | null;
  readonly signal: AbortSignal;
  readonly say: (report: TrialReport) => void;
}

/** Runs trials. */
export interface Executor {
  /** Runs one to its end. Never throws: whatever happens is how the trial ended. */
  run(record: TrialRecord, surroundings: Surroundings): Promise<TrialEnd>;
  close(): Promise<void>;
}

/** Runs trials in this thread. */
export class LocalExecutor implements Executor {
  readonly #parts: { objective: (params: never, trial: Trial) => unknown; data: unknown; settings: Plain };

  constructor(objective: (params: never, trial: Trial) => unknown, data: unknown, settings: Plain) {
    this.#parts = { objective, data, settings };
  }

  run(record: TrialRecord, surroundings: Surroundings): Promise<TrialEnd> {
    const { objective, data, settings } = this.#parts;
    return runTrial(objective, record.params, new Trial(record, { data, settings, ...surroundings }));
  }

  async close(): Promise<void> {}
}

/** A message from a worker. */
export type WorkerAnswer =
  | { readonly type: 'ready' }
  | { readonly type: 'refused'; readonly reason: string }
  | { readonly type: 'report'; readonly report: TrialReport }
  | { readonly type: 'end'; readonly end: TrialEnd };

/** How long a trial in a thread may take to end when it is asked to. */
const graceMilliseconds = 5000;

/** Runs trials in worker threads, each on its own, on data that all share. A thread that dies is replaced. */
export class ThreadExecutor implements Executor {
  readonly #workerData: Readonly<Record<string, unknown>>;
  readonly #idle: Worker[] = [];
  /** Those that have run a trial. */
  readonly #used = new WeakSet<Worker>();

  readonly #heapSize: number | undefined;

  private constructor(workerData: Readonly<Record<string, unknown>>, heapSize: number | undefined) {
    this.#workerData = workerData;
    this.#heapSize = heapSize;
  }

  /**
   * Starts the threads.
   *
   * @throws {ArgumentError} when the module cannot be loaded, or exports no such function: before any trial
   */
  static async start(objective: ModuleObjective, threads: number, data: unknown, settings: Plain): Promise<ThreadExecutor> {
    const known = ['module', 'export', 'heapSize'];
    const { module, export: name = 'default', heapSize } = checkOptions<ModuleObjective>(objective, 'objective', known);
    if (heapSize !== undefined) checkInteger(heapSize, 'objective.heapSize', 16, 1 << 20);
    const url = isUrl(module)
      ? module.href
      : /^[a-z]+:\/\//.test(checkPath(module, 'objective.module'))
        ? module
        : pathToFileURL(resolve(module)).href;
    if (typeof name !== 'string') throw new ArgumentError(expected('the name of an export', 'objective.export', name));
    const executor = new ThreadExecutor({ module: url, name, data: shareData(data), settings }, heapSize);
    // All of them, also where the first refuses: none may be left behind.
    const started = await Promise.allSettled(Array.from({ length: threads }, () => executor.#start()));
    for (const one of started) if (one.status === 'fulfilled') executor.#idle.push(one.value);
    const refused = started.find((one) => one.status === 'rejected');
    if (refused === undefined) return executor;
    await executor.close();
    throw refused.reason;
  }

  #start(): Promise<Worker> {
    const worker = new Worker(packageFile('dist/lib/search/worker.js'), {
      workerData: this.#workerData,
      ...(this.#heapSize && { resourceLimits: { maxOldGenerationSizeMb: this.#heapSize } }),
    });
    return new Promise((done, refuse) => {
      const settle = (error?: Error): void => {
        this.#rest(worker);
        if (error === undefined) done(worker);
        else {
          void worker.terminate();
          refuse(error);
        }
      };
      worker.on('message', (answer: WorkerAnswer) => {
        if (answer.type === 'ready') settle();
        else if (answer.type === 'refused') settle(new ArgumentError(answer.reason));
      });
      worker.on('error', (error) =>
        settle(new ArgumentError(`the module of the objective cannot be loaded: ${reasonOf(error)}`, { cause: error })),
      );
      worker.on('exit', (code) =>
        settle(new ArgumentError(`the module of the objective ended its thread with code ${code} while it was loaded`)),
      );
    });
  }

  async run(record: TrialRecord, surroundings: Surroundings): Promise<TrialEnd> {
    const { signal, say } = surroundings;
    let told = 0;
    for (;;) {
      let worker: Worker;
      try {
        worker = this.#idle.pop() ?? (await this.#start());
      } catch (error) {
        return { state: 'failed', score: null, reason: reasonOf(error) };
      }
      const wasUsed = this.#used.has(worker);
      this.#used.add(worker);
      // What is told a second time is the same.
      let count = 0;
      const { end, isDead } = await this.#runIn(worker, record, {
        ...surroundings,
        say: (report) => {
          count += 1;
          if (count <= told) return;
          told = count;
          say(report);
        },
      });
      // What an earlier trial left behind in this thread may have thrown: only a trial that dies in a thread of its own has died of itself.
      if (!isDead || !wasUsed || signal.aborted) return end;
    }
  }

  async #runIn(worker: Worker, record: TrialRecord, { dir, signal, say }: Surroundings): Promise<{ end: TrialEnd; isDead: boolean }> {
    const { promise, settle } = deferred<{ end: TrialEnd; isDead: boolean }>();
    const failed = (reason: string): void => {
      void worker.terminate();
      settle({ end: { state: 'failed', score: null, reason }, isDead: true });
    };
    let grace: NodeJS.Timeout | undefined;
    const stop = (): void => {
      worker.postMessage({ type: 'stop' });
      grace = setTimeout(() => failed('the search was stopped, and the trial did not end'), graceMilliseconds);
    };
    worker.on('message', (answer: WorkerAnswer) => {
      if (answer.type === 'report') say(answer.report);
      else if (answer.type === 'end') {
        this.#idle.push(worker);
        settle({ end: answer.end, isDead: false });
      }
    });
    worker.on('error', (error) => failed(reasonOf(error)));
    worker.on('exit', (code) => failed(`the thread of the trial ended with code ${code}`));
    worker.postMessage({ type: 'run', record, dir });
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
    const end = await promise;
    signal.removeEventListener('abort', stop);
    clearTimeout(grace);
    this.#rest(worker);
    return end;
  }

  /** Nobody waits for this worker now; should it end, it is idle no more. */
  #rest(worker: Worker): void {
    for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
    worker.on('error', () => {});
    worker.once('exit', () => {
      const at = this.#idle.indexOf(worker);
      if (at >= 0) this.#idle.splice(at, 1);
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((worker) => worker.terminate()));
  }
}

/** A promise and what settles it; the first time counts. */
export function deferred<T>(): { promise: Promise<T>; settle: (value: T) => void } {
  let settle: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    settle = done;
  });
  return { promise, settle };
}
