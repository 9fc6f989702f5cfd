// RNN, LSTM and GRU over sequences: the contract, sequences of different length, states in and out, and every way to run them.
import test from 'ava';
import {
  Adam,
  ArgumentError,
  DTypeError,
  GRU,
  LSTM,
  Linear,
  RNN,
  type Recurrent,
  SGD,
  Sequential,
  ShapeError,
  Tensor,
  compileStep,
  fromBytes,
  getNumThreads,
  mseLoss,
  multiplyAccumulates,
  noGrad,
  ones,
  sequenceMask,
  setSeed,
  setNumThreads,
} from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32, f64, i32, leaf } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

const draw = (shape: readonly number[], seed = 1): Tensor =>
  f32(
    new Seeded(seed).uniform(
      shape.reduce((a, b) => a * b, 1),
      -1,
      1,
    ),
    shape,
  );
const part = (x: Tensor, from: number, to: number): Tensor => x.slice([0, from, 0], [x.shape[0], to, x.shape[2]]);
const bytes = (values: readonly number[], shape: readonly number[]) => Tensor.from(Uint8Array.from(values), [...shape]) as Tensor<'uint8'>;

const nets: [name: string, make: () => Recurrent][] = [
  ['RNN', () => new RNN(3, 4)],
  ['RNN with ReLU, both directions', () => new RNN(3, 4, { activation: 'relu', bidirectional: true })],
  ['LSTM, two layers', () => new LSTM(3, 4, { layers: 2 })],
  ['LSTM with a projection, both directions', () => new LSTM(3, 4, { projection: 2, layers: 2, bidirectional: true })],
  ['GRU', () => new GRU(3, 4)],
  ['GRU, reset before the product, both directions', () => new GRU(3, 4, { resetAfter: false, bidirectional: true })],
];

test('RNN keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new RNN(3, 4),
    inputShape: [2, 3, 3],
    outputShape: [2, 3, 4],
    parameters: { 'cells.0.inputWeight': [3, 4], 'cells.0.recurrentWeight': [4, 4], 'cells.0.bias': [4] },
    refuses: [
      [[2, 3, 4], /\[RNN\] expected x \[batch, time, features\] with 3 features/],
      [[2, 3], /One example needs a batch dimension: x\.reshape\(\[1, 2, 3\]\)/],
    ],
  });
});

test('LSTM keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new LSTM(2, 2, { layers: 2, projection: 1, bidirectional: true, returns: 'last' }),
    inputShape: [2, 3, 2],
    outputShape: [2, 2],
    parameters: Object.fromEntries(
      [0, 1, 2, 3].flatMap((i) => [
        [`cells.${i}.inputWeight`, [2, 8]],
        [`cells.${i}.recurrentWeight`, [1, 8]],
        [`cells.${i}.bias`, [8]],
        [`cells.${i}.projection`, [2, 1]],
      ]),
    ),
  });
});

test('GRU keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new GRU(2, 3, { bidirectional: true }),
    inputShape: [2, 2, 2],
    outputShape: [2, 2, 6],
    parameters: Object.fromEntries(
      [0, 1].flatMap((i) => [
        [`cells.${i}.inputWeight`, [2, 9]],
        [`cells.${i}.recurrentWeight`, [3, 9]],
        [`cells.${i}.bias`, [9]],
        [`cells.${i}.recurrentBias`, [3]],
      ]),
    ),
  });
});

