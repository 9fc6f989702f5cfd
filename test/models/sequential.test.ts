// Stacks of layers: the contract, paths, and numbers that a neighbour does not change.
import { inspect } from 'node:util';
import test from 'ava';
import {
  ArgumentError,
  Flatten,
  Layer,
  Linear,
  Parameter,
  ReLU,
  Sequential,
  type Tensor,
  Zeros,
  ones,
  tensor,
  setSeed,
  Sigmoid,
  Tanh,
} from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { f32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { moments } from '../helpers/seeded.js';

test('Sequential keeps the layer contract', (t) =>
  layerContract(t, {
    create: () => new Sequential([new Linear(4, 5), new Tanh(), new Linear(5, 3)]),
    inputShape: [3, 4],
    outputShape: [3, 3],
    parameters: { '0.weight': [4, 5], '0.bias': [5], '2.weight': [5, 3], '2.bias': [3] },
    refuses: [[[3, 5], /layer '0'.*expected 4 input features/]],
  }));

test('a stack inside a stack keeps the layer contract, its paths nested', (t) =>
  layerContract(t, {
    create: () => new Sequential([new Sequential([new Linear(3, 3, { bias: false }), new Sigmoid()]), new Linear(3, 2)]),
    inputShape: [2, 3],
    outputShape: [2, 2],
    parameters: { '0.0.weight': [3, 3], '1.weight': [3, 2], '1.bias': [2] },
    refuses: [[[2, 2], /layer '0\.0'/]],
  }));

test('an empty stack is the identity', (t) => {
  const x = f32([1, 2, 3, 4], [2, 2]);
  identical(t, new Sequential([]).forward(x), x);
});

test('anything but layers is refused, and the message says where', (t) => {
  t.throws(() => new Sequential([new ReLU(), 'relu' as never]), { instanceOf: ArgumentError, message: /layers\[1\]/ });
  t.throws(() => new Sequential(new ReLU() as never), { instanceOf: ArgumentError });
});

test('an error inside a stack names the layer where it happened', (t) => {
  const model = new Sequential([new Linear(4, 5), new ReLU(), new Linear(6, 3)]);
  t.throws(() => model.forward(f32(new Float32Array(8), [2, 4])), { message: /'2'/ });
});

test('the default weights suit the activation that follows: Xavier before tanh and sigmoid, He before ReLU and at the end', (t) => {
  const deviation = (after: () => ReLU | Tanh): number => {
    setSeed(5);
    const first = new Linear(500, 100);
    new Sequential([first, after(), new Linear(100, 2)]).forward(f32(new Float32Array(500), [1, 500]));
    return moments(first.weight.data).deviation;
  };
  // Four standard errors of 50 000 draws are 1.3 %.
  const about = (value: number, expected: number) => t.true(Math.abs(value / expected - 1) < 0.013, `${value}, expected ${expected}`);
  about(
    deviation(() => new ReLU()),
    Math.sqrt(2 / 500),
  );
  about(
    deviation(() => new Tanh()),
    Math.sqrt(2 / 600),
  );
  about(
    deviation(() => new Sigmoid() as never),
    Math.sqrt(2 / 600),
  );
});

test('two layers or parameters at one path are refused before they are used: one of them would be left out in silence', (t) => {
  class Holder extends Layer {
    constructor(fields: object) {
      super();
      Object.assign(this, fields);
    }
    forward(x: Tensor): Tensor {
      return x;
    }
  }
  const says = (message: RegExp) => ({ instanceOf: ArgumentError, message });
  for (const use of [
    (model: Layer) => model.parameters(),
    (model: Layer) => model.stateDict(),
    (model: Layer) => model.forward(ones([1, 2])),
  ]) {
    t.throws(() => use(new Holder({ inner: new Linear(2, 2), '': new Linear(2, 2) })), says(/field or child named ''.*give it a name/));
    t.throws(() => use(new Holder({ 'a.b': new Linear(2, 2), a: new Holder({ b: new Linear(2, 2) }) })), says(/'a\.b': rename/));
    t.throws(
      () => use(new Holder({ 'a.weight': new Parameter([2], { init: new Zeros() }), a: new Linear(2, 2) })),
      says(/'a\.weight': rename/),
    );
    t.throws(
      () => use(new Holder({ 'a.b': new Parameter([2], { init: new Zeros() }), a: { b: new Parameter([2], { init: new Zeros() }) } })),
      says(/'a\.b': rename/),
    );
  }
  const shared = new Linear(2, 2);
  t.is(new Holder({ a: { b: shared }, 'a.b': shared }).parameters().length, 2, 'one layer twice');
});

test('a Sequential refuses what it could not hand on, and its layers are gone through', (t) => {
  const model = new Sequential([new ReLU(), new Flatten()]);
  const x = tensor([[1, -1]]);
  t.throws(() => model.forward(x, x as never), { instanceOf: ArgumentError, message: /one value.*mask/ });
  t.deepEqual([...model], [...model.layers]);
});

test('a model in a text is what console.log shows of it', (t) => {
  const model = new Sequential([new ReLU(), new Flatten()]);
  t.is(`${model}`, inspect(model));
  t.regex(String(new Linear(4, 2)), /^Linear\(inFeatures: 4/);
});
