// Parameters: values that depend on seed and path only, and gradients in slabs that behave like any other gradient.
import test from 'ava';
import { concat, DTypeError, fromBytes, He, Linear, ones, Parameter, Sequential, SGD, setSeed, type Tensor } from '../lib/index.js';
import { f32 } from './helpers/build.js';

test('a gradient set to null is gone: the next backward starts afresh', (t) => {
  const layer = new Linear(2, 1, { bias: false });
  const pull = () =>
    layer
      .forward(f32([1, 2], [1, 2]))
      .sum()
      .backward();
  pull();
  layer.weight.grad = null;
  pull();
  t.deepEqual([...(layer.weight.grad as unknown as Parameter).data], [1, 2]);
});

test('parameters that are read before their model is used still differ from each other', (t) => {
  setSeed(1);
  const [first, second] = [new Linear(8, 8), new Linear(8, 8)];
  const early = [first, second].map((layer) => [...layer.weight.data]);
  t.notDeepEqual(early[0], early[1], 'read one by one');
  const [third, fourth] = [new Linear(8, 8), new Linear(8, 8)];
  new SGD([third.weight, fourth.weight], { lr: 0.1 });
  t.notDeepEqual([...third.weight.data], [...fourth.weight.data], 'given to an optimizer');
  const [fifth, sixth] = [0, 1].map(() => new Parameter([64], { init: new He() }));
  t.notDeepEqual([...fifth.data], [...sixth.data], 'made without a layer');
});

test('reading a parameter early gives the value that it has in its model', (t) => {
  const build = () => {
    setSeed(2);
    const layers = [new Linear(8, 8), new Linear(8, 8)];
    return { layers, model: new Sequential(layers) };
  };
  const late = build();
  late.model.prepare();
  const early = build();
  t.deepEqual([...early.layers[1].weight.data], [...late.layers[1].weight.data]);
});

test('what is moved out of a parameter that is stored as bfloat16 is float32 for arithmetic, as the parameter is', (t) => {
  setSeed(1);
  const { weight, bias } = new Linear(3, 2).to('bfloat16');
  const [wide, narrow] = [weight.to('float32'), bias as Parameter];
  const cases: Record<string, (w: Tensor) => Tensor> = {
    number: (w) => w.add(1),
    tensor: (w) => w.add(ones([1])),
    transpose: (w) => w.transpose().mul(2),
    reshape: (w) => w.reshape([6]).slice(1).abs(),
    detach: (w) =>
      w
        .detach()
        .clone()
        .matmul(ones([2, 1])),
    reduction: (w) => w.transpose().sum(0),
    mean: (w) => w.mean(),
    largest: (w) => w.max(1),
    joined: (w) => concat([w, ones([1, 2])]),
    rows: (w) => w.gather([1, 0]),
  };
  for (const [name, of] of Object.entries(cases)) {
    const found = of(weight as Tensor);
    t.is(found.dtype, 'float32', name);
    t.deepEqual(found.toArray(), of(wide).toArray(), name);
  }
  t.is(weight.transpose().dtype as string, 'bfloat16');
  t.deepEqual(
    weight
      .transpose()
      .less(narrow.reshape([2, 1]))
      .toArray(),
    wide
      .transpose()
      .less(narrow.to('float32').reshape([2, 1]))
      .toArray(),
  );
  // A tensor that somebody rounded is none: nothing mixes silently.
  t.throws(() => (wide.to('bfloat16').transpose() as unknown as Tensor).add(1), { instanceOf: DTypeError });
  t.throws(() => weight.add(wide.to('bfloat16') as never), { instanceOf: DTypeError, message: /float32 and bfloat16 do not mix/ });
});

test('what was frozen before or while a model is stored as bfloat16 is frozen in float32 again, and nothing else', (t) => {
  const stateOf = (model: Sequential): boolean[] => model.parameters().map(({ requiresGrad }) => requiresGrad);
  const made = (): Sequential => new Sequential([new Linear(3, 3), new Linear(3, 3), new Linear(3, 3)]);
  const before = made();
  (before.layers[0] as Linear).freeze();
  ((before.layers[2] as Linear).bias as Parameter).requiresGrad = false;
  before.to('bfloat16');
  t.false(stateOf(before).some(Boolean));
  const copy = before.clone();
  for (const model of [before.to('float32'), copy.to('float64')]) {
    t.deepEqual(stateOf(model), [false, false, true, true, true, false]);
    t.deepEqual(
      model.layers.map(({ frozen }) => frozen),
      [true, false, false],
    );
  }
  const meanwhile = made().to('bfloat16').freeze();
  (meanwhile.layers[1] as Linear).unfreeze();
  t.false(stateOf(meanwhile).some(Boolean), 'in bfloat16 nothing is trained');
  t.deepEqual(stateOf(meanwhile.to('float32')), [false, false, true, true, false, false]);
  t.deepEqual(stateOf((fromBytes(made().to('bfloat16').toBytes()) as unknown as Sequential).to('float32')), new Array(6).fill(true));
});
