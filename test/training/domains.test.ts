// Proves lib/training/domains.ts: targets that a loss has no meaning for, and negative weights, are refused before a run.

import test from 'ava';
import {
  BinaryCrossEntropyLoss,
  CombinedLoss,
  HingeLoss,
  L1Loss,
  Linear,
  type Loss,
  MSELoss,
  SGD,
  Sequential,
  Tensor,
  TreeDataset,
  subset,
} from '../../lib/index.js';

const inputs = Tensor.from(
  Float32Array.from({ length: 12 }, (_, i) => i / 12),
  [6, 2],
);
const column = (...values: number[]): Tensor => Tensor.from(Float32Array.from(values), [values.length, 1]);
const zeroOne = column(0, 1, 1, 0, 1, 0);

async function train(data: TreeDataset, loss: Loss, eager = false): Promise<void> {
  const model = new Sequential([new Linear(2, 1)]);
  await model.fit(data, { loss, optimizer: new SGD(model, { lr: 0.1 }), batchSize: 2, log: false, progress: false, eager });
}

test('targets outside the domain of a loss are refused before the first step, by value, row and way out', async (t) => {
  const cases: [Loss, Tensor, RegExp][] = [
    [new HingeLoss(), zeroOne, /targets −1 or 1, received 0 in row 0 .*mul\(2\)\.sub\(1\)/],
    [new BinaryCrossEntropyLoss(), column(0, 1, 1, 2, 1, 0), /from 0 to 1, received 2 in row 3/],
    [new BinaryCrossEntropyLoss(), Tensor.from(Int32Array.of(0, 1, 1, 0, 2, 0)) as unknown as Tensor, /from 0 to 1, received 2 in row 4/],
    [new BinaryCrossEntropyLoss({ fromLogits: false }), column(1, -1, 1, -1, 1, 1), /received -1 in row 1/],
    [new CombinedLoss([new MSELoss(), new HingeLoss()]), zeroOne, /HingeLoss/],
  ];
  for (const [loss, targets, message] of cases) {
    const data = new TreeDataset({ inputs, targets });
    for (const eager of [false, true]) await t.throwsAsync(() => train(data, loss, eager), { code: 'ERR_ARGUMENT', message });
    const model = new Sequential([new Linear(2, 1)]);
    await t.throwsAsync(() => model.evaluate(data, { loss }), { code: 'ERR_ARGUMENT', message });
  }
  await train(new TreeDataset({ inputs, targets: zeroOne }), new BinaryCrossEntropyLoss());
  await train(new TreeDataset({ inputs, targets: column(-1, 1, 1, -1, 1, 1) }), new HingeLoss());
});

test('rows that are not in the part of a set, or of weight 0, may hold any target; a negative weight has no mean', async (t) => {
  const odd = new TreeDataset({ inputs, targets: column(0, 7, 1, 0, 1, 0) });
  await train(subset(odd, [0, 2, 3, 4]) as unknown as TreeDataset, new BinaryCrossEntropyLoss());
  const weights = Tensor.from(Float32Array.of(1, 0, 1, 1, 1, 2));
  await train(new TreeDataset({ inputs, targets: column(0, 7, 1, 0, 1, 0), weights }), new BinaryCrossEntropyLoss());
  const negative = Tensor.from(Float32Array.of(1, 0, 1, -2, 1, 2));
  const data = new TreeDataset({ inputs, targets: zeroOne, weights: negative });
  await t.throwsAsync(() => train(data, new L1Loss()), { code: 'ERR_ARGUMENT', message: /received -2 for row 3/ });
  await train(data, new L1Loss({ reduction: 'sum' }));
});
