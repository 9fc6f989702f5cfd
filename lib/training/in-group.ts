// A run in a process group: all begin where the process of rank 0 stands, that one alone writes and shows, and all end together.

import { setTimeout as pause } from 'node:timers/promises';
import { GroupError } from '../distributed/errors.js';
import { groupErrorOf } from '../distributed/group-errors.js';
import { ProcessGroup } from '../distributed/process-group.js';
import { ArgumentError, expected } from '../errors.js';
import type { AnyTensor } from '../tensor.js';
import type { CheckpointContent } from './checkpoint-file.js';
import type { Callbacks } from './callbacks.js';
import type { CheckpointRounds } from './checkpoint.js';
import type { FitOptions } from './fit-options.js';
import type { History } from './history.js';
import {
  type RunParts,
  type RunPosition,
  type RunState,
  captureRun,
  describeRun,
  differences,
  restoreCallbacks,
  restoreRun,
} from './run-state.js';
import { hear, tell } from './shared-trees.js';

/** The options of this process: only rank 0 writes files, shows progress and is watched. */
export function optionsInGroup(options: FitOptions): FitOptions {
  const { group } = options;
  if (group === undefined && ProcessGroup.isOpen)
    process.emitWarning('this process has a ProcessGroup open, and fit() was not given it: it trains alone. Pass `group`', {
      code: 'NODEGRAD_GROUP',
    });
  if (group === undefined) return options;
  if (typeof group !== 'object' || group === null || typeof group.channel !== 'object')
    throw new ArgumentError(expected('a ProcessGroup', 'options.group', group));
  if (group.size > 1 && options.sitter === 'fix')
    throw new ArgumentError("`options.sitter: 'fix'` changes the run by what one process sees: with a group it can only watch. Leave it out");
  if (group.rank === 0) return options;
  const { runDir, checkpoint, resume, report, watch, tensorboard, ...rest } = options;
  // Where process 0 writes a checkpoint, the others of a shared state give it theirs.
  return { ...rest, ...(options.shardOptimizer && checkpoint && { checkpoint }), progress: false, log: false, sitter: false };
}

/** What the processes of a run agree upon before its first step. */
export interface Meeting {
  /** Where the run goes on in this process; null where it stands there already. */
  readonly position: RunPosition | null;
  /** Gives callbacks the state that they have in the process of rank 0. */
  restoreCallbacks(): void;
}

/**
 * Puts all processes where the process of rank 0 stands, whose run goes on from a checkpoint or begins at `position`.
 *
 * @throws {ArgumentError} when this process was called with something else than rank 0.
 */
export async function meet(
  group: ProcessGroup | undefined,
  parts: RunParts,
  checkpoints: CheckpointRounds | null,
  { wantsBatches }: Callbacks,
  position: () => RunPosition,
): Promise<Meeting> {
  const stays: Meeting = { position: null, restoreCallbacks() {} };
  if (group === undefined || group.size === 1) return stays;
  const description = await describeRun(parts);
  await group.barrier(); // what follows holds up this thread, and all are there
  const sharding = parts.sharding
    ? `there, with ${checkpointsText(checkpoints)}, observed every ${parts.sharding.observeEvery} steps`
    : 'not there';
  if (group.rank === 0) {
    const { state, tensors } = checkpoints?.resumed ?? captureRun(parts, position(), description);
    const sent = [...tensors].filter(([name]) => !parts.sharding || !name.startsWith('optimizer.')); // the rest is shared out
    tell(group, { keepsPredictions: wantsBatches, sharding, state, tensors: sent } satisfies Told);
    parts.sharding?.begin();
    return stays;
  }
  const { keepsPredictions: areKept, sharding: wanted, state, tensors } = hear<Told>(group, 0);
  const content: CheckpointContent<RunState> = { step: state.position.step, tensors: new Map(tensors), state };
  const list = differences(content.state, description);
  const isThere = (is: boolean): string => (is ? 'there' : 'not there');
  if (areKept !== wantsBatches) list.push(`a callback with onBatchEnd was ${isThere(areKept)}, is ${isThere(wantsBatches)}`);
  if (wanted !== sharding) list.push(`shardOptimizer was ${wanted}, is ${sharding}`);
  const [validates, validatesHere] = [content.state.run, description].map(({ validation }) => Object.keys(validation as object).length > 0);
  if (validates !== validatesHere) list.push(`validation was ${isThere(validates)}, is ${isThere(validatesHere)}`);
  if (list.length > 0)
    throw new ArgumentError(
      `all processes of a group call fit() alike, and process ${group.rank} differs from process 0: ${list.slice(0, 4).join('; ')}`,
    );
  parts.sharding?.expect();
  restoreRun(parts, content);
  parts.sharding?.begin();
  return { position: content.state.position, restoreCallbacks: () => restoreCallbacks(parts, content) };
}

const checkpointsText = (checkpoints: CheckpointRounds | null): string => {
  if (checkpoints === null) return 'no checkpoints';
  return checkpoints.every === 0 ? 'a checkpoint after each epoch' : `a checkpoint every ${checkpoints.every} steps`;
};

/** What rank 0 tells the others; names of tensors are pairs' first parts, for JSON keeps no Map. */
interface Told {
  readonly keepsPredictions: boolean;
  readonly sharding: string;
  readonly state: RunState;
  readonly tensors: readonly (readonly [name: string, tensor: AnyTensor])[];
}

/** Whether a run that was stopped ends between two steps; in a group, where all have to take the same ones, it ends after the epoch. */
export function endsBetweenSteps(group: ProcessGroup | undefined, { stopped }: History): boolean {
  return stopped !== null && (group === undefined || group.size === 1);
}

/** Ends the run in all processes where it has been stopped in one. */
export async function stopTogether(group: ProcessGroup, history: History): Promise<void> {
  const stopped = (await group.numbers(history.stopped === null ? 0 : 1)).indexOf(1);
  if (stopped >= 0) history.stopped ??= `stopped by process ${stopped}`;
}

/** Milliseconds that a process waits which fails because another one did. */
const consequence = 500;

/** Runs `body`; a failure breaks the group, and of one that another process began, it is said which. */
export async function failTogether<R>(group: ProcessGroup | undefined, body: () => Promise<R>): Promise<R> {
  if (group === undefined) return body();
  try {
    return await body();
  } catch (error) {
    const own = groupErrorOf(error);
    await group.breakFor(own?.message ?? (error as Error).message, own !== null);
    if (own === null) throw error;
    const [first, left] = [await group.whyBroken(), await group.whoLeft()];
    // The one that failed first is to end first: who started the processes names it.
    await pause(consequence);
    if (left !== null && first?.isConsequence !== false)
      throw new GroupError(
        `process ${left} has left the group, which it closed while process ${group.rank} was in fit(): all processes of a group make the same calls`,
      );
    if (first === null || first.rank === group.rank) throw own;
    throw new GroupError(`process ${first.rank} ${first.isConsequence ? '' : 'failed first: '}${first.why}`);
  }
}
