// Reads drawn digits row by row, from the top, as sequences of 28 steps, and says which digit it was: an LSTM that classifies. Some 97 of 100 new digits
// after ten epochs, in three seconds. `node examples/rows.ts`; `node examples/rows.ts 100 1` takes 100 digits, and one epoch.

import { Adam, CrossEntropyLoss, LSTM, Layer, Linear, Sequential, type Tensor, datasets, setSeed } from 'nodegrad';

const [digits, epochs] = [Number(process.argv[2] ?? 6000), Number(process.argv[3] ?? 10)];

/** [N, 28, 28, 1] as sequences [N, 28, 28]: row by row, 28 numbers a row. */
class Rows extends Layer {
  forward(x: Tensor): Tensor {
    return x.reshape(x.shape.slice(0, 3));
  }
}

setSeed(1);
const { train, test } = await datasets.digits({ train: digits, test: Math.ceil(digits / 6) });
const model = new Sequential([new Rows(), new LSTM(28, 64, { returns: 'last' }), new Linear(64, 10)]);
const loss = new CrossEntropyLoss();
await model.fit(train, { loss, optimizer: new Adam(model, { lr: 3e-3 }), epochs, batchSize: 32, validation: test, log: false });
const { metrics } = await model.evaluate(test, { loss });
console.log(`${(100 * metrics.accuracy).toFixed(1)} % of new digits are read right`);
