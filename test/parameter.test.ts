// Parameters: values that depend on seed and path only, and gradients in slabs that behave like any other gradient.
import test from 'ava';
import { He, Linear, Parameter, Sequential, SGD, setSeed } from '../lib/index.js';
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
