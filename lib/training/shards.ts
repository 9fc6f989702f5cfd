// A batch in shards: a fixed number of parts that are computed one after the other, whose gradients are added along one fixed tree.

import { context, within } from '../context.js';
import { bytesOf } from '../dtype.js';
import { accumulateOp, div, greater, mul, scalar, scaleBy, where } from '../ops/elementwise.js';
import { emitInPlace, isRecording, withoutGradients } from '../ops/emit.js';
import { cast, concat, copy, copyInto, filled, reshape, slice } from '../ops/shape.js';
import {
  type Branch,
  branchesOf,
  type Channel,
  groupReduce,
  groupShare,
  groupSum,
  middleOf,
  type OwnedRange,
  type OwnedSum,
  ownerOf,
  rowsOfShard,
  shardWithRows,
} from '../ops/group.js';
import { Lockstep } from '../ops/lockstep.js';
import { type LeafGradients, type Shards, withinShard } from '../ops/shards.js';
import { type StateWrite, whereWritten } from '../ops/state.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { type TensorTree, firstTensor, leavesOf, mapTensors, tensorsOf } from '../tree.js';

/** What the forward pass makes of a shard. */
export interface ShardResult {
  /** Its loss, as it is reported. */
  readonly loss: AnyTensor;
  /** What is minimized, a tensor of one element. */
  readonly sum: AnyTensor;
  /** What the shard counts for; null for its examples. */
  readonly counted: AnyTensor | null;
  /** Writes to state that wait. */
  readonly held: readonly StateWrite[];
}

/** A shard and what its forward pass made. */
export interface ComputedShard<R> {
  readonly index: number;
  readonly rows: number;
  readonly result: R;
}

/** What {@link overShards} gives. */
export interface ShardsResult<R> {
  /** The loss of the batch. */
  readonly loss: Tensor;
  /** What the batch counts for; null for its examples. */
  readonly counted: Tensor | null;
  /** What the forward pass of each shard made that this process has computed, in their order. */
  readonly results: readonly ComputedShard<R>[];
  /** The leaves that have a gradient. */
  readonly reached: ReadonlySet<AnyTensor>;
  /** Writes the gradients where the optimizer looks for them. */
  readonly writeGradients: () => void;
  /** Makes the writes to state. */
  readonly writeState: () => void;
}

/**
 * Adds what the shards `begin` to `end` − 1 give, along a tree that depends on `begin` and `end` alone: the first part of a range is the largest power
 * of two below its length. Whoever computes a whole branch gets the sum that everybody gets.
 *
 * @param leaf - What a shard gives; null for nothing.
 * @param add - The sum of two; it may reuse the left one.
 */
export function addInTree<T>(begin: number, end: number, leaf: (index: number) => T | null, add: (left: T, right: T) => T): T | null {
  if (end - begin === 1) return leaf(begin);
  const middle = middleOf(begin, end);
  const left = addInTree(begin, middle, leaf, add);
  const right = addInTree(middle, end, leaf, add);
  return left === null || right === null ? (left ?? right) : add(left, right);
}

/** Gradients of one shard, by leaf; it knows which leaves were asked for. */
class ShardGradients implements LeafGradients {
  readonly #all: ReadonlyMap<AnyTensor, AnyTensor>;

  constructor(
    leaves: readonly AnyTensor[],
    readonly reached: Set<AnyTensor>,
  ) {
    this.#all = new Map(leaves.map((leaf) => [leaf, filled(leaf.shape, 0, leaf.dtype as 'float32')]));
  }

  get(leaf: AnyTensor): AnyTensor | undefined {
    const found = this.#all.get(leaf);
    if (found !== undefined) this.reached.add(leaf);
    return found;
  }

