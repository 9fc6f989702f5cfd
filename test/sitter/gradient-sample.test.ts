// Proves lib/sitter/gradient-sample.ts: a backward that does not belong to its forward is seen, and healthy nets are left in peace.

import test from 'ava';
import {
  BatchNorm1d,
  BatchNorm2d,
  Conv2d,
  CrossEntropyLoss,
  Dropout,
  Embedding,
  Flatten,
  GRU,
  L1Loss,
  Layer,
  Linear,
  type Loss,
  MSELoss,
  MaxPool2d,
  ReLU,
  SGD,
  Sequential,
  Sigmoid,
  Tensor,
  TensorDataset,
  getSeed,
  preflight,
  setSeed,
  tanh,
} from '../../lib/index.js';
import { sampleGradients } from '../../lib/sitter/gradient-sample.js';
import { Seeded } from '../helpers/seeded.js';

const rows = 16;
const numbers = (shape: number[], seed = 3): Tensor => {
  const values = new Seeded(seed).uniform(shape.reduce((a, b) => a * b, 1));
  return Tensor.from(Float32Array.from(values), shape);
};
const labels = Tensor.from(Int32Array.from({ length: rows }, (_, i) => i % 5));
const classes = new CrossEntropyLoss();

/** `tanh(h)·h` of a linear layer's output, with a gradient that is right or wrong in some way. */
class Own extends Layer {
  readonly inner = new Linear(20, 20);

  constructor(readonly kind: 'right' | 'detached factor' | 'detached path' | 'turned') {
    super();
  }

  forward(x: Tensor): Tensor {
    const h = this.inner.forward(x);
    if (this.kind === 'right') return tanh(h).mul(h);
    if (this.kind === 'detached factor') return tanh(h).mul(h.detach());
    if (this.kind === 'detached path') return tanh(h.detach()).add(h.mul(0.01));
    return h.detach().mul(2).sub(h);
  }
}
const own = (kind: Own['kind']): Sequential => new Sequential([new Linear(20, 20), new Own(kind), new Linear(20, 5)]);

test('a gradient that stops, lacks a part or has another sign is found for every seed, with the parameter and both slopes', (t) => {
  const x = numbers([rows, 20]);
  for (let seed = 1; seed <= 5; seed++) {
    setSeed(seed);
    for (const kind of ['detached factor', 'detached path', 'turned'] as const) {
      const model = own(kind);
      const found = sampleGradients({ model, loss: classes, optimizer: new SGD(model, { lr: 0.1 }) }, [x, labels]);
      t.is(found?.id, 'wrong-gradient', `${kind}, seed ${seed}`);
      t.regex(found?.seen ?? '', /^the loss changes with '[01]\.(inner\.)?weight' by \S+ for each step of 1, and backward says \S+$/);
      t.is(found?.layer, /'(.*)'/.exec(found?.seen ?? '')?.[1] as never);
    }
  }
});

test('nets that are healthy are left in peace, with dropout, batch norm, kinks, and targets of any size; nothing of them changes', (t) => {
  const x = numbers([rows, 20]);
  const images = numbers([rows, 10, 10, 3]);
  const words = Tensor.from(Int32Array.from({ length: rows * 6 }, (_, i) => (i * 7) % 11), [rows, 6]); // biome-ignore format: one line
  const target = numbers([rows, 1], 4);
  const regression = (): Sequential => new Sequential([new Linear(20, 32), new ReLU(), new Linear(32, 1)]);
  const deep = (): Sequential =>
    new Sequential([...Array.from({ length: 15 }, () => [new Linear(20, 20), new ReLU()]).flat(), new Linear(20, 5)]);
  const nets: [name: string, make: () => Sequential, x: Tensor | Tensor<'int32'>, y: Tensor | Tensor<'int32'>, loss: Loss][] = [
    ['dropout', () => new Sequential([new Linear(20, 64), new ReLU(), new Dropout(0.5), new Linear(64, 5)]), x, labels, classes],
    ['batch norm', () => new Sequential([new Linear(20, 64), new BatchNorm1d(64), new ReLU(), new Linear(64, 5)]), x, labels, classes],
    [
      'convolutions',
      () => new Sequential([new Conv2d(3, 16, 3), new BatchNorm2d(16), new ReLU(), new MaxPool2d(2), new Flatten(), new Linear(256, 5)]),
      images,
      labels,
      classes,
    ],
    ['recurrent', () => new Sequential([new Embedding(11, 8), new GRU(8, 12), new Flatten(), new Linear(72, 5)]), words, labels, classes],
    ['saturated', () => new Sequential([new Linear(20, 32), new Sigmoid(), new Linear(32, 32), new Sigmoid(), new Linear(32, 5)]), x, labels, classes], // biome-ignore format: one line
    ['deep', deep, x, labels, classes],
    ['right', () => own('right'), x, labels, classes],
    ['large targets', regression, x, target.mul(1e4), new MSELoss()],
    ['small targets', regression, x, target.mul(1e-4), new MSELoss()],
    ['kinks', regression, x, target, new L1Loss()],
  ];
  for (let seed = 1; seed <= 5; seed++)
    for (const [name, make, inputs, targets, loss] of nets) {
      setSeed(seed);
      const model = make();
      model.prepare();
      const stateOf = (): unknown => [[...model.stateDict()].map(([, { data }]) => [...data]), model.parameters().map(({ grad }) => grad), getSeed(), model.training]; // biome-ignore format: one line
      const before = stateOf();
      t.is(sampleGradients({ model, loss, optimizer: new SGD(model, { lr: 0.1 }) }, [inputs, targets] as never), null, `${name}, seed ${seed}`);
      t.deepEqual(stateOf(), before, name);
    }
});

test('[G09] preflight compares gradients where layers are of your own, and with `full` everywhere', async (t) => {
  const data = new TensorDataset(numbers([rows, 20]), labels);
  const ids = async (model: Sequential, full: boolean): Promise<string[]> => {
    const found = await preflight(model, data, { loss: classes, optimizer: new SGD(model, { lr: 0.1 }), full });
    return found.map(({ id }) => id).filter((id) => id === 'wrong-gradient');
  };
  setSeed(1);
  t.deepEqual(await ids(own('turned'), false), ['wrong-gradient']);
  t.deepEqual(await ids(own('right'), false), []);
  t.deepEqual(await ids(new Sequential([new Linear(20, 8), new ReLU(), new Linear(8, 5)]), true), []);
});