for (const [name, make] of nets) {
  test(`an example alone, without padding, has the bits it has in a padded batch: ${name}`, (t) => {
    const net = make();
    const lengths = [5, 2, 0, 4];
    const x = draw([4, 5, 3]);
    const run = net.run(x, { lengths });
    const masked = net.run(x, { mask: sequenceMask(i32(lengths), 5) });
    identical(t, masked.output, run.output, 'a mask is what lengths make');
    for (const [i, length] of lengths.entries()) {
      const own = run.output.slice([i], [i + 1]);
      t.true(
        [...part(own, length, 5).data].every((value) => Object.is(value, 0)),
        'zeros in padding',
      );
      if (length === 0) {
        for (const state of run.state) t.true([...state.slice([0, i], [state.shape[0], i + 1]).data].every((value) => value === 0));
        continue;
      }
      const alone = net.run(part(x.slice([i], [i + 1]), 0, length));
      identical(t, part(own, 0, length), alone.output, `outputs of example ${i}`);
      for (const [k, state] of run.state.entries())
        identical(t, state.slice([0, i], [state.shape[0], i + 1]), alone.state[k], `state of example ${i}`);
    }
  });

  test(`nothing flows back into padding, and its numbers do not count: ${name}`, (t) => {
    const net = make();
    const gradients = (padding: number) => {
      const values = draw([2, 4, 3]);
      values.data.fill(padding, 6, 12);
      const x = leaf(values);
      const { output, state } = net.run(x, { lengths: [2, 4] });
      for (const parameter of net.parameters()) parameter.grad?.data.fill(0);
      state.reduce((sum, each) => sum.add(each.sum()), output.sum()).backward();
      return [x.grad as Tensor, ...net.parameters().map(({ grad }) => (grad as Tensor).clone())];
    };
    const [zeros, sevens] = [gradients(0), gradients(7)];
    t.true([...zeros[0].data.subarray(6, 12)].every((value) => value === 0));
    for (const [i, gradient] of zeros.entries()) identical(t, gradient, sevens[i], `gradient ${i}`);
  });

  test(`eager, sync and awaited steps train to the same bits, by one thread and by several: ${name}`, async (t) => {
    const before = getNumThreads();
    const train = async (way: 'eager' | 'sync' | 'awaited', threads: number) => {
      setNumThreads(threads);
      setSeed(5);
      const model = new Sequential([make(), new Linear(make().outFeatures, 2)]);
      const optimizer = new Adam(model, { lr: 0.01 });
      const body = (x: Tensor, target: Tensor) => {
        const loss = mseLoss(model.forward(x), target);
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
        return loss;
      };
      const step = compileStep(body);
      const losses: number[] = [];
      for (let i = 0; i < 3; i++) {
        const [x, target] = [draw([9, 20, 3], i + 1), draw([9, 20, 2], i + 50)];
        losses.push((way === 'eager' ? body(x, target) : way === 'sync' ? step.sync(x, target) : await step(x, target)).item());
      }
      step.dispose();
      return { losses, weights: model.parameters().map((parameter) => [...parameter.data]) };
    };
    try {
      const eager = await train('eager', 1);
      for (const way of ['eager', 'sync', 'awaited'] as const) {
        for (const threads of [1, 2, 3]) t.deepEqual(await train(way, threads), eager, `${way}, ${threads} threads`);
      }
      t.true(eager.losses[2] !== eager.losses[0]);
    } finally {
      setNumThreads(before);
    }
  });

  test(`two halves of a sequence, the state handed on, give the bits of the whole: ${name}`, (t) => {
    const net = make();
    if (net.bidirectional) return t.pass('what reads from the end cannot be cut');
    const x = draw([3, 6, 3]);
    const whole = net.run(x);
    const first = net.run(part(x, 0, 2));
    const second = net.run(part(x, 2, 6), { state: first.state });
    identical(t, part(whole.output, 0, 2), first.output);
    identical(t, part(whole.output, 2, 6), second.output);
    for (const [i, state] of second.state.entries()) identical(t, state, whole.state[i]);
  });

  test(`saved and built again it is the same layer: ${name}`, async (t) => {
    const net = make();
    const x = draw([2, 3, 3]);
    const y = net.forward(x);
    identical(t, net.clone().forward(x), y);
    const again = (await fromBytes(new Sequential([net]).toBytes())) as Sequential;
    identical(t, again.forward(x), y);
    t.deepEqual((again.namedLayers().get('0') as Recurrent).config(), net.config());
  });
}

