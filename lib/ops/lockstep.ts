// Shards of a step in lockstep: none goes on past a sum over all of them before all have come there.

import { ArgumentError } from '../errors.js';
import type { AnyTensor } from '../tensor/core.js';
import { sameShape } from './broadcast.js';
import type { Condition, Strand } from './destination.js';
import { aside, guardInForce, guarded, withoutGradients } from './emit.js';

/** A sum over all shards. */
interface Meeting {
  /** What each of them brings, in their order; the tensors of the first one take the sums. */
  readonly brought: (readonly AnyTensor[])[];
  readonly guard: Condition | null;
}

/** What a shard has been recorded to. */
interface Recorded<R> {
  readonly result: R;
  readonly strand: Strand;
  /** How many of its instructions stand before each of its meetings. */
  readonly cuts: readonly number[];
}

/**
 * Shards are recorded one after the other, each with its forward and its backward, as the code of a model runs for them, and only their instructions stand
 * side by side in the program: those of every shard up to its first meeting, the sum of that, those up to the second one, and so on.
 */
export class Lockstep {
  readonly #meetings: Meeting[] = [];
  #shard: { readonly strand: Strand; readonly cuts: number[]; readonly isFirst: boolean } | null = null;

  /** @param add - Adds up what the shards bring, in place: the tensors of the first one take the sums. */
  constructor(readonly add: (brought: readonly (readonly AnyTensor[])[]) => void) {}

  /** The sums over all shards of what each of them brings here. The tensors are given away. */
  sum(tensors: readonly AnyTensor[]): readonly AnyTensor[] {
    if (this.#shard === null) throw new ArgumentError('a sum over all shards was asked for outside of them');
    const { strand, cuts, isFirst } = this.#shard;
    const at = cuts.push(strand.length) - 1;
    if (isFirst) this.#meetings.push({ brought: [], guard: guardInForce() });
    const meeting = this.#meetings[at];
    const first = meeting?.brought[0] ?? tensors;
    if (meeting === undefined || first.length !== tensors.length || !first.every(({ shape }, i) => sameShape(shape, tensors[i].shape)))
      throw unlike();
    meeting.brought.push(tensors);
    return first;
  }

  /** Records the shards, and lets them run in lockstep. */
  run<R>(shards: readonly (() => R)[]): R[] {
    const recorded = shards.map((shard, i) => this.#record(shard, i === 0));
    const goOn = (from: number, to: number): void => {
      for (const { strand, cuts } of recorded) strand.append(cuts[from] ?? 0, cuts[to] ?? strand.length);
    };
    this.#meetings.forEach(({ brought, guard }, at) => {
      goOn(at - 1, at);
      const body = (): void => withoutGradients(() => this.add(brought));
      if (guard === null) body();
      else guarded(guard.bit, guard.when, body);
    });
    goOn(this.#meetings.length - 1, this.#meetings.length);
    return recorded.map(({ result }) => result);
  }

  #record<R>(shard: () => R, isFirst: boolean): Recorded<R> {
    return aside((strand) => {
      const cuts: number[] = [];
      this.#shard = { strand, cuts, isFirst };
      const result = shard();
      this.#shard = null;
      if (cuts.length !== this.#meetings.length) throw unlike();
      return { result, strand, cuts };
    });
  }
}

const unlike = (): ArgumentError =>
  new ArgumentError(
    "the parts of a batch went through different layers of batch normalization: with `batchNorm: 'synchronized'` all of them go through the same ones, in one order",
  );
