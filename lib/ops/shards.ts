// Shards: parts of a batch that a step computes one after the other. What is drawn for a step is drawn once for all of them.

import { context, within } from '../context.js';
import type { Random } from '../random.js';
import type { AnyTensor } from '../tensor/core.js';
import { perStep } from './emit.js';
import type { Lockstep } from './lockstep.js';

/** What shards know of the others, where they run in lockstep. */
export interface Together {
  readonly lockstep: Lockstep;
  /** Which part of the batch's examples a shard has. */
  readonly shareOf: (index: number) => number;
}

/** What the shards of one step have in common. */
export interface Shards {
  /** Null, or left out, where each is computed as if it were alone. */
  readonly together?: Together | null;
  /** Per generator, what the first of them drew, in its order. */
  readonly drawn: Map<Random, (() => unknown)[]>;
}

/** The shard that is being computed. */
export interface Shard {
  /** Which it is, from 0. */
  readonly index: number;
  readonly step: Shards;
  /** Per generator, how many of its draws it has taken. */
  readonly taken: Map<Random, number>;
}

/** Where gradients of leaves are added up in the place of the leaves' own; undefined for a leaf that is none of these. */
export interface LeafGradients {
  get(leaf: AnyTensor): AnyTensor | undefined;
}

/** Runs what is done for one shard. */
export function withinShard<R>(step: Shards, index: number, body: () => R): R {
  return within('shard', { index, step, taken: new Map() }, body);
}

/**
 * What `draw` takes from `random`, anew for each step and once for all of its shards: the one that runs first draws, and those behind it get
 * the same, in the same order.
 *
 * @returns Gives what was drawn for the step.
 */
export function drawnPerStep<T>(random: Random, draw: () => T, of: readonly unknown[] = [random]): () => T {
  const { shard, draws } = context;
  const isReplay = draws?.isReplay === true;
  if (shard !== null && !isReplay) {
    const at = shard.taken.get(random) ?? 0;
    shard.taken.set(random, at + 1);
    const before = shard.step.drawn.get(random)?.[at];
    if (before !== undefined) return before as () => T;
  }
  let drawn: T;
  perStep({
    of,
    advance: () => {
      drawn = draw();
    },
    mark: () => {
      const { state } = random;
      return () => {
        random.state = state;
      };
    },
  });
  const take = (): T => drawn;
  if (shard !== null && !isReplay) {
    const all = shard.step.drawn.get(random);
    if (all === undefined) shard.step.drawn.set(random, [take]);
    else all.push(take);
  }
  return take;
}