test('the last output is the state that each example ends with, of both directions side by side', (t) => {
  const options = { layers: 2, bidirectional: true } as const;
  setSeed(3);
  const net = new LSTM(3, 4, { ...options, returns: 'last' });
  const x = draw([2, 5, 3]);
  const { output, state } = net.run(x, { lengths: [5, 3] });
  const last = net.forward(x, { lengths: [5, 3] });
  t.deepEqual([...last.shape], [2, 8]);
  for (const [i, length] of [5, 3].entries()) {
    const row = output.slice([i], [i + 1]);
    identical(
      t,
      last.slice([i, 0], [i + 1, 4]).reshape([4]),
      row.slice([0, length - 1, 0], [1, length, 4]).reshape([4]),
      'forward ends at its length',
    );
    identical(t, last.slice([i, 4], [i + 1, 8]).reshape([4]), row.slice([0, 0, 4], [1, 1, 8]).reshape([4]), 'backward ends at the start');
  }
  identical(t, last.slice([0, 0], [2, 4]), state[0].slice([2], [3]).reshape([2, 4]));
});

test('with carries the last states of a batch are the first of the next, no gradient passes between, and a compiled step does the same', async (t) => {
  const pieces = [0, 2, 4].map((at) => [at, at + 2]);
  const x = draw([2, 6, 3]);
  const target = draw([2, 6, 4], 7);
  const train = async (way: 'by hand' | 'carried' | 'compiled') => {
    setSeed(8);
    const net = new LSTM(3, 4, way === 'by hand' ? {} : { carries: 2 });
    const optimizer = new SGD(net, { lr: 0.1 });
    let state: Tensor[] | undefined;
    const body = (input: Tensor, wanted: Tensor) => {
      const run = net.run(input, way === 'by hand' ? { state } : {});
      state = run.state.map((each) => each.detach());
      const loss = mseLoss(run.output, wanted);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return loss;
    };
    const step = compileStep(body);
    const losses: number[] = [];
    for (const [from, to] of pieces) {
      const given = [part(x, from, to), part(target, from, to)] as const;
      losses.push((way === 'compiled' ? await step(...given) : body(...given)).item());
    }
    step.dispose();
    return { losses, net };
  };
  const [byHand, carried, compiled] = [await train('by hand'), await train('carried'), await train('compiled')];
  t.deepEqual(carried.losses, byHand.losses);
  t.deepEqual(compiled.losses, byHand.losses);
  for (const [path, value] of byHand.net.namedParameters()) identical(t, compiled.net.namedParameters().get(path) as Tensor, value, path);
  const { net } = carried;
  t.true([...net.carried[0].data].some((value) => value !== 0));
  const evaluated = net.eval().forward(x);
  identical(t, net.forward(x), evaluated, 'evaluation begins with zeros, and keeps nothing');
  t.throws(() => net.train().forward(draw([3, 2, 3])), { instanceOf: ShapeError, message: /batches of 2 examples/ });
  net.resetState();
  t.true(net.carried.every(({ data }) => data.every((value: number) => value === 0)));
  identical(t, net.forward(x), evaluated, 'from zeros again');
  t.throws(() => new RNN(2, 2, { carries: 2, bidirectional: true }), { instanceOf: ArgumentError, message: /bidirectional/ });
});

test('dropout stands between layers only, and in training only', (t) => {
  const net = new GRU(3, 8, { layers: 2, dropout: 0.5 });
  const x = draw([4, 6, 3]);
  t.notDeepEqual([...net.forward(x).data], [...net.forward(x).data]);
  t.deepEqual([...net.eval().forward(x).data], [...net.forward(x).data]);
  t.is(new GRU(3, 8, { dropout: 0.5 }).dropout, null);
});

test('empty batches, no steps and single steps are no special cases', (t) => {
  for (const [, make] of nets) {
    const net = make();
    t.deepEqual([...net.run(ones([0, 3, 3])).output.shape], [0, 3, net.outFeatures]);
    const state = net.run(draw([2, 1, 3])).state;
    const none = net.run(ones([2, 0, 3]), { state });
    t.deepEqual([...none.output.shape], [2, 0, net.outFeatures]);
    for (const [i, each] of none.state.entries()) identical(t, each, state[i], 'no step leaves the state alone');
  }
});

