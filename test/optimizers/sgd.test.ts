// SGD with momentum, Nesterov's form and weight decay: the contract, and what is its own.
import test from 'ava';
import { ArgumentError, SGD } from '../../lib/index.js';
import { optimizerContract } from '../contracts/optimizer.js';
import { f64, leaf } from '../helpers/build.js';

test('SGD keeps the optimizer contract', (t) =>
  optimizerContract(t, {
    name: 'SGD',
    create: (target, options) => new SGD(target, options),
    options: { lr: 0.1, momentum: 0.9, weightDecay: 0.01 },
    refuses: [
      [{ lr: -0.1 }, /lr/],
      [{ lr: NaN }, /lr/],
      [{ momentum: -0.1 }, /momentum/],
      [{ momentum: 'a lot' }, /momentum/],
      [{ weightDecay: -1 }, /weightDecay/],
    ],
  }));

test("Nesterov's form needs momentum and no dampening", (t) => {
  const parameter = leaf(f64([1]));
  t.throws(() => new SGD([parameter] as never, { lr: 0.1, nesterov: true }), { instanceOf: ArgumentError, message: /momentum/ });
  t.throws(() => new SGD([parameter] as never, { lr: 0.1, nesterov: true, momentum: 0.9, dampening: 0.1 }), {
    instanceOf: ArgumentError,
    message: /dampening/,
  });
  t.notThrows(() => new SGD([parameter] as never, { lr: 0.1, nesterov: true, momentum: 0.9 }));
});
