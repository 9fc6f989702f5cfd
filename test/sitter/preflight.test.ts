// Proves lib/sitter/preflight.ts: what is said before the first step, what fit refuses as findings, and that a look changes nothing.

import test from 'ava';
import {
  type AnyDataset,
  Adam,
  ArgumentError,
  CrossEntropyLoss,
  Dropout,
  Flatten,
  HingeLoss,
  L2Regularizer,
  Linear,
  type Loss,
  MSELoss,
  Normal,
  ReLU,
  SGD,
  Sequential,
  Sitter,
  Tensor,
  TensorDataset,
  defaultRandom,
  ones,
  preflight,
  setSeed,
} from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';
import { Softmax, binarySet, cloudSet, net, normals } from '../helpers/sick.js';
import { quiet } from '../helpers/training.js';

const loss = new CrossEntropyLoss();
const ids = (findings: readonly { readonly id: string }[]): string[] => findings.map(({ id }) => id);

test('a healthy run to come has no finding, also in the full form', async (t) => {
  const model = net();
  const options = { loss, optimizer: new Adam(model, { lr: 1e-3 }), validation: cloudSet(100, { seed: 2 }) };
  t.deepEqual(await preflight(model, cloudSet(300), options), []);
  t.deepEqual(await new Sitter().preflight(model, cloudSet(300), { ...options, full: true }), []);
});

test.serial('a look changes neither weights, gradients, optimizer, modes nor random numbers', async (t) => {
  setSeed(5);
  const model = new Sequential([new Linear(10, 16), new ReLU(), new Dropout(0.5), new Linear(16, 4)]);
  const optimizer = new Adam(model, { lr: 1e-3 });
  model.prepare();
  const first = model.layers[0] as Linear;
  first.weight.gradientTarget().data.fill(0.25);
  model.layers[2].eval();
  const state = (): unknown[] => [
    [...model.stateDict()].map(([name, { data }]) => [name, [...data]]),
    [...(first.weight.grad?.data ?? [])],
    (model.layers[3] as Linear).weight.grad,
    optimizer.steps,
    model.layers.map(({ training }) => training),
    defaultRandom().state,
    [...model.layers[2].ownRandoms().values()].map((random) => random.state),
  ];
  const before = state();
  await preflight(model, cloudSet(100), { loss, optimizer, full: true });
  const [was, is] = [before, state()] as [unknown[], unknown[]];
  for (const [i, part] of is.entries()) t.deepEqual(part, was[i], `part ${i}`);
});

test('what fit refuses is a finding, with the same facts: labels without a score, targets that the loss has no meaning for', async (t) => {
  const model = net();
  const optimizer = new Adam(model, { lr: 1e-3 });
  const { inputs } = cloudSet(40);
  const wrong = new TensorDataset(inputs, Tensor.from(Int32Array.from({ length: 40 }, (_, i) => 1 + (i % 4))));
  const [finding] = await preflight(model, wrong, { loss, optimizer });
  t.is(finding.id, 'labels-out-of-range');
  t.regex(finding.text, /class index 4 of row 3 .* 0 … 3/);
  await t.throwsAsync(model.fit(wrong, { ...quiet, loss, optimizer }), { message: finding.text });
  const scores = net(1);
  const hinge = await preflight(scores, binarySet(40), { loss: new HingeLoss(), optimizer: new Adam(scores, { lr: 1e-3 }) });
  t.deepEqual(ids(hinge), ['targets-against-loss']);
  t.regex(hinge[0].text, /expects targets −1 or 1/);
});

test('where nothing is in training, frozen or in bfloat16, or the loss hangs on nothing, it says what fit says', async (t) => {
  class Cut extends Sequential {
    override forward(x: Tensor): Tensor {
      return super.forward(x).detach();
    }
  }
  const cut = new Cut([new Linear(10, 4)]);
  for (const [model, stop, id] of [
    [net(), (one: Sequential) => one.freeze(), 'parameter-never-changes'],
    [net(), (one: Sequential) => one.to('bfloat16'), 'parameter-never-changes'],
    [cut, () => {}, 'parameters-not-reached'],
  ] as const) {
    const optimizer = new SGD(model, { lr: 0.1 });
    stop(model);
    const [finding, ...others] = await preflight(model, cloudSet(60), { loss, optimizer });
    t.deepEqual([finding.id, others], [id, []]);
    await t.throwsAsync(model.fit(cloudSet(60), { ...quiet, loss, optimizer, sitter: false }), { message: finding.text });
  }
});

