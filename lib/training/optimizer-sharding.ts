// The state of an optimizer, shared out over the processes of a run: each keeps it for the weights that it updates, and gives the others these.

import type { ProcessGroup } from '../distributed/process-group.js';
import { ArgumentError, checkFlag } from '../errors.js';
import type { AnyLayer } from '../layers/layer.js';
import type { OwnedRange } from '../ops/group.js';
import { clipSharedGradNorm } from '../optimizers/clip.js';
import { homeOf } from '../optimizers/memory.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import type { AnyTensor } from '../tensor.js';
import type { CheckpointOptions, CheckpointRounds } from './checkpoint.js';
import type { FitOptions } from './fit-options.js';
import { allStateFinite } from './non-finite.js';
import type { RunParts } from './run-state.js';

/** The sharing that options ask for; null for none. */
export function shardingOf({ shardOptimizer, group, optimizer, observeEvery = 10 }: FitOptions): OptimizerSharding | null {
  if (!checkFlag(shardOptimizer ?? false, 'options.shardOptimizer')) return null;
  if (group === undefined)
    throw new ArgumentError(
      '`options.shardOptimizer` shares the state of the optimizer out over the processes of a group: give `options.group`',
    );
  return group.size === 1 ? null : new OptimizerSharding(group, optimizer, observeEvery);
}

/** The sharing of one run. */
export class OptimizerSharding {
  #isOpen = false;

  constructor(
    readonly group: ProcessGroup,
    readonly optimizer: Optimizer,
    /** In every so many steps all processes have whole gradients, for those of them that observe the step. */
    readonly observeEvery: number,
  ) {}

  /** Which processes update which elements of a parameter, and want their gradients alone; null where each updates all, or the optimizer none. */
  ownersOf(parameter: AnyTensor): OwnedRange[] | null {
    if (!this.optimizer.owns(parameter)) return null;
    const { home, begin } = homeOf(parameter);
    const ranges = this.optimizer.stateMemory.ownersOf(home, begin, begin + parameter.size);
    return ranges?.map((range) => ({ begin: range.begin - begin, end: range.end - begin, owner: range.owner })) ?? null;
  }

  /** Clips gradients of which each process has its own. */
  clip(model: AnyLayer, maxGradNorm: number): void {
    clipSharedGradNorm(model, maxGradNorm, this.optimizer.stateMemory, this.group.channel);
  }

  /** Does without the state in what process 0 tells this one, which has its part from {@link begin}. */
  expect(): void {
    this.optimizer.stateMemory.expect();
  }

  /** From here on each process keeps its part of the state that process 0 has. */
  begin(): void {
    this.optimizer.stateMemory.shareOut(this.group.channel);
    this.#isOpen = true;
  }

  /** Gives process 0 the whole state beside its part, while `body` runs. All processes do it at the same step. */
  async gathered(body: () => void): Promise<void> {
    if (!this.#isOpen) return body();
    await this.group.barrier(); // what follows holds up this thread, and all are there
    const { stateMemory } = this.optimizer;
    stateMemory.gather();
    body();
    stateMemory.release();
  }

  /** Gives process 0 the whole state, unless the run has failed: then it is lost. */
  async end(hasFailed: boolean): Promise<void> {
    const { stateMemory } = this.optimizer;
    let isWhole = false;
    try {
      if (!this.#isOpen || hasFailed) return;
      await this.group.barrier();
      stateMemory.gather();
      isWhole = true;
    } finally {
      this.#isOpen = false;
      stateMemory.end(!isWhole);
    }
  }
}

/** What another process does where process 0 takes a checkpoint: it gives it its part of the state. */
export class FollowedCheckpoints implements CheckpointRounds {
  readonly resumed = null;
  readonly every: number;

  constructor(
    checkpoint: unknown,
    readonly parts: RunParts,
  ) {
    this.every = (checkpoint as Partial<CheckpointOptions>).every ?? 0; // process 0 checks it, and meet() that all have the same
  }

  async open(): Promise<null> {
    return null;
  }

  restoreCallbacks(): void {}

  isDue(step: number): boolean {
    return this.every > 0 && step % this.every === 0;
  }

  stepsUntilDue(step: number): number {
    return this.every > 0 ? this.every - (step % this.every) : Number.POSITIVE_INFINITY;
  }

  get isDueAfterEpoch(): boolean {
    return this.every === 0;
  }

  async take(): Promise<void> {
    if (allStateFinite(this.parts.model)) await this.parts.sharding?.gathered(() => {});
  }

  async finish(): Promise<void> {}

  async close(): Promise<void> {}
}
