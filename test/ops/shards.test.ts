// What parts of a batch draw, and where their gradients go.

import test from 'ava';
import { Dropout, Linear, ones, setSeed } from '../../lib/index.js';
import { within } from '../../lib/context.js';
import { withinShard } from '../../lib/ops/shards.js';

test('parts draw masks of their own, which do not depend on the parts that were computed before', (t) => {
  const masks = (indices: readonly number[]): Map<number, string> => {
    setSeed(4);
    const drop = new Dropout(0.5);
    const step = { drawn: new Map() };
    return new Map(
      indices.map((index) => [index, withinShard(step, index, () => String(drop.forward(ones([3 + index, 8])).data.slice(0, 24)))]),
    );
  };
  const all = masks([0, 1, 2, 3]);
  t.is(new Set(all.values()).size, 4);
  t.is(masks([2, 3]).get(3), all.get(3));
});

test('gradients of a part are added up where they are asked for, and the leaves have none', (t) => {
  const model = new Linear(2, 1, { bias: false });
  model.prepare();
  const gradients = ones([2, 1]);
  within('leafGradients', new Map([[model.weight as never, gradients as never]]), () =>
    model
      .forward(ones([3, 2]))
      .sum()
      .backward(),
  );
  t.deepEqual([...gradients.data], [4, 4]);
  t.is(model.weight.grad, null);
});
