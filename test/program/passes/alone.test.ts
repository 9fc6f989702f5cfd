// What passes may not take together: fused steps beside eager ones, where two rewrites meet in one memory or a value has another reader.
import test from 'ava';
import { type AnyTensor, Parameter, Random, SGD, type Tensor, Zeros, compileStep, concat, conv2d, relu } from '../../../lib/index.js';
import { drawBit } from '../../../lib/ops/random.js';
import { choose } from '../../../lib/ops/sometimes.js';
import { identical } from '../../helpers/close.js';
import { f32 } from '../../helpers/build.js';
import { Seeded } from '../../helpers/seeded.js';

const draw = (shape: readonly number[], seed: number): Tensor => f32(new Seeded(seed).uniform(shape.reduce((a, b) => a * b, 1)), shape);
const leaf = (x: Tensor): Tensor => {
  const own = x.detach();
  own.requiresGrad = true;
  return own;
};

type Body = (x: Tensor) => Record<string, AnyTensor>;

/** Three steps of a body, fused and eager. */
async function sameAsEager(t: Parameters<typeof identical>[0], body: Body, shape: readonly number[]): Promise<void> {
  const step = compileStep(body as never) as unknown as (x: Tensor) => Promise<Record<string, AnyTensor>>;
  for (let i = 0; i < 3; i++) {
    const x = draw(shape, 9 + i);
    const [fused, eager] = [await step(x), body(x)];
    for (const [name, value] of Object.entries(eager)) identical(t, fused[name], value, `${name} of step ${i}`);
  }
}

const [w1, w2] = [draw([1, 1, 4, 4], 1), draw([1, 1, 4, 4], 2)];
const [a, b, c] = [draw([1, 3, 3, 4], 3), draw([1, 3, 3, 4], 4), draw([1, 3, 3, 4], 5)];

test('a gradient is not masked by a concatenation that is made after it', async (t) => {
  const factor = draw([4, 6], 3);
  const body: Body = (x0) => {
    const x = leaf(x0);
    const [first, second] = [relu(x.mul(2)), relu(x.mul(-3))];
    const y = concat([first, second], 1);
    y.mul(factor).mul(y).sum().backward();
    return { gradient: x.grad as Tensor, features: concat([first.detach(), second.detach()], 1) };
  };
  await sameAsEager(t, body, [4, 3]);
});

test('a gradient is not masked by a concatenation that some steps leave out', async (t) => {
  const factor = draw([4, 6], 3);
  const random = new Random(3);
  const gradientOf = (x0: Tensor, extra: (first: Tensor, second: Tensor) => Tensor) => {
    const x = leaf(x0);
    const [first, second] = [relu(x.mul(2)), relu(x.mul(-3))];
    const y = concat([first, second], 1);
    const loss = y.mul(factor).mul(y).sum().add(extra(first, second).sum());
    loss.backward();
    return { loss, gradient: x.grad as Tensor };
  };
  const step = compileStep((x: Tensor) => {
    const bit = drawBit(random, 0.5);
    const both = (first: Tensor, second: Tensor) => (z: Tensor) => z.add(concat([first.detach(), second.detach()], 1));
    return gradientOf(x, (first, second) => choose(factor.mul(x.sum()).detach(), bit, both(first, second), (z) => z.mul(1)));
  });
  for (let i = 0; i < 8; i++) {
    const x = draw([4, 3], 9 + i);
    identical(t, (await step(x)).gradient, gradientOf(x, () => factor).gradient, `step ${i}`);
  }
});

test('sums of gradients that meet in one memory keep what each convolution reads', async (t) => {
  const body: Body = (x0) => {
    const x = leaf(x0);
    const doubled = x.mul(2);
    const v = doubled.add(c);
    const [z, y] = [conv2d(v, w1), conv2d(doubled, w2)];
    const out = v.add(y);
    out.mul(a).mul(out).sum().add(z.mul(b).mul(z).sum()).backward();
    return { gradient: x.grad as Tensor };
  };
  await sameAsEager(t, body, [1, 3, 3, 4]);
});

test('a gradient that the step gives back is not masked by the activation that it goes on through', async (t) => {
  const body: Body = (x0) => {
    const x = leaf(x0);
    const y = relu(x.mul(2));
    const generated = leaf(y);
    const [first, second] = [conv2d(generated, w1), conv2d(generated, w2)];
    first.mul(first).sum().add(second.mul(second).sum()).backward();
    y.backward(generated.grad as Tensor);
    return { of: generated.grad as Tensor, gradient: x.grad as Tensor };
  };
  await sameAsEager(t, body, [1, 3, 3, 4]);
});

test("a parameter's gradient is not masked by an activation that it goes through", async (t) => {
  const parameter = new Parameter([1, 3, 3, 4], { init: new Zeros() });
  parameter.data.set(a.data);
  const optimizer = new SGD([parameter], { lr: 0 });
  const body = (x0: Tensor): Tensor => {
    const x = leaf(x0);
    const y = relu(x.mul(2));
    optimizer.zeroGrad();
    const [z, other] = [conv2d(parameter, w1), conv2d(parameter, w2)];
    z.mul(z).sum().add(other.mul(other).sum()).backward();
    y.backward(parameter.grad as Tensor);
    return x.grad as Tensor;
  };
  const read = (): Float32Array => Float32Array.from((parameter.grad as Tensor).data);
  const x = draw([1, 3, 3, 4], 9);
  body(x);
  const eager = read();
  await compileStep(body)(x);
  t.deepEqual(read(), eager);
  t.true(eager.some((value) => value < 0));
});