test('a precision that fit refuses is refused before the run, in the same words', async (t) => {
  const model = net();
  for (const more of [{ precision: 'fp8' }, { precision: 'bfloat16', eager: true }]) {
    const options = { loss, optimizer: new SGD(model, { lr: 0.1 }), ...more } as never;
    const error = await t.throwsAsync(preflight(model, cloudSet(60), options), { instanceOf: ArgumentError, message: /precision/ });
    await t.throwsAsync(model.fit(cloudSet(60), options), { message: error.message });
  }
});

test('parameters that the optimizer does not hold, or the loss does not reach, are named', async (t) => {
  const model = net();
  const optimizer = new Adam(model.layers[4], { lr: 1e-3 });
  const [finding] = await preflight(model, cloudSet(60), { loss, optimizer });
  t.is(finding.id, 'parameters-not-held');
  t.is(finding.layer, '0.weight');
  class Idle extends Sequential {
    readonly spare = new Linear(3, 3);
    override children(): ReturnType<Sequential['children']> {
      return new Map([...super.children(), ['spare', this.spare]]);
    }
  }
  setSeed(1);
  const idle = new Idle([new Linear(10, 8), new ReLU(), new Linear(8, 4)]);
  const [unreached] = await preflight(idle, cloudSet(60), { loss, optimizer: new Adam(idle, { lr: 1e-3 }) });
  t.is(unreached.id, 'parameters-not-reached');
  t.is(unreached.layer, 'spare.weight');
});

/** Pictures as CIFAR-10 has them, 32 × 32 × 3 in ten classes, and the course's net: one hidden layer of 50. */
const pictures = (count: number): TensorDataset => {
  const random = new Seeded(8);
  const labels = Int32Array.from({ length: count }, (_, i) => i % 10);
  const colours = normals(random, 30);
  const data = normals(random, count * 3072).map((value, i) => 0.5 * value + colours[3 * labels[Math.floor(i / 3072)] + (i % 3)]);
  return new TensorDataset(Tensor.from(data, [count, 32, 32, 3]), Tensor.from(labels));
};
const fifty = (std?: number): Sequential => {
  setSeed(1);
  const init = std === undefined ? {} : { init: new Normal({ std }) };
  return new Sequential([new Flatten(), new Linear(3072, 50, init), new ReLU(), new Linear(50, 10, init)]);
};

test('[J01] the steps beside a run, on pictures of the shape of CIFAR-10: look, twenty examples by heart, then a rate that falls', async (t) => {
  const data = pictures(200);
  const model = fifty(0.01);
  t.deepEqual(await preflight(model, data, { loss, optimizer: new SGD(model, { lr: 1e-3 }), full: true }), []);
  const falls = [];
  for (const lr of [1e-6, 1e-2]) {
    const trained = fifty(0.01);
    const history = await trained.fit(data, { ...quiet, loss, optimizer: new SGD(trained, { lr, momentum: 0.9 }), epochs: 4 });
    falls.push((history.epochs[0].loss - history.epochs[3].loss) / history.epochs[0].loss);
    t.deepEqual(ids(history.findings), lr === 1e-6 ? ['learning-rate-too-low'] : []);
  }
  t.true(falls[0] < 0.01 && falls[1] > 0.3, `${falls}`);
});

test('[J04] with a penalty of 1e3 the first loss goes up from 2.3026', async (t) => {
  const model = fifty(1e-2);
  const { inputs, targets } = await pictures(20).batch(Int32Array.from({ length: 20 }, (_, i) => i));
  const plain = loss.forward(model.forward(inputs), targets).item();
  t.true(Math.abs(plain - 2.3026) < 0.5, `${plain}`);
  const penalty = new L2Regularizer(model, 1e3).penalty()!.item();
  t.true(plain + penalty > 2.3026 + 1, `${penalty}`);
});

test('[J05] twenty examples are learned by heart: a loss below 0.05, an accuracy of 1; and a model that cannot is told so', async (t) => {
  const data = pictures(20);
  const model = fifty();
  const history = await model.fit(data, { ...quiet, loss, optimizer: new Adam(model, { lr: 1e-3 }), epochs: 200, batchSize: 20 });
  t.true(history.last!.loss < 0.05);
  t.is(history.last!.metrics.accuracy, 1);
  setSeed(1);
  const narrow = new Sequential([new Flatten(), new Linear(3072, 2, { init: new Normal({ std: 1e-4 }) }), new ReLU(), new Linear(2, 10)]);
  (narrow.layers[1] as Linear).bias?.data.fill(-1e3);
  const found = await preflight(narrow, data, { loss, optimizer: new Adam(narrow, { lr: 1e-3 }), full: true });
  t.deepEqual(ids(found), ['dead-units']);
});

