// Batches that are trees of tensors: several inputs, several targets, weights of examples, from every kind of data set.
import test from 'ava';
import {
  Adam,
  ArgumentError,
  type AsyncDataset,
  CombinedLoss,
  CrossEntropyLoss,
  compileStep,
  DataLoader,
  type Dataset,
  evaluate,
  fit,
  Linear,
  Loss,
  Model,
  MSELoss,
  mseLoss,
  predict,
  relu,
  SGD,
  ShapeError,
  setSeed,
  split,
  subset,
  Tensor,
  TensorDataset,
  TreeDataset,
} from '../../lib/index.js';
import { f32, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

type Input = { readonly sequence: Tensor; readonly lengths: Tensor<'int32'> };
type Output = { readonly kind: Tensor; readonly size: Tensor };

/** Takes rows of numbers of which only the first few count, and gives a class and a number. */
class TwoHeads extends Model<Input, Output> {
  readonly body = new Linear(3, 8);
  readonly kind = new Linear(8, 2);
  readonly size = new Linear(8, 1);
  forward({ sequence, lengths }: Input): Output {
    const places = i32([0, 1, 2]);
    const counts = places.less(lengths.reshape([-1, 1]));
    const inner = relu(this.body.forward(sequence.mul(counts.to('float32'))));
    return { kind: this.kind.forward(inner), size: this.size.forward(inner) };
  }
}

const examples = 37;
const random = new Seeded(3);
const sequence = f32(random.uniform(examples * 3, -1, 1), [examples, 3]);
const lengths = i32(Array.from({ length: examples }, () => 1 + random.integer(3)));
const kinds = i32(Array.from({ length: examples }, () => random.integer(2)));
const sizes = f32(random.uniform(examples, -1, 1), [examples, 1]);
const weights = f32(random.uniform(examples, 0.5, 2));

const whole = new TreeDataset({ inputs: { sequence, lengths }, targets: { size: sizes, kind: kinds }, weights, name: 'heads' });
type Pieces = { inputs: typeof whole.inputs; targets: typeof whole.targets };
/** The same examples, fetched batch by batch, at once and later; names in another order. */
const fetched: Dataset<Pieces['inputs'], Pieces['targets']> = {
  name: 'heads',
  length: examples,
  inputShape: whole.inputShape,
  targetShape: whole.targetShape,
  batch: (indices) => {
    const { inputs, targets, weights: own } = whole.batch(indices);
    return { weights: own as Tensor, targets, inputs: { lengths: inputs.lengths, sequence: inputs.sequence } };
  },
};
const later: AsyncDataset<Pieces['inputs'], Pieces['targets']> = { ...fetched, batch: async (indices) => fetched.batch(indices) };
const quiet = { progress: false, log: false } as const;
const loss = () => new CombinedLoss({ kind: new CrossEntropyLoss(), size: [new MSELoss(), 0.5] });

async function trained(data: typeof fetched | typeof later, options: { eager?: boolean } = {}): Promise<[TwoHeads, number[]]> {
  setSeed(11);
  const model = new TwoHeads();
  const optimizer = new Adam(model, { lr: 0.01 });
  const history = await model.fit(data, { loss: loss(), optimizer, epochs: 3, batchSize: 8, seed: 5, validation: data, ...quiet, ...options });
  return [model, history.epochs.flatMap((epoch) => [epoch.loss, epoch.validation?.loss as number])];
}

const numbersOf = (model: Model<never, unknown>): number[] => model.parameters().flatMap((parameter) => [...parameter.data]);

test('fit takes trees of inputs and targets and weights of examples, with the same bits from memory, by batch, later and eagerly', async (t) => {
  const [model, losses] = await trained(whole);
  t.true(losses[4] < losses[0]);
  for (const [data, options] of [
    [whole, { eager: true }],
    [fetched, {}],
    [fetched, { eager: true }],
    [later, {}],
  ] as const) {
    const [other, same] = await trained(data, options);
    t.deepEqual(same, losses);
    t.deepEqual(numbersOf(other as never), numbersOf(model as never));
  }
});

test('a step of a tree is the step by hand', async (t) => {
  const [first, second] = [0, 1].map(() => {
    setSeed(4);
    const model = new TwoHeads();
    return { model, optimizer: new SGD(model, { lr: 0.5 }) };
  });
  await first.model.fit(whole, { loss: loss(), optimizer: first.optimizer, batchSize: examples, shuffle: false, ...quiet });
  loss().forward(second.model.forward(whole.inputs), whole.targets, weights).backward();
  second.optimizer.step();
  t.deepEqual(numbersOf(first.model as never), numbersOf(second.model as never));
});

test('evaluate and predict take trees; predictions come back as the tree that the model gives', async (t) => {
  setSeed(6);
  const model = new TwoHeads();
  const { loss: value } = await model.evaluate(whole, { loss: loss(), batchSize: 5 });
  const single = await model.evaluate(whole, { loss: loss(), batchSize: examples });
  t.true(Number.isFinite(value) && Number.isFinite(single.loss));
  close(t, [single.loss], [loss().forward(model.forward(whole.inputs), whole.targets, weights).item()], { relative: 1e-6 });
  const expected = model.eval().forward(whole.inputs);
  for (const [data, batchSize] of [
    [whole, 5],
    [whole.inputs, 5],
    [whole.inputs, 64],
    [later, 16],
  ] as const) {
    const { kind, size } = await model.predict<Output>(data, { batchSize });
    t.deepEqual([...kind.data], [...expected.kind.data]);
    t.deepEqual([...size.data], [...expected.size.data]);
  }
});

test('loaders, parts of a set and steps on a loader take trees', async (t) => {
  const loader = new DataLoader(whole, { batchSize: 10 });
  const [[inputs, targets, own]] = [...loader];
  t.deepEqual([...inputs.lengths.data], [...lengths.data.slice(0, 10)]);
  t.deepEqual([...targets.kind.data], [...kinds.data.slice(0, 10)]);
  t.deepEqual([...(own as Tensor).data], [...weights.data.slice(0, 10)]);
  const step = compileStep((x: Input, y: { size: Tensor; kind: Tensor }, w: Tensor) => ({
    sum: x.sequence.sum().add(y.size.sum()),
    mass: w.sum(),
    places: [x.lengths.to('float32').sum()],
  }));
  const results = await step.many(new DataLoader(whole, { batchSize: 10 }));
  t.is(results.length, 4);
  close(t, [results.reduce((sum, { mass }) => sum + mass.item(), 0)], [weights.sum().item()], { relative: 1e-6 });
  const part = subset(whole, [3, 1]);
  t.deepEqual([...part.batch(i32([0, 1]).data).inputs.lengths.data], [lengths.data[3], lengths.data[1]]);
  t.is(split(whole, [30, 7], { seed: 1 })[1].length, 7);
  const inMemory = step.sync(inputs, targets as never, own as Tensor);
  close(t, inMemory.mass, results[0].mass, { relative: 0 });
});

test('a compiled step records once for each structure of its arguments', async (t) => {
  let recorded = 0;
  const step = compileStep((x: { a: Tensor; b?: Tensor } | readonly Tensor[]) => {
    recorded += 1;
    return Array.isArray(x) ? x[0].mul(3) : (x as { a: Tensor }).a.mul(2);
  });
  const [a, b] = [f32([1, 2]), f32([3, 4])];
  t.deepEqual([...(await step({ a, b })).data], [2, 4]);
  t.deepEqual([...(await step({ b, a })).data], [2, 4]);
  t.is(recorded, 1);
  t.deepEqual([...(await step([a, b])).data], [3, 6]);
  t.is(recorded, 2);
  t.throws(() => step.sync({ a, b: 'x' } as never), { instanceOf: ArgumentError, message: /inputs\[0\]\.b/ });
});

test('weights go to losses that take them, and others are refused', async (t) => {
  const [x, y] = [f32([1, 2, 3], [3, 1]), f32([2, 2, 2], [3, 1])];
  const data = new TreeDataset({ inputs: x, targets: y, weights: f32([0, 0, 5]) });
  const model = new Linear(1, 1);
  const { loss: weighted } = await evaluate(model, data, { loss: new MSELoss() });
  close(t, [weighted], [mseLoss(model.forward(x.slice(2)), y.slice(2)).item()], { relative: 1e-6 });
  class Own extends Loss {
    forward(prediction: Tensor, target: Tensor): Tensor {
      return mseLoss(prediction, target);
    }
  }
  await t.throwsAsync(evaluate(model, data, { loss: new Own() }), { instanceOf: ArgumentError, message: /Own\.forward.*third parameter/ });
  const optimizer = new SGD(model, { lr: 0.1 });
  await t.throwsAsync(fit(model, data, { loss: new Own(), optimizer, ...quiet }), { instanceOf: ArgumentError, message: /weights/ });
});

test('trees that do not fit are refused in words', async (t) => {
  t.throws(() => new TreeDataset({ inputs: { a: f32([1, 2]), b: f32([1]) }, targets: f32([1, 2]) }), {
    instanceOf: ShapeError,
    message: /`parts\.inputs\.b`, received \[1\]/,
  });
  t.throws(() => new TreeDataset({ inputs: { a: 3 } as never, targets: f32([1]) }), { instanceOf: ArgumentError, message: /parts\.inputs\.a/ });
  t.throws(() => new TreeDataset({ inputs: {}, targets: f32([1]) }), { instanceOf: ArgumentError, message: /at least one tensor/ });
  t.throws(() => new TreeDataset({ inputs: f32([1]), targets: f32([1]), weights: f32([1, 2]) }), {
    instanceOf: ShapeError,
    message: /weights/,
  });
  const model = new TwoHeads();
  const wrong: Dataset<Pieces['inputs'], 'int32'> = {
    name: 'wrong',
    length: 4,
    inputShape: [3],
    targetShape: [],
    batch: (indices) => ({ inputs: { sequence: sequence.slice(0, 4), lengths: lengths.slice(0, 3) }, targets: kinds.slice(0, indices.length) }),
  };
  await t.throwsAsync(model.predict(wrong), { instanceOf: ShapeError, message: /'wrong' was asked for 4 examples.*inputs\.lengths/ });
  await t.throwsAsync(model.predict({ sequence, lengths: lengths.slice(0, 3) }), {
    instanceOf: ShapeError,
    message: /`inputs\.(lengths|sequence)`/,
  });
  const named = { ...fetched, inputShape: { sequence: [4], lengths: [] } };
  await t.throwsAsync(model.predict(named), { instanceOf: ShapeError, message: /'heads' names the inputShape/ });
});

test('a plain data set stays plain: two tensors, and no weights', async (t) => {
  const data = new TensorDataset(sequence, kinds);
  for (const pair of new DataLoader(data, { batchSize: 16 })) t.is(pair.length, 2);
  t.true((await predict(new Linear(3, 2), sequence)) instanceof Tensor);
});
