// Proves lib/training/reach.ts: what the loss depends on and what the optimizer updates must be the same, and the error names the parameter.

import test from 'ava';
import { ArgumentError, CrossEntropyLoss, Linear, ReLU, SGD, Sequential, Tensor, TensorDataset, noGrad, Model } from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';

const data = new TensorDataset(
  Tensor.from(Float32Array.from(new Seeded(1).uniform(32)), [16, 2]),
  Tensor.from(Int32Array.from({ length: 16 }, (_, i) => i % 2)),
);
const quiet = { progress: false, log: false, loss: new CrossEntropyLoss() } as const;
const net = (): Sequential => new Sequential([new Linear(2, 3), new ReLU(), new Linear(3, 2)]);

test('an optimizer that lacks a parameter of the model is refused by the path of the parameter', async (t) => {
  const model = net();
  const optimizer = new SGD(model.layers[0] as Linear, { lr: 0.1 });
  await t.throwsAsync(model.fit(data, { ...quiet, optimizer }), {
    instanceOf: ArgumentError,
    message: /does not update parameter '2\.(weight|bias)'/,
  });
  model.layers[2].freeze();
  await t.notThrowsAsync(model.fit(data, { ...quiet, optimizer }), 'frozen parameters need no optimizer');
});

test('an optimizer of another model is refused, and the model stays as it was', async (t) => {
  const model = net();
  model.prepare();
  const before = model.parameters().flatMap((parameter) => [...parameter.data]);
  await t.throwsAsync(model.fit(data, { ...quiet, optimizer: new SGD(net(), { lr: 0.1 }) }), {
    instanceOf: ArgumentError,
    message: /does not update parameter/,
  });
  t.deepEqual(
    model.parameters().flatMap((parameter) => [...parameter.data]),
    before,
  );
});

test('a parameter in a #private field is found by the loss and named by its layer', async (t) => {
  class Hidden extends Model {
    readonly seen = new Linear(2, 2);
    readonly #unseen = new Linear(2, 2);
    forward(x: Tensor): Tensor {
      return this.#unseen.forward(this.seen.forward(x));
    }
  }
  const model = new Hidden();
  await t.throwsAsync(model.fit(data, { ...quiet, optimizer: new SGD(model, { lr: 0.1 }) }), {
    instanceOf: ArgumentError,
    message: /parameter of shape \[2(, 2)?\].*#private/,
  });
});

test('a parameter that the loss does not depend on is named', async (t) => {
  class Forgetful extends Model {
    readonly used = new Linear(2, 2);
    readonly forgotten = new Linear(2, 2);
    forward(x: Tensor): Tensor {
      return this.used.forward(x);
    }
  }
  const model = new Forgetful();
  const optimizer = new SGD(model, { lr: 0.1 });
  await t.throwsAsync(model.fit(data, { ...quiet, optimizer }), { instanceOf: ArgumentError, message: /'forgotten\.weight' gets no gradient/ });
  model.forgotten.freeze();
  await t.notThrowsAsync(model.fit(data, { ...quiet, optimizer }));
});

test('a model with nothing to train says why', async (t) => {
  const frozen = net().freeze();
  await t.throwsAsync(frozen.fit(data, { ...quiet, optimizer: new SGD(frozen, { lr: 0.1 }) }), {
    instanceOf: ArgumentError,
    message: /all parameters are frozen/,
  });
  class Detached extends Model {
    readonly inner = new Linear(2, 2);
    forward(x: Tensor): Tensor {
      return noGrad(() => this.inner.forward(x));
    }
  }
  const detached = new Detached();
  await t.throwsAsync(detached.fit(data, { ...quiet, optimizer: new SGD(detached, { lr: 0.1 }) }), {
    instanceOf: ArgumentError,
    message: /noGrad/,
  });
});

test('a parameter that is used twice is one parameter', async (t) => {
  class Twice extends Model {
    readonly square = new Linear(2, 2);
    forward(x: Tensor): Tensor {
      return this.square.forward(this.square.forward(x));
    }
  }
  const model = new Twice();
  await t.notThrowsAsync(model.fit(data, { ...quiet, optimizer: new SGD(model, { lr: 0.1 }) }));
});