test('without first states the first step has no product with them: weights of the state do not count in it', (t) => {
  for (const [name, make] of nets) {
    const net = make();
    const x = draw([2, 1, 3]);
    const output = net.forward(x);
    for (const cell of net.cells) (cell as unknown as { recurrentWeight: Tensor }).recurrentWeight.data.fill(Number.NaN);
    identical(t, net.forward(x), output, name);
    t.true([...net.forward(draw([2, 2, 3])).data].some(Number.isNaN), `${name}: but in the second`);
  }
});

test('what does not fit is refused in words', (t) => {
  const net = new LSTM(3, 4);
  const x = draw([2, 5, 3]);
  const refuse = (options: object, instanceOf: new (...given: never[]) => Error, message: RegExp) =>
    t.throws(() => net.run(x, options), { instanceOf: instanceOf as never, message });
  refuse({ lengths: [5] }, ShapeError, /expected 2 lengths, one for each example, received 1/);
  refuse({ lengths: [5, 6] }, ArgumentError, /lengths\[1\]/);
  refuse({ lengths: i32([5, 6]) }, ArgumentError, /length 6 at row 1/);
  refuse({ lengths: i32([-1, 5]) }, ArgumentError, /length -1 at row 0/);
  refuse({ lengths: f32([5, 5]) }, ArgumentError, /int32/);
  refuse({ mask: bytes(new Array(10).fill(1), [5, 2]) }, ShapeError, /mask of shape \[2, 5\], received \[5, 2\]/);
  refuse({ mask: ones([2, 5]) }, ArgumentError, /uint8/);
  refuse({ mask: bytes(new Array(10).fill(1), [2, 5]), lengths: [1, 1] }, ArgumentError, /give one of them/);
  refuse({ state: [ones([1, 2, 4])] }, ArgumentError, /a list of 2 tensors/);
  refuse({ state: [ones([1, 2, 4]), ones([2, 2, 4])] }, ShapeError, /received \[2, 2, 4\] as options\.state\[1\]/);
  refuse({ state: [f64(new Float64Array(8), [1, 2, 4]), ones([1, 2, 4])] }, DTypeError, /float/);
  refuse({ states: [] }, ArgumentError, /states/);
  t.throws(() => new LSTM(3, 4, { layers: 0 }), { instanceOf: ArgumentError });
  t.throws(() => new LSTM(3, 0), { instanceOf: ArgumentError, message: /hiddenFeatures/ });
  t.throws(() => new LSTM(3, 4, { activation: 'relu' } as never), { instanceOf: ArgumentError, message: /activation/ });
  t.throws(() => new RNN(3, 4, { activation: 'elu' as never }), { instanceOf: ArgumentError });
});

test('a compiled step refuses lengths that do not fit, and goes on', async (t) => {
  const net = new GRU(2, 3);
  const step = compileStep((x: Tensor, lengths: Tensor<'int32'>) => noGrad(() => net.run(x as Tensor, { lengths }).output));
  const x = draw([2, 4, 2]);
  identical(t, await step(x, i32([4, 1]) as never), net.run(x, { lengths: [4, 1] }).output);
  await t.throwsAsync(async () => step(x, i32([4, 5]) as never), { message: /length 5 at row 1/ });
  identical(t, await step(x, i32([2, 3]) as never), net.run(x, { lengths: [2, 3] }).output);
  step.dispose();
});

test('products are counted: those of the inputs, and in every step those of the state', (t) => {
  t.is(multiplyAccumulates(new LSTM(3, 4), { inputShape: [5, 3] }), 5 * (3 * 16 + 4 * 16));
  t.is(multiplyAccumulates(new LSTM(3, 4, { projection: 2 }), { inputShape: [5, 3] }), 5 * (3 * 16 + 2 * 16 + 4 * 2));
  t.is(multiplyAccumulates(new GRU(3, 4), { inputShape: [5, 3] }), 5 * (3 * 12 + 4 * 12));
});
