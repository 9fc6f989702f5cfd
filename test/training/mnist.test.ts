// Trains on the real MNIST, for minutes: run with NODEGRAD_DATA set and NODEGRAD_LONG=1.

import test from 'ava';
import { Adam, CrossEntropyLoss, StepDecay, datasets, mlp, setSeed } from '../../lib/index.js';

const isWanted = process.env.NODEGRAD_LONG === '1' && Boolean(process.env.NODEGRAD_DATA);

(isWanted ? test : test.skip)('784-512-256-10 with Adam reaches 98 % on MNIST within five epochs, for three seeds', async (t) => {
  t.timeout(1_200_000);
  const { train, test: held } = await datasets.mnist({ download: false });
  for (const seed of [1, 2, 3]) {
    setSeed(seed);
    const model = mlp({ hidden: [512, 256] });
    const optimizer = new Adam(model, { lr: new StepDecay(1e-3, { every: 2, factor: 0.1 }) });
    const history = await model.fit(train, {
      loss: new CrossEntropyLoss(),
      optimizer,
      epochs: 5,
      batchSize: 128,
      validation: held,
      progress: false,
      log: false,
    });
    const accuracy = history.last!.validation!.metrics.accuracy;
    t.log(`seed ${seed}: ${(100 * accuracy).toFixed(2)} %`);
    t.true(accuracy >= 0.98, `seed ${seed}: ${accuracy}`);
  }
});
