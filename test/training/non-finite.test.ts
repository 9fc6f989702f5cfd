// Proves lib/training/non-finite.ts: a run that meets NaN or infinity says where it came from: data, weights, a layer, or the loss.

import test from 'ava';
import {
  CrossEntropyLoss,
  Flatten,
  Layer,
  Linear,
  Loss,
  MSELoss,
  ReLU,
  SGD,
  Sequential,
  Tensor,
  TensorDataset,
  TrainingNonFiniteError,
  log,
  setSeed,
  sqrt,
  fit,
} from '../../lib/index.js';
import { allFinite } from '../../lib/training/non-finite.js';
import { Seeded } from '../helpers/seeded.js';

const quiet = { progress: false, log: false, shuffle: false } as const;
const inputs = (): Float32Array => Float32Array.from(new Seeded(1).uniform(128));
const labels = Tensor.from(Int32Array.from({ length: 64 }, (_, i) => i % 2));
const dataOf = (values: Float32Array): TensorDataset => new TensorDataset(Tensor.from(values, [64, 2]), labels);

async function failureOf(model: Layer, data: TensorDataset, lr = 0.1, loss: Loss = new CrossEntropyLoss()): Promise<TrainingNonFiniteError> {
  try {
    await fit(model, data, { ...quiet, loss, optimizer: new SGD(model, { lr }), batchSize: 16, epochs: 50 });
  } catch (error) {
    if (error instanceof TrainingNonFiniteError) return error;
    throw error;
  }
  throw new Error('the run did not fail');
}

test('allFinite tells finite numbers from all others, of any size', (t) => {
  t.true(allFinite(Tensor.from(Float32Array.of(0, -0, 3.4e38, -3.4e38, 1e-45))));
  t.true(allFinite(Tensor.from(Float64Array.of(1e308, -1e308))));
  t.true(allFinite(Tensor.from(new Float32Array(0))));
  t.true(allFinite(Tensor.from(Int32Array.of(1, 2))));
  for (const value of [NaN, Infinity, -Infinity]) {
    t.false(allFinite(Tensor.from(Float32Array.of(1, value, 2))));
    t.false(allFinite(Tensor.from(Float64Array.of(value))));
  }
});

test('NaN in the data is named with its batch and example, and no step is made with it', async (t) => {
  setSeed(1);
  const values = inputs();
  values[2 * 37 + 1] = NaN;
  const model = new Sequential([new Linear(2, 4), new ReLU(), new Linear(4, 2)]);
  const error = await failureOf(model, dataOf(values));
  t.is(error.code, 'ERR_NON_FINITE');
  t.deepEqual(error.place, { what: 'input', path: '', epoch: 1, batch: 3, step: 3, lr: 0.1 });
  t.regex(error.message, /inputs of the batch.*example 5 of the batch holds NaN.*batch 3.*Check the data set/);
  t.true(model.parameters().every(allFinite));
});

test('an infinite target of a regression is named', async (t) => {
  const target = Float32Array.from({ length: 64 }, (_, i) => i / 64);
  target[1] = Infinity;
  const data = new TensorDataset(Tensor.from(inputs(), [64, 2]), Tensor.from(target, [64, 1]));
  const error = await failureOf(new Linear(2, 1), data as never, 0.1, new MSELoss());
  t.is(error.place.what, 'target');
});

test('the first layer with an output that is not finite is named, with what went into it', async (t) => {
  class Logarithm extends Layer {
    forward(x: Tensor): Tensor {
      return log(x);
    }
  }
  setSeed(1);
  const model = new Sequential([new Flatten(), new Linear(2, 4), new ReLU(), new Logarithm(), new Linear(4, 2)]);
  const error = await failureOf(model, dataOf(inputs()));
  t.is(error.place.what, 'output');
  t.is(error.place.path, '3');
  t.is(error.place.step, 1);
  t.regex(error.message, /output of layer '3' \(Logarithm\) is the first that is not finite; what came before it reached \d/);
});

test('a loss that is not finite although all outputs are is named as the loss', async (t) => {
  class Broken extends Loss {
    forward(prediction: Tensor): Tensor {
      return log(prediction.mul(0).sum());
    }
  }
  const error = await failureOf(new Linear(2, 2), dataOf(inputs()), 0.1, new Broken());
  t.is(error.place.what, 'loss');
  t.regex(error.message, /loss \(Broken\) is not finite, though all outputs of the model are, up to \d/);
});

test('[J09, J12, J29] a learning rate of 1e6 ends in a typed error within an epoch, which says that the rate is too high', async (t) => {
  setSeed(1);
  const model = new Sequential([new Linear(2, 50), new ReLU(), new Linear(50, 50), new ReLU(), new Linear(50, 2)]);
  const values = inputs().map((value) => value * 10);
  const error = await failureOf(model, dataOf(values), 1e6);
  t.is(error.place.epoch, 1);
  t.is(error.place.lr, 1e6);
  t.true(['output', 'parameter', 'gradient'].includes(error.place.what), error.place.what);
  t.regex(error.message, /learning rate is probably too high: try 100000/);
  t.is(error.history.epochs.length, 0);
});

test('weights that became infinite in an update are named, and whether their gradient was already', async (t) => {
  class Steep extends Loss {
    // Its gradient is 3e38 · x per weight: finite, but too much for the update.
    forward(prediction: Tensor): Tensor {
      return prediction.mul(3e38).mean();
    }
  }
  const model = new Linear(2, 1);
  model.weight.data.fill(0);
  const error = await failureOf(model, dataOf(inputs().fill(0.5)), 1e3, new Steep());
  t.is(error.place.what, 'parameter');
  t.is(error.place.path, 'weight');
  t.regex(error.message, /parameter 'weight' is not finite since its last update, though its gradient was/);
  class Steeper extends Loss {
    // The root of zero is zero, its slope is infinite.
    forward(prediction: Tensor): Tensor {
      return sqrt(prediction.mul(prediction)).mean();
    }
  }
  const zero = new Linear(2, 1);
  zero.weight.data.fill(0);
  const second = await failureOf(zero, dataOf(inputs().fill(0.5)), 1, new Steeper());
  t.is(second.place.what, 'gradient');
  t.is(second.place.path, 'weight');
});

test('the last update of an epoch is looked at as well', async (t) => {
  class Steep extends Loss {
    forward(prediction: Tensor): Tensor {
      return prediction.mul(3e38).mean();
    }
  }
  const model = new Linear(2, 1);
  model.weight.data.fill(0);
  const data = new TensorDataset(Tensor.from(new Float32Array(8).fill(0.5), [4, 2]), Tensor.from(new Int32Array(4)));
  const error = await t.throwsAsync(fit(model, data, { ...quiet, loss: new Steep(), optimizer: new SGD(model, { lr: 1e3 }) }), {
    instanceOf: TrainingNonFiniteError,
  });
  t.is(error?.place.step, 1);
});
