// The maxout layer: the contract, and that the largest piece wins.
import test from 'ava';
import { ArgumentError, Maxout } from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32 } from '../helpers/build.js';

test('Maxout keeps the layer contract', (t) => {
  layerContract(t, {
    create: () => new Maxout(4, 3),
    inputShape: [3, 4],
    outputShape: [3, 3],
    parameters: { 'linear.weight': [4, 6], 'linear.bias': [6] },
    refuses: [[[2, 5], /4/]],
  });
  layerContract(t, {
    create: () => new Maxout(2, 2, { pieces: 4 }),
    inputShape: [2, 3, 2],
    outputShape: [2, 3, 2],
    parameters: { 'linear.weight': [2, 8], 'linear.bias': [8] },
  });
});

test('a unit takes its own pieces: columns of the weight lie piece by piece', (t) => {
  const layer = new Maxout(1, 2, { pieces: 2 });
  layer.linear.weight.data.set([1, 10, -1, 20]);
  t.deepEqual([...layer.forward(f32([3, -3], [2, 1])).data], [3, 60, 3, -30]);
  t.throws(() => new Maxout(1, 2, { pieces: 0 }), { instanceOf: ArgumentError, message: /options\.pieces/ });
});
