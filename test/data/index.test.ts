// Proves lib/data/index.ts: a data set goes through split and loader to batches, from the one namespace.
import test from 'ava';
import { DataLoader, datasets, split } from '../../lib/data/index.js';

test('from datasets.digits through split and loader to batches', async (t) => {
  const { train, test: rest } = await datasets.digits({ train: 100, test: 20 });
  const [fit, validation] = split(train, [0.8, 0.2], { stratify: true, seed: 1 });
  t.deepEqual([fit.length, validation.length, rest.length], [80, 20, 20]);
  for (let digit = 0; digit < 10; digit++) t.is(validation.labels?.().filter((label) => label === digit).length, 2);
  const shapes: string[] = [];
  for await (const [x, y] of new DataLoader(fit, { batchSize: 32, shuffle: true })) shapes.push(`${x.shape.join('x')} ${y.shape.join('x')}`);
  t.deepEqual(shapes, ['32x28x28x1 32', '32x28x28x1 32', '16x28x28x1 16']);
  t.is(typeof datasets.mnist, 'function');
});
