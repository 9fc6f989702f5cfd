// Checkpoints of a run: when they are due, how they are written while training goes on, and how a run is taken up from the newest good one.

import { resolve } from 'node:path';
import { ArgumentError, BusyError, NodegradError, checkInteger, checkOptions, expected } from '../errors.js';
import type { ProcessGroup } from '../distributed/process-group.js';
import { checkPath } from '../io/atomic.js';
import {
  type CheckpointContent,
  type DamagedFile,
  listCheckpoints,
  pruneCheckpoints,
  readNewest,
  setAside,
  sweepFolder,
  writeCheckpoint,
} from './checkpoint-file.js';
import { CheckpointError } from './errors.js';
import { FolderLock } from './folder-lock.js';
import { folderRefusal } from './writable.js';
import { allStateFinite } from './non-finite.js';
import { FollowedCheckpoints } from './optimizer-sharding.js';
import {
  type RunDescription,
  type RunParts,
  type RunPosition,
  type RunState,
  captureRun,
  describeRun,
  differences,
  isStateful,
  restoreCallbacks,
  restoreRun,
  resumedDescription,
} from './run-state.js';
import { plural } from '../words.js';

/**
 * Where and how often `fit` writes checkpoints. Each is one file, `step-000000000500.safetensors`, with weights (`model.<path>`), the
 * optimizer's state (`optimizer.<path>.<name>`), and in its metadata its options and schedules, the positions of random generators and of the loader, sums
 * of the epoch in progress, the history, and the state of callbacks that have one. A file appears complete, and on the disk, or not at all.
 *
 * The copy is made between two steps; checksums and writing go on beside the training. A run always writes a last checkpoint where it
 * ends, also when its signal fired or a callback threw. One that cannot be written (a full disk) is a warning in `history.warnings` and in the
 * log, and the next one is tried; the third in a row, or the last one of the run, is an error. Weights alone come back with `model.load(file, { prefix: 'model.', strict: false })`.
 *
 * @example
 * ```ts
 * import { Adam, CrossEntropyLoss, datasets, mlp } from 'nodegrad';
 * const { train } = await datasets.digits();
 * const model = mlp();
 * await model.fit(train, {
 *   loss: new CrossEntropyLoss(),
 *   optimizer: new Adam(model, { lr: 1e-3 }),
 *   epochs: 20,
 *   checkpoint: { dir: 'runs/digits/checkpoints', every: 500 },
 *   resume: true, // the first time there is nothing to resume: it starts from the beginning
 * });
 * ```
 */
export interface CheckpointOptions {
  /** Folder of this run's checkpoints, made when it is missing. While the run goes on a lock keeps others out, in whatever process or host. */
  readonly dir: string;
  /** Steps from one to the next; default: one after each epoch. Needs metrics with `stateDict` and `loadStateDict`. */
  readonly every?: number;
  /** How many of the newest to keep; default 3. Another one than the newest is needed only when that is damaged. */
  readonly keep?: number;
}

/** How a run began that was to be resumed. */
export interface Resumption {
  /** Where it goes on. */
  readonly position: RunPosition;
  /** The file that it goes on from. */
  readonly path: string;
  /** Newer files that are damaged. */
  readonly damaged: readonly DamagedFile[];
}

/** The checkpoints that options ask for; null for none. */
export function checkpointsOf(
  checkpoint: unknown,
  resume: unknown,
  parts: RunParts,
  tell: Tell,
  group: ProcessGroup | undefined,
): CheckpointRounds | null {
  if (resume !== undefined && typeof resume !== 'boolean') throw new ArgumentError(expected('true or false', 'options.resume', resume));
  if (checkpoint === undefined) {
    if (resume) throw new ArgumentError('`options.resume` needs `options.checkpoint`: the folder to resume from');
    return null;
  }
  if ((parts.sharding?.group.rank ?? 0) > 0) return new FollowedCheckpoints(checkpoint, parts);
  return new Checkpoints(checkpoint, resume === true, parts, tell, group);
}

/** What a run asks of its checkpoints. */
export type CheckpointRounds = Pick<
  Checkpoints,
  'every' | 'open' | 'resumed' | 'restoreCallbacks' | 'isDue' | 'stepsUntilDue' | 'isDueAfterEpoch' | 'take' | 'finish' | 'close'
>;

/** How a run is told of its checkpoints. */
export interface Tell {
  note(text: string): void;
  /** What somebody should look at, though the run goes on. */
  warn(text: string): void;
}

/** So many in a row may fail before the run ends. */
const mostFailures = 3;
/** Before the last one of a run is tried again. */
const pauses = [300, 1000];