  list(): AnyTensor[] {
    return [...this.#all.values()];
  }
}

/** What is added over shards. */
interface Contribution {
  /** Gradients, loss, and what counts. */
  readonly tensors: readonly AnyTensor[];
  readonly states: readonly { readonly write: StateWrite; readonly values: readonly AnyTensor[] }[];
}

const addInto = (target: AnyTensor, addend: AnyTensor): void => emitInPlace(accumulateOp, [target], [addend], undefined);

function addContribution(left: Contribution, right: Contribution): Contribution {
  for (const [i, tensor] of left.tensors.entries()) addInto(tensor, right.tensors[i]);
  for (const [i, { write, values }] of left.states.entries())
    whereWritten(write, () => {
      for (const [k, value] of values.entries()) addInto(value, right.states[i].values[k]);
    });
  return left;
}

/** Bytes of gradients that a recorded step sums over the group at once: while they travel, backward goes on. */
const bytesAtOnce = 4 << 20;

/** Elements of a tensor, on its memory. */
const elementsOf = (tensor: AnyTensor, { begin, end }: Omit<OwnedRange, 'owner'>): AnyTensor =>
  slice(reshape(tensor as Tensor, [tensor.size]), begin, end);

/**
 * Adds up over all processes what this one has of each branch of its own, in place: the first one takes the sums. Gradients of the last layers are there
 * first, and begin; loss and state come with those of the first layers. A gradient whose elements have owners goes to these alone.
 */
function addOverGroup(
  channel: Channel,
  own: readonly Contribution[],
  owners: readonly (readonly OwnedRange[] | null)[],
  count: number,
  rows: number,
): void {
  const flat = own.map(({ tensors, states }) => [...tensors, ...states.flatMap(({ values }) => values)]);
  const sums = flat[0].map((_, i) => flat.map((tensors) => tensors[i]));
  let waiting: (readonly AnyTensor[])[] = [];
  let owned: OwnedSum[] = [];
  let bytes = 0;
  const add = (): void => {
    groupReduce(channel, owned, count, rows);
    groupSum(channel, waiting, count, rows);
    [waiting, owned, bytes] = [[], [], 0];
  };
  for (const [i, ranges] of [...owners.entries()].reverse()) {
    if (ranges === null) waiting.push(sums[i]);
    else for (const range of ranges) owned.push({ tensors: sums[i].map((tensor) => elementsOf(tensor, range)), owner: range.owner });
    bytes += sums[i][0].size * bytesOf(sums[i][0].dtype as 'float32');
    if (bytes >= bytesAtOnce && i > 0 && isRecording()) add();
  }
  waiting.push(...sums.slice(owners.length));
  add();
}

/** Adds up along the tree what the shards of `parts` have brought that have any share, in place. */
function addBrought(
  brought: readonly (readonly AnyTensor[])[],
  parts: readonly Branch[],
  shareOf: (index: number) => number,
): (readonly AnyTensor[])[] {
  const waiting = [...brought];
  const add = (left: readonly AnyTensor[], right: readonly AnyTensor[]): readonly AnyTensor[] => {
    for (const [i, tensor] of left.entries()) addInto(tensor, right[i]);
    return left;
  };
  const leaf = (index: number): readonly AnyTensor[] | null => (shareOf(index) > 0 ? (waiting.shift() ?? null) : null);
  return parts.map(([begin, end]) => addInTree(begin, end, leaf, add) as readonly AnyTensor[]);
}

/** Computes the shards of `parts` in lockstep, and gives what was made of each. */
function inLockstep(
  lockstep: Lockstep,
  parts: readonly Branch[],
  shareOf: (index: number) => number,
  compute: (index: number) => Contribution | null,
): (index: number) => Contribution | null {
  const indices = parts
    .flatMap(([begin, end]) => Array.from({ length: end - begin }, (_, i) => begin + i))
    .filter((index) => shareOf(index) > 0);
  const made = lockstep.run(indices.map((index) => () => compute(index)));
  return (index) => made[indices.indexOf(index)] ?? null;
}

/** A scalar of a step's loss, whatever its rank. */
const oneNumber = (x: AnyTensor): Tensor => x.detach().reshape([]) as Tensor;

/** How the shards of a batch are computed. */
export interface ShardsOptions {
  /** The parameters that are trained. */
  readonly leaves: readonly AnyTensor[];
  /** Whether losses are sums over their examples. */
  readonly isSum: boolean;
  /** The processes that compute them together; null for this one alone. */
  readonly channel: Channel | null;
  /** Whether batch normalization sees the whole batch: then the step is recorded. */
  readonly isTogether: boolean;
  /** Which processes want which elements of a leaf's gradient; null where all want all of it. */
  readonly ownersOf: (leaf: AnyTensor) => readonly OwnedRange[] | null;
}

/**
 * Computes a batch in `count` shards: forward and backward of one after the other, each with gradients of its own. The loss is the mean over all that
 * counts; state follows the mean of what the shards make of it.
 *
 * @param batch - Inputs, targets and weights.
 * @param pass - The forward pass of a shard.
 */
export function overShards<R extends ShardResult>(
  batch: readonly TensorTree[],
  count: number,
  { leaves, isSum, channel, isTogether, ownersOf }: ShardsOptions,
  pass: (batch: readonly TensorTree[]) => R,
): ShardsResult<R> {
  const rows = firstTensor(batch[0], 'inputs').shape[0];
  const shareOf = (index: number): number => {
    const [begin, end] = rowsOfShard(rows, count, index);
    return (end - begin) / rows;
  };
  const others = channel !== null && channel.size > 1 ? channel : null;
  const branches: readonly Branch[] = others === null ? [[0, count]] : branchesOf(others, count, rows);
  // Who has no rows computes a shard of another once more: for what it is made of, and so that all draw the same.
  const spare = shardWithRows(count, rows);
  const parts: readonly Branch[] = branches.length > 0 ? branches : [[spare, spare + 1]];
  const lockstep = isTogether
    ? new Lockstep((brought) => {
        const own = addBrought(brought, parts, shareOf);
        const sums = own[0].map((_, i) => own.map((tensors) => tensors[i]));
        if (others !== null) groupSum(others, sums, count, rows);
      })
    : null;
  const step: Shards = { drawn: new Map(), together: lockstep && { lockstep, shareOf } };
  const reached = new Set<AnyTensor>();
  const results: ComputedShard<R>[] = [];
  let counts = false;
  const leaf = (index: number): Contribution | null => {
    const [begin, end] = rowsOfShard(rows, count, index);
    return begin === end ? null : withinShard(step, index, () => contributionOf(index, begin, end));
  };
  const contributionOf = (index: number, begin: number, end: number): Contribution => {
    const part = batch.map((tree) => mapTensors(tree, 'batch', (tensor) => tensor.slice(begin, end)));
    const gradients = withoutGradients(() => new ShardGradients(leaves, reached));
    const share = shareOf(index);
    const result = within('leafGradients', gradients, () => {
      // Who sees layers sees the first shard: a layer that is called for each would look like several.
      const made = within('observers', begin === 0 ? context.observers : [], () => pass(part));
      const { sum, counted } = made;
      withoutGradients(() => {
        const factor = isSum ? filled(sum.shape, 1, sum.dtype as 'float32') : (counted ?? filled(sum.shape, share, sum.dtype as 'float32'));
        sum.backward(cast(factor.detach().reshape(sum.shape), sum.dtype as 'float32'));
      });
      return made;
    });
    counts = result.counted !== null && !isSum;
    results.push({ index, rows: end - begin, result });
    return withoutGradients(() => {
      const loss = oneNumber(result.loss);
      const counted = result.counted === null ? null : cast(oneNumber(result.counted), loss.dtype);
      const weighted = isSum ? copy(loss) : mul(loss, counted ?? share);
      const states = result.held.map((write) => {
        let values: AnyTensor[] = [];
        whereWritten(write, () => {
          values = (write.average?.values() ?? write.values).map((value) => mul(value as Tensor, share));
        });
        return { write, values };
      });
      return { tensors: [...gradients.list(), weighted, ...(counted === null ? [] : [copy(counted)])], states };
    });
  };
  const computed = lockstep === null ? leaf : inLockstep(lockstep, parts, shareOf, leaf);
  const own = parts.map(([begin, end]) => addInTree(begin, end, computed, addContribution) as Contribution);
  const owners = leaves.map((leaf) => (others === null ? null : ownersOf(leaf)));
  if (others !== null)
    withoutGradients(() => {
      addOverGroup(others, own, owners, count, rows);
      shareReached(others, leaves, reached);
    });
  const [{ tensors, states }] = own;
  return withoutGradients(() => {
    const counted = (tensors[leaves.length + 1] as Tensor | undefined) ?? null;
    // Where nothing counts, the loss is 0.
    const inverse = counts && counted !== null ? (where(greater(counted, 0), div(scalar(1, counted.dtype), counted), 0) as Tensor) : null;
    const sum = tensors[leaves.length] as Tensor;
    return {
      loss: inverse === null ? sum : mul(sum, inverse),
      counted,
      results,
      reached,
      writeGradients: () =>
        withoutGradients(() => {
          for (const [i, parameter] of leaves.entries()) {
            if (!reached.has(parameter)) continue;
            const target = parameter.gradientTarget() as AnyTensor;
            const mine = owners[i]?.filter(({ owner }) => owner === channel?.rank);
            const pairs = mine?.map((range) => [elementsOf(target, range), elementsOf(tensors[i], range)]) ?? [[target, tensors[i]]];
            for (const [to, from] of pairs) {
              copyInto(to, from);
              if (inverse !== null) scaleBy(to, cast(inverse, 'float64'));
            }
          }
        }),
      writeState: () => {
        for (const { write, values } of states) whereWritten(write, () => (write.average ?? write).write(values));
      },
    };
  });
}

/** A leaf that a shard of another process reached is reached. Code of a model's own may decide it anew in each eager step; a recorded one has decided. */
function shareReached({ size, rank, ...channel }: Channel, leaves: readonly AnyTensor[], reached: Set<AnyTensor>): void {
  if (isRecording()) return;
  const flags = Array.from({ length: size }, () => filled([leaves.length], 0, 'int32'));
  for (const [i, leaf] of leaves.entries()) (flags[rank].memory as Int32Array)[i] = Number(reached.has(leaf));
  groupShare({ size, rank, ...channel }, flags, [...flags.keys()]);
  for (const [i, leaf] of leaves.entries()) if (flags.some(({ memory }) => memory[i] === 1)) reached.add(leaf);
}

/** A tree with the first `rows` rows; where there are fewer, with the first one again. */
export function withRows(tree: TensorTree, rows: number): TensorTree {
  return mapTensors(tree, 'batch', (tensor) => {
    const { [0]: have } = tensor.shape;
    return rows <= have
      ? tensor.slice(0, rows)
      : concat([tensor as Tensor, ...Array.from({ length: rows - have }, () => tensor.slice(0, 1) as Tensor)]);
  });
}

const isTensor = (value: unknown): boolean => value instanceof Tensor;

/**
 * What was made of each shard that has rows, by whichever process computed it: trees of tensors and numbers, in the order of the shards.
 *
 * @param valueOf - Of a shard of this process, what was made of it; of a number of rows, what would be, for its shapes and numbers.
 */
export function shareShards<T>(
  channel: Channel,
  count: number,
  rows: number,
  valueOf: (shard: { index: number; rows: number; isOwn: boolean }) => T,
): T[] {
  const shards = Array.from({ length: count }, (_, index) => {
    const [begin, end] = rowsOfShard(rows, count, index);
    return { index, rows: end - begin, owner: ownerOf(index, count, channel.size) };
  }).filter((shard) => shard.rows > 0);
  const trees = shards.map(({ index, rows: ofShard, owner }) => {
    const isOwn = owner === channel.rank;
    const { leaves, structure } = leavesOf<AnyTensor>(valueOf({ index, rows: ofShard, isOwn }), isTensor);
    return { leaves: leaves.map((leaf) => (isOwn ? copy(leaf as Tensor) : filled(leaf.shape, 0, leaf.dtype as 'float32'))), structure, owner };
  });
  const all = trees.flatMap(({ leaves, owner }) => leaves.map((leaf) => [leaf, owner] as const));
  if (all.length > 0)
    groupShare(
      channel,
      all.map(([leaf]) => leaf),
      all.map(([, owner]) => owner),
    );
  return trees.map(({ leaves, structure }) => structure.rebuild(leaves) as T);
}

/** The batch's tree of the shards' trees. */
export function joinShards(trees: readonly TensorTree[], argument: string): TensorTree {
  const all = trees.map((tree) => tensorsOf(tree, argument));
  const joined = all[0].leaves.map((_, i) => concat(all.map(({ leaves }) => leaves[i] as Tensor)));
  return all[0].structure.rebuild(joined) as TensorTree;
}