test('[J06] the advice for a run that does not learn begins with the learning rate', async (t) => {
  const random = new Seeded(2);
  // Codes, of which nobody can say what lies near to what.
  const signs = Tensor.from((cloudSet(600).inputs as Tensor).data.map(Math.sign), [600, 10]);
  const noise = new TensorDataset(signs, Tensor.from(Int32Array.from({ length: 600 }, () => random.integer(4))));
  setSeed(1);
  const model = new Sequential([new Linear(10, 4, { init: new Normal({ std: 0.01 }) })]);
  const history = await model.fit(noise, { ...quiet, loss, optimizer: new SGD(model, { lr: 0.02 }), epochs: 30, batchSize: 20 });
  t.deepEqual(ids(history.findings), ['underfitting']);
  t.regex(history.findings[0].advice, /^Try learning rates of 0\.2 and 0\.002 first/);
});

test('[J08] scores that differ by a hundredth have an accuracy of 1 at a loss of chance, and the history shows both', async (t) => {
  const labels = Int32Array.from({ length: 40 }, (_, i) => i % 10);
  const inputs = Tensor.from(
    Float32Array.from({ length: 400 }, (_, i) => (i % 10 === labels[Math.floor(i / 10)] ? 0.01 : 0)),
    [40, 10],
  );
  const model = new Sequential([new Linear(10, 10, { bias: false })]);
  model.prepare();
  (model.layers[0] as Linear).weight.data.set(Float32Array.from({ length: 100 }, (_, i) => Number(i % 11 === 0)));
  const { loss: value, metrics } = await model.evaluate(new TensorDataset(inputs, Tensor.from(labels)), { loss });
  t.is(metrics.accuracy, 1);
  t.true(value > 2.29 && value < 2.31, `${value}`);
});

test('wrong arguments are refused', async (t) => {
  const model = net();
  const good = { loss, optimizer: new Adam(model, { lr: 1e-3 }) };
  const wrong: readonly unknown[][] = [
    [null, cloudSet(8), good],
    [model, null, good],
    [model, cloudSet(8), { ...good, loss: 3 }],
    [model, cloudSet(8), { ...good, optimizer: 3 }],
    [model, cloudSet(8), { ...good, full: 1 }],
    [model, cloudSet(8), { ...good, batchSize: 0 }],
    [model, cloudSet(8), { ...good, epoch: 1 }],
    [model, new TensorDataset(cloudSet(1).inputs.slice(0, 0), Tensor.from(new Int32Array(0))), good],
  ];
  for (const [one, data, options] of wrong)
    await t.throwsAsync(preflight(one as never, data as never, options as never), { instanceOf: ArgumentError });
  const twice = net(4, [new Softmax()]);
  t.deepEqual(ids(await preflight(twice, cloudSet(60), { loss, optimizer: new Adam(twice, { lr: 1e-3 }) })), [
    'softmax-before-cross-entropy-on-logits',
  ]);
});

test('shapes that do not fit, which end the first step of fit, are a finding: in a layer, and between prediction and targets', async (t) => {
  const images = new TensorDataset(ones([8, 4, 4, 1]), Tensor.from(Int32Array.from({ length: 8 }, (_, i) => i % 3)));
  const unflattened = new Sequential([new Linear(16, 3)]);
  const wrong = new Sequential([new Linear(2, 3), new Linear(4, 1)]);
  const columns = new TensorDataset(ones([8, 2]), ones([8, 1]));
  const cases: [Sequential, AnyDataset, Loss, RegExp][] = [
    [unflattened, images, new CrossEntropyLoss(), /in layer '0'/],
    [wrong, columns, new MSELoss(), /in layer '1'/],
    [new Sequential([new Linear(2, 3)]), columns, new MSELoss(), /\[8, 3\]/],
  ];
  for (const [model, set, one, seen] of cases) {
    const found = await preflight(model, set, { loss: one, optimizer: new SGD(model, { lr: 0.1 }) });
    const fault = found.find(({ verdict }) => verdict === 'fault');
    t.regex(fault?.seen ?? 'nothing', seen);
    await t.throwsAsync(model.fit(set as never, { loss: one, optimizer: new SGD(model, { lr: 0.1 }), progress: false, log: false }));
  }
});

test('the options of a fit are options of a look ahead, and a misspelt one is refused', async (t) => {
  const model = fifty();
  const asFit = {
    ...quiet,
    loss,
    optimizer: new SGD(model, { lr: 1e-3 }),
    epochs: 3,
    batchSize: 8,
    seed: 1,
    dropLast: true,
    maxGradNorm: 1,
    regularizers: [new L2Regularizer(model, 1e-4)],
    callbacks: [{ onEpochEnd: () => undefined }],
    checkpoint: { dir: 'x' },
    sitter: 'fix',
  } as const;
  t.deepEqual(await preflight(model, pictures(40), asFit), []);
  await t.throwsAsync(preflight(model, pictures(40), { ...asFit, epoch: 3 } as never), { message: /unknown option `epoch`/ });
});