/** The checkpoints of one run. */
export class Checkpoints {
  /** Steps from one to the next; 0 for ends of epochs. */
  readonly every: number;
  readonly #dir: string;
  readonly #keep: number;
  #description: RunDescription = {};
  /** Of a resumed run, what its callbacks have not been given yet. */
  #resumed: CheckpointContent<RunState> | null = null;
  #writing: Promise<void> = Promise.resolve();
  #lock: FolderLock | null = null;
  /** Of the checkpoints that were tried last, one after the other. */
  #failures: CheckpointError[] = [];
  /** Where the newest one was taken that is written, or being written. */
  #latest = '';

  constructor(
    given: unknown,
    readonly resume: boolean,
    readonly parts: RunParts,
    readonly tell: Tell,
    readonly group: ProcessGroup | undefined,
  ) {
    const options = checkOptions<CheckpointOptions>(given, 'options.checkpoint', ['dir', 'every', 'keep']);
    this.#dir = resolve(checkPath(options.dir, 'options.checkpoint.dir', 'the path of a folder'));
    this.every = options.every === undefined ? 0 : checkInteger(options.every, 'options.checkpoint.every', 1);
    this.#keep = checkInteger(options.keep ?? 3, 'options.checkpoint.keep', 1);
    const mute = parts.metrics.find((metric) => !isStateful(metric));
    if (this.every > 0 && mute !== undefined) {
      throw new ArgumentError(
        `metric '${mute.name}' cannot be saved in the middle of an epoch: give it stateDict() and loadStateDict(), or leave out \`checkpoint.every\` for checkpoints at the ends of epochs`,
      );
    }
  }

