// SGD with momentum, Nesterov's form and weight decay.
import test from 'ava';
import { ArgumentError, Linear, SGD } from '../../lib/index.js';
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

test('an option that is set on a group or on the optimizer counts, and nothing else is taken there', (t) => {
  const model = new Linear(1, 1);
  const optimizer = new SGD(model, { lr: 0.1 }) as SGD & { weightDecay: number; momentum: unknown };
  const [group] = optimizer.groups as unknown as [Record<string, unknown>];
  group.lr = 0.5;
  t.is(optimizer.lr, 0.5);
  t.is(group.lr, 0.5);
  optimizer.weightDecay = 0.25;
  t.is(optimizer.groups[0].options.weightDecay, 0.25);
  t.is(optimizer.weightDecay, 0.25);
  t.throws(() => (group.rate = 1), { instanceOf: ArgumentError, message: /rate/ });
  t.throws(() => (group.lr = -1), { instanceOf: ArgumentError, message: /lr/ });
  t.throws(() => (optimizer.momentum = 'much'), { instanceOf: ArgumentError, message: /momentum/ });
  t.throws(() => (group.parameters = []), { instanceOf: ArgumentError, message: /parameters/ });
  t.is(optimizer.lr, 0.5);
});
