// Regularizers: penalties and their gradients, bounds, and both in fit and in compiled steps.
import test from 'ava';
import {
  ArgumentError,
  Conv2d,
  compileStep,
  ElasticNetRegularizer,
  fit,
  L1Regularizer,
  L2Regularizer,
  Linear,
  MaxNormConstraint,
  MSELoss,
  mseLoss,
  Regularizer,
  ReLU,
  Sequential,
  SGD,
  setSeed,
  type Tensor,
  TensorDataset,
} from '../../lib/index.js';
import { f32, f64, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { gradcheck } from '../helpers/gradcheck.js';
import { Seeded } from '../helpers/seeded.js';

type Double = Tensor<'float64'>;

const quiet = { progress: false, log: false } as const;
const random = new Seeded(12);
const [inputs, targets] = [f32(random.uniform(24 * 3), [24, 3]), f32(random.uniform(24), [24, 1])];
const data = new TensorDataset(inputs, targets);

function model(): Sequential {
  setSeed(9);
  return new Sequential([new Linear(3, 8), new ReLU(), new Linear(8, 1)]);
}

test('penalties and their gradients are those of their formulas', (t) => {
  const w = [1, 0, -2, 0.5];
  const all: [(p: Double) => Regularizer, number][] = [
    [(p) => new L2Regularizer([p], 0.1), 0.1 * 5.25],
    [(p) => new L1Regularizer([p], 0.1), 0.1 * 3.5],
    [(p) => new ElasticNetRegularizer([p], { l1: 0.2, l2: 0.1 }), 0.2 * 3.5 + 0.1 * 5.25],
  ];
  for (const [make, value] of all) {
    close(t, [(make(leaf(f64(w))).penalty() as unknown as Double).item()], [value], { relative: 1e-15 });
    gradcheck(t, (p) => make(p).penalty() as unknown as Double, [f64([1, 0.25, -2, 0.5], [2, 2])], {}, 'gradient');
  }
});

test('of a layer the weights count, of a list all that stands in it', (t) => {
  const net = new Sequential([new Conv2d(2, 3, 3), new ReLU(), new Linear(3, 2)]);
  t.deepEqual(
    new L2Regularizer(net, 1).parameters.map(({ rank }) => rank),
    [4, 2],
  );
  const [layer] = net.layers as unknown as [Conv2d];
  t.is(new L2Regularizer(layer.parameters(), 1).parameters.length, 2);
  for (const wrong of [null, 3, [], new ReLU(), [3]]) t.throws(() => new L2Regularizer(wrong as never, 1), { instanceOf: ArgumentError });
  t.throws(() => new L2Regularizer(net, -1), { instanceOf: ArgumentError, message: /lambda/ });
  t.throws(() => new ElasticNetRegularizer(net, { l1: 1 } as never), { instanceOf: ArgumentError, message: /options\.l2/ });
});

test('L2 with λ = d/2 is the weight decay d of plain SGD', async (t) => {
  const [penalized, decayed] = [model(), model()];
  const weights = (net: Sequential) => net.parameters().filter(({ rank }) => rank >= 2);
  const biases = (net: Sequential) => net.parameters().filter(({ rank }) => rank < 2);
  const options = { loss: new MSELoss(), epochs: 4, batchSize: 6, seed: 3, ...quiet };
  await penalized.fit(data, { ...options, optimizer: new SGD(penalized, { lr: 0.1 }), regularizers: [new L2Regularizer(penalized, 0.05)] });
  const groups = [{ parameters: weights(decayed), weightDecay: 0.1 }, { parameters: biases(decayed) }];
  await decayed.fit(data, { ...options, optimizer: new SGD(groups as never, { lr: 0.1 }) });
  for (const [i, parameter] of penalized.parameters().entries())
    close(t, parameter as never, decayed.parameters()[i] as never, { relative: 1e-4, absolute: 1e-6 });
});

test('max-norm scales down the weights into a unit whose norm is too large, and leaves the others their bits', (t) => {
  const layer = new Linear(2, 3);
  layer.weight.data.set([3, 0.3, 1, 4, 0.4, 0]);
  new MaxNormConstraint(layer, 1).constrain();
  close(t, layer.weight as never, f32([0.6, 0.3, 1, 0.8, 0.4, 0], [2, 3]), { relative: 1e-6 });
  t.is(layer.weight.data[1], Math.fround(0.3));
  layer.weight.data.set([3, 0, 0, 4, 0, 0]);
  new MaxNormConstraint(layer, 2, { axes: [1] }).constrain();
  close(t, layer.weight as never, f32([2, 0, 0, 2, 0, 0], [2, 3]), { relative: 1e-6 });
  t.throws(() => new MaxNormConstraint(layer, 0), { instanceOf: ArgumentError, message: /limit/ });
  t.throws(() => new MaxNormConstraint(layer, 1, { axes: [2] }), { message: /options\.axes/ });
});

test('max-norm leaves the weights of frozen layers alone, in a step that was recorded before they were frozen too', async (t) => {
  const net = new Sequential([new Linear(2, 2), new Linear(2, 2)]);
  const [frozen, free] = net.layers as [Linear, Linear];
  const bound = new MaxNormConstraint(net, 1);
  const step = compileStep(() => bound.constrain());
  for (const constrain of [() => bound.constrain(), () => step.sync()]) {
    net.unfreeze();
    constrain();
    frozen.freeze();
    for (const { weight } of [frozen, free]) weight.data.fill(3);
    constrain();
    t.deepEqual([...frozen.weight.data], [3, 3, 3, 3]);
    t.true(free.weight.data.every((w) => w < 1));
  }
});

test('fit takes regularizers, with the same bits eagerly, compiled and in a step of one own, and reports the loss of the data', async (t) => {
  const train = async (eager: boolean) => {
    const net = model();
    const regularizers = [new ElasticNetRegularizer(net.layers[0] as never, { l1: 0.01, l2: 0.02 }), new MaxNormConstraint(net, 0.5)];
    const optimizer = new SGD(net, { lr: 0.1, momentum: 0.9 });
    const history = await net.fit(data, {
      loss: new MSELoss(),
      optimizer,
      epochs: 2,
      batchSize: 24,
      shuffle: false,
      regularizers,
      eager,
      ...quiet,
    });
    return { numbers: net.parameters().map((parameter) => [...parameter.data]), losses: history.epochs.map(({ loss }) => loss) };
  };
  const compiled = await train(false);
  t.deepEqual(await train(true), compiled);
  const net = model();
  close(t, [compiled.losses[0]], [mseLoss(net.forward(inputs), targets).item()], { relative: 1e-6 });
  const [net0, bound] = [new ElasticNetRegularizer(net.layers[0] as never, { l1: 0.01, l2: 0.02 }), new MaxNormConstraint(net, 0.5)];
  const optimizer = new SGD(net, { lr: 0.1, momentum: 0.9 });
  const step = compileStep((x: Tensor, y: Tensor) => {
    const loss = mseLoss(net.forward(x), y);
    optimizer.zeroGrad();
    loss.add(net0.penalty()).backward();
    optimizer.step();
    bound.constrain();
    return loss;
  });
  for (let i = 0; i < 2; i++) await step(inputs, targets);
  t.deepEqual(
    net.parameters().map((parameter) => [...parameter.data]),
    compiled.numbers,
  );
  // Norms of the columns, after the last update.
  for (const { shape, data: w } of net.parameters().filter(({ rank }) => rank === 2))
    for (let unit = 0; unit < shape[1]; unit++) {
      const column = w.filter((_: number, i: number) => i % shape[1] === unit);
      t.true(Math.hypot(...column) <= 0.5 * (1 + 1e-6));
    }
});

test('a regularizer of a user’s own works, and a parameter that the loss does not reach is still an error', async (t) => {
  class Pull extends Regularizer {
    override penalty(): Tensor {
      const [w] = this.parameters as unknown as Tensor[];
      const off = w.sub(1);
      return off.mul(off).sum();
    }
  }
  const layer = new Linear(3, 1);
  const optimizer = new SGD(layer, { lr: 0.1 });
  const zero = new TensorDataset(f32(new Float32Array(24), [8, 3]), f32(new Float32Array(8), [8, 1]));
  await fit(layer, zero, { loss: new MSELoss(), optimizer, epochs: 100, regularizers: [new Pull(layer)], ...quiet });
  close(t, layer.weight as never, f32([1, 1, 1], [3, 1]), { relative: 1e-4 });
  await t.throwsAsync(fit(layer, zero, { loss: new MSELoss(), optimizer, regularizers: [3 as never], ...quiet }), {
    instanceOf: ArgumentError,
    message: /options\.regularizers/,
  });
  class Unused extends Linear {
    readonly lost = new Linear(2, 2);
  }
  const net = new Unused(3, 1);
  const options = { loss: new MSELoss(), optimizer: new SGD(net, { lr: 0.1 }), regularizers: [new L2Regularizer(net, 1)], ...quiet };
  await t.throwsAsync(fit(net, data, options), { instanceOf: ArgumentError, message: /lost\.weight.*no gradient/ });
});