  /**
   * Takes the folder, until {@link Checkpoints.close}; with `resume`, puts the run back to its newest good checkpoint, if there is one.
   *
   * @throws {ArgumentError} when the folder cannot be written, or holds checkpoints that nobody asked to resume
   * @throws {CheckpointError} when another run holds it, all are damaged, or the newest good one is of another run
   */
  async open(): Promise<Resumption | null> {
    this.#description = await describeRun(this.parts);
    const { files, found, damaged } = await this.#look();
    if (files.length > 0 && !this.resume) {
      throw new ArgumentError(
        `${this.#dir} holds checkpoints of an earlier run, up to step ${files[0].step}: go on from there with \`resume: true\`, or name another folder`,
      );
    }
    if (!this.resume) return null;
    for (const { problem } of damaged) this.tell.note(`checkpoint damaged: ${problem}`);
    if (found === null) {
      if (damaged.length > 0) throw this.#error(`none of the ${damaged.length} checkpoints in ${this.#dir} is whole: ${problems(damaged)}`);
      this.tell.note(`no checkpoint in ${this.#dir}: starting from the beginning`);
      return null;
    }
    const { path } = found;
    const content = found as CheckpointContent<RunState>;
    this.#checkFit(content.state, path);
    await attempt('a folder for checkpoints', this.#dir, () => Promise.all(damaged.map(setAside)));
    restoreRun(this.parts, content);
    const { position, run } = content.state;
    this.#description = resumedDescription(run, this.#description);
    this.#resumed = content;
    this.#latest = keyOf(this.parts, position);
    this.tell.note(`resuming from ${path}, after step ${position.step} (${plural(this.parts.history.epochs.length, 'epoch')} completed)`);
    return { position, path, damaged };
  }

  /** What a run goes on from whose callbacks have not been given their state yet. */
  get resumed(): CheckpointContent<RunState> | null {
    return this.#resumed;
  }

  /** Gives the callbacks of a resumed run their state, once. */
  restoreCallbacks(): void {
    if (this.#resumed !== null) restoreCallbacks(this.parts, this.#resumed);
    this.#resumed = null;
  }

  /** Whether {@link Checkpoints.take} is to be called after this step; also when too many have failed, which it then says. */
  isDue(step: number): boolean {
    return this.#isHopeless || (this.every > 0 && step % this.every === 0);
  }

  /** How many steps may be taken after `step` before one is due. */
  stepsUntilDue(step: number): number {
    return this.every > 0 ? this.every - (step % this.every) : Number.POSITIVE_INFINITY;
  }

  /** The same, after an epoch. */
  get isDueAfterEpoch(): boolean {
    return this.#isHopeless || this.every === 0;
  }

  get #isHopeless(): boolean {
    return this.#failures.length >= mostFailures;
  }

  /**
   * Takes a copy of the run and begins to write it; waits first for the one that is being written.
   *
   * @throws {CheckpointError} when too many in a row could not be written
   */
  async take(position: () => RunPosition): Promise<void> {
    await this.#writing;
    if (this.#isHopeless) throw this.#failures[mostFailures - 1];
    const at = position();
    // Weights that are not finite end the run in its next step; to resume from them would help nobody.
    if (!allStateFinite(this.parts.model)) return;
    const capture = (): void => {
      const content = captureRun(this.parts, at, this.#description);
      this.#latest = keyOf(this.parts, at);
      this.#writing = this.#write(content);
    };
    await (this.parts.sharding?.gathered(capture) ?? capture());
  }

  /**
   * Takes a last checkpoint where the run ends, unless there is one of this very place, or no position is given; waits until all is written.
   *
   * @throws {CheckpointError} when the last one could not be written, also at a second and a third try
   */
  async finish(position: (() => RunPosition) | null): Promise<void> {
    await this.#writing;
    const at = position?.() ?? null;
    if (at === null) return;
    const isLost = at.progress !== null && at.progress.metrics === null && this.parts.history.stopped === null;
    if (isLost && keyOf(this.parts, at) !== this.#latest) {
      this.tell.note('no last checkpoint: a metric cannot be saved in the middle of an epoch (see Metric.stateDict)');
      return;
    }
    for (const pause of [0, ...pauses]) {
      if (keyOf(this.parts, at) === this.#latest) return;
      await new Promise((resolve) => setTimeout(resolve, pause));
      this.#failures = [];
      await this.take(() => at);
      await this.#writing;
    }
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  /** Lets the folder go. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#lock?.release();
    this.#lock = null;
  }

  /** Writes, and remembers what became of it: never rejects. */
  async #write(content: CheckpointContent): Promise<void> {
    const key = this.#latest;
    try {
      await this.#hold();
      await writeCheckpoint(this.#dir, content);
      this.#failures = [];
      void this.group?.hasCheckpoint();
    } catch (error) {
      const message = `the checkpoint of step ${content.step} could not be written: ${(error as Error).message}`;
      this.#failures.push(this.#error(message, error));
      // Who has lost the folder must not write there any more.
      if (error instanceof BusyError) while (!this.#isHopeless) this.#failures.push(this.#failures[0]);
      else this.tell.warn(message);
      if (this.#latest === key) this.#latest = '';
      return;
    }
    await pruneCheckpoints(this.#dir, content.step, this.#keep).catch((error: Error) =>
      this.tell.warn(`checkpoints that are not needed any more could not be removed: ${error.message}`),
    );
  }

  /** The folder must still be this run's: it may have been silent for minutes, or the lock was taken away with the folder. */
  async #hold(): Promise<void> {
    if ((await this.#lock?.isHeld()) === true) return;
    await this.#lock?.release();
    this.#lock = await FolderLock.take(this.#dir);
  }

  async #look() {
    try {
      this.#lock = await FolderLock.take(this.#dir);
    } catch (error) {
      if (error instanceof BusyError) throw this.#error(error.message, error);
      throw folderRefusal('a folder for checkpoints that can be written', 'options.checkpoint.dir', this.#dir, error);
    }
    return attempt('a folder for checkpoints', this.#dir, async () => {
      await sweepFolder(this.#dir);
      const files = await listCheckpoints(this.#dir);
      return { files, ...(await readNewest(this.resume ? files : [])) };
    });
  }

  #checkFit(state: RunState, path: string): void {
    const list = differences(state, this.#description);
    if (list.length > 0) {
      const more = list.length > 4 ? `; and ${list.length - 4} more` : '';
      throw this.#error(`${path} is a checkpoint of another run: ${list.slice(0, 4).join('; ')}${more}`);
    }
    const { epochs } = this.parts;
    const begun = state.epochs.length + (state.position.progress === null ? 0 : 1);
    if (state.stopped === null && begun > epochs) {
      throw this.#error(`${path} stands in epoch ${begun}: \`options.epochs\` is ${epochs}, and what was trained cannot be taken back`);
    }
  }

  #error(message: string, cause?: unknown): CheckpointError {
    return new CheckpointError(message, this.parts.history, cause === undefined ? undefined : { cause });
  }
}

const problems = (damaged: readonly DamagedFile[]): string => damaged.map(({ problem }) => problem).join('; ');

/** Two positions with the same key have the same checkpoint. */
function keyOf({ history }: RunParts, { step, progress }: RunPosition): string {
  return [step, history.epochs.length, progress === null, history.stopped].join('/');
}

/** What the system refuses becomes an error that names the folder. */
async function attempt<R>(what: string, dir: string, body: () => Promise<R>): Promise<R> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof NodegradError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ArgumentError(expected(what, 'options.checkpoint.dir', dir, `The system says ${code ?? message}`), { cause: error });
  }
}
