// Parts that are skipped: a step program with them has the bits of eager steps, and does not run what it skips.

import test from 'ava';
import { Adam, compileStep, crossEntropy, Linear, Random, relu, Sequential, setSeed, ShapeError, Tensor } from '../../lib/index.js';
import { gather } from '../../lib/ops/shape.js';
import { drawBit } from '../../lib/ops/random.js';
import { choose } from '../../lib/ops/sometimes.js';

const keep = (z: Tensor): Tensor => z;

function build(p: number) {
  setSeed(2);
  const [first, inner, last] = [new Linear(6, 8), new Linear(8, 8), new Linear(8, 3)];
  const model = new Sequential([first, inner, last]);
  model.prepare();
  const optimizer = new Adam(model, { lr: 0.01 });
  const random = new Random(5, 'depth');
  const body = (x: Tensor, y: Tensor<'int32'>) => {
    const bit = drawBit(random, p);
    const start = relu(first.forward(x));
    const middle = choose(start, bit, (z) => relu(inner.forward(z)).add(z), keep);
    const loss = crossEntropy(last.forward(middle), y);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return { loss, bit: bit.reshape([1]) };
  };
  return { body, model };
}

const x = Tensor.from(
  Float32Array.from({ length: 48 }, (_, i) => ((i * 7) % 11) / 11 - 0.4),
  [8, 6],
);
const y = Tensor.from(Int32Array.from({ length: 8 }, (_, i) => i % 3));

for (const fused of [true, false]) {
  test.serial(
    `skipped blocks of a residual net: the same losses, gradients and weights as eager steps, fusing ${fused ? 'on' : 'off'}`,
    (t) => {
      const before = process.env['NODEGRAD_FUSE'];
      process.env['NODEGRAD_FUSE'] = fused ? '1' : '0';
      try {
        const [eager, recorded] = [build(0.5), build(0.5)];
        const step = compileStep(recorded.body);
        const seen = new Set<number>();
        for (let i = 0; i < 40; i++) {
          const one = eager.body(x, y);
          const two = step.sync(x, y);
          seen.add(two.bit.data[0]);
          t.is(two.bit.data[0], one.bit.data[0]);
          t.is(two.loss.item(), one.loss.item(), `step ${i}`);
          t.deepEqual(
            recorded.model.parameters().map(({ data }) => [...data]),
            eager.model.parameters().map(({ data }) => [...data]),
            `weights after step ${i}`,
          );
        }
        t.deepEqual([...seen].sort(), [0, 1]);
      } finally {
        if (before === undefined) delete process.env['NODEGRAD_FUSE'];
        else process.env['NODEGRAD_FUSE'] = before;
      }
    },
  );
}

test('what is skipped does not run, forward or backward', (t) => {
  const random = new Random(1);
  const poison = (p: number) =>
    compileStep((z: Tensor, index: Tensor<'int32'>) => {
      const bit = drawBit(random, p);
      // A row that is not there ends the step, if anybody looks for it.
      return choose(z, bit, (inner) => gather(inner, index), keep);
    });
  const outside = Tensor.from(Int32Array.of(0, 9));
  const rows = Tensor.from(Float32Array.of(1, 2), [2, 1]);
  t.deepEqual(poison(0).sync(rows, outside).toArray(), [[1], [2]]);
  t.throws(() => poison(1).sync(rows, outside), { message: /gather/ });
});

test('a part that changes the shape is refused', (t) => {
  const random = new Random(1);
  const step = compileStep((z: Tensor) => choose(z, drawBit(random, 0.5), (inner) => inner.sum(), keep));
  t.throws(() => step.sync(x), { instanceOf: ShapeError });
});
