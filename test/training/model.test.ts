// Layers and models: what is trained and saved as a whole is a Model, and functions train, judge and ask a layer that is none.
import test from 'ava';
import {
  FileFormatError,
  Layer,
  Linear,
  MSELoss,
  Model,
  SGD,
  Sequential,
  type Tensor,
  TensorDataset,
  encodeSafetensors,
  evaluate,
  fit,
  fromBytes,
  lenet5,
  mlp,
  predict,
  resnet18,
  setSeed,
  tensor,
} from '../../lib/index.js';

const data = new TensorDataset(tensor([[0], [1], [2], [3]]), tensor([[1], [3], [5], [7]]));
const loss = new MSELoss();
const silent = { progress: false, log: false } as const;

/** The same function as a model and as a layer: a line. */
class Line extends Model {
  readonly line = new Linear(1, 1);
  forward(x: Tensor): Tensor {
    return this.line.forward(x);
  }
}
class Part extends Layer {
  readonly line = new Linear(1, 1);
  forward(x: Tensor): Tensor {
    return this.line.forward(x);
  }
}

test('stacks and ready networks are models, what they are made of are layers', (t) => {
  for (const model of [new Sequential([]), mlp(), lenet5(), resnet18(), new Line()]) t.true(model instanceof Model, model.constructor.name);
  for (const layer of [new Linear(1, 1), new Part()]) t.false(layer instanceof Model);
  t.true(new Line() instanceof Layer);
  t.deepEqual(
    ['fit', 'evaluate', 'predict', 'save', 'load', 'toBytes', 'summary'].filter((verb) => verb in new Part()),
    [],
  );
});

test('a layer that is no model is trained, judged and asked by functions, with the same bits', async (t) => {
  const train = async (model: Line | Part): Promise<unknown> => {
    const options = { loss, optimizer: new SGD(model, { lr: 0.05 }), epochs: 3, batchSize: 2, ...silent };
    const { epochs } = model instanceof Model ? await model.fit(data, options) : await fit(model, data, options);
    const losses = epochs.map(({ loss: value }) => value);
    if (model instanceof Model) return [losses, await model.evaluate(data, { loss }), (await model.predict(data)).toArray()];
    return [losses, await evaluate(model, data, { loss }), (await predict(model, data)).toArray()];
  };
  setSeed(1);
  const model = new Line();
  setSeed(1);
  const part = new Part();
  const before = model.line.weight.item();
  t.deepEqual(await train(model), await train(part));
  t.not(model.line.weight.item(), before);
});

test('a file whose outermost layer is no model is refused', (t) => {
  const bytes = encodeSafetensors(
    new Linear(1, 1).stateDict(),
    new Map([['architecture', JSON.stringify({ type: 'Linear', config: new Linear(1, 1).config() })]]),
  );
  t.throws(() => fromBytes(bytes), { instanceOf: FileFormatError, message: /holds a Linear, which is a layer and no Model/ });
});
