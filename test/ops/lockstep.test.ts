// Shards in lockstep: recorded one after the other, they run side by side, and all get the sum of what all bring.

import test from 'ava';
import { ArgumentError, type Tensor, compileStep, ones, tensor } from '../../lib/index.js';
import { accumulateOp } from '../../lib/ops/elementwise.js';
import { emitInPlace } from '../../lib/ops/emit.js';
import { Lockstep } from '../../lib/ops/lockstep.js';
import type { AnyTensor } from '../../lib/tensor.js';

const together = (): Lockstep =>
  new Lockstep(([first, ...others]) => {
    for (const other of others) for (const [i, one] of first.entries()) emitInPlace(accumulateOp, [one], [other[i]], undefined);
  });

/** A shard that subtracts the mean of all of them from its rows, and divides by their largest distance from it, added up. */
const centred = (lockstep: Lockstep, x: Tensor, rows: number): Tensor => {
  const [sum] = lockstep.sum([x.sum()]) as [Tensor];
  const apart = x.sub(sum.div(rows));
  const [distance] = lockstep.sum([apart.abs().max()]) as [Tensor];
  return apart.div(distance);
};

test('a shard goes on with sums over those that are recorded after it', async (t) => {
  const step = compileStep((x: Tensor) => {
    const lockstep = together();
    const parts = [x.slice(0, 1), x.slice(1, 4)];
    return lockstep.run(parts.map((part) => () => centred(lockstep, part as Tensor, 4)));
  });
  for (const [rows, wanted] of [
    [
      [1, 2, 3, 6],
      [[-2 / 5], [-1 / 5, 0, 3 / 5]],
    ],
    [
      [4, 0, 0, 4],
      [[2 / 4], [-2 / 4, -2 / 4, 2 / 4]],
    ],
  ] as const) {
    const parts = await step(tensor([...rows]));
    t.deepEqual(
      parts.map((part) => [...part.data]),
      wanted.map((part) => part.map(Math.fround)),
    );
  }
});

test('shards that do not meet alike are refused, and so is a sum outside of them, and a step that is not recorded', async (t) => {
  const refused = async (lockstep: Lockstep, shards: readonly (() => AnyTensor)[], message: RegExp): Promise<void> => {
    const step = compileStep((x: Tensor) => lockstep.run(shards).map((one) => (one as Tensor).add(x)));
    const error = await t.throwsAsync(async () => step(tensor([1])), { instanceOf: ArgumentError });
    t.regex(error?.message ?? '', message);
  };
  for (const widths of [
    [[2], [3]],
    [[2], []],
    [[2], [2, 2]],
    [[], [2]],
  ]) {
    const lockstep = together();
    const shards = widths.map((all) => () => {
      for (const width of all) lockstep.sum([ones([width])]);
      return ones([1]);
    });
    await refused(lockstep, shards, /went through different layers/);
  }
  t.throws(() => together().sum([ones([1])]), { instanceOf: ArgumentError, message: /outside of them/ });
  t.throws(() => together().run([() => 1]), { instanceOf: ArgumentError, message: /compile the step/ });
});
