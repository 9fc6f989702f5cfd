// SGD with momentum, Nesterov's form and weight decay.
import test from 'ava';
import { ArgumentError, SGD } from '../../lib/index.js';
import { f64, leaf } from '../helpers/build.js';

test("Nesterov's form needs momentum and no dampening", (t) => {
  const parameter = leaf(f64([1]));
  t.throws(() => new SGD([parameter] as never, { lr: 0.1, nesterov: true }), { instanceOf: ArgumentError, message: /momentum/ });
  t.throws(() => new SGD([parameter] as never, { lr: 0.1, nesterov: true, momentum: 0.9, dampening: 0.1 }), {
    instanceOf: ArgumentError,
    message: /dampening/,
  });
  t.notThrows(() => new SGD([parameter] as never, { lr: 0.1, nesterov: true, momentum: 0.9 }));
});

test('a step that would have to wait for its closure is refused, and changes nothing', (t) => {
  const parameter = leaf(f64([1]));
  parameter.mul(2).sum().backward();
  const optimizer = new SGD([parameter] as never, { lr: 0.1 });
  t.throws(() => optimizer.step(async () => Promise.reject(new Error('later'))), { instanceOf: ArgumentError, message: /closure.*promise/ });
  t.deepEqual([optimizer.steps, parameter.item()], [0, 1]);
});
