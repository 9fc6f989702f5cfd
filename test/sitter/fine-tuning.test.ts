// Proves that the sitter knows fine-tuning: weights that were loaded move in small steps on purpose, and folders of photographs end in batches of a few.

import test from 'ava';
import { Adam, CrossEntropyLoss, type FindingId, SGD, type Sequential, Sitter, TensorDataset } from '../../lib/index.js';
import { type Program, cloudSet, net, program } from '../helpers/sick.js';

const adam = (lr: number) => (model: Sequential) => new Adam(model, { lr });

async function idsOf({ model, data, optimizer, ...options }: Program): Promise<FindingId[]> {
  const history = await model.fit(data as TensorDataset, { ...options, optimizer: optimizer(model) });
  return history.findings.map(({ id }) => id);
}

/** A net whose weights were trained for other classes, with a last layer that is new. */
async function tuned(classes = 4, freeze = false): Promise<Sequential> {
  const before = net(classes + 2);
  await idsOf(program({ model: before, data: cloudSet(600, { classes: classes + 2 }), validation: undefined, epochs: 8 }));
  const model = net(classes);
  model.loadStateDict(before.stateDict(), { otherShapes: 'skip' });
  if (freeze) for (const layer of model.layers.slice(0, 4)) layer.freeze();
  return model;
}

test('fine-tuning goes in small steps: what is too low for weights that were drawn is not for those that were loaded', async (t) => {
  const idsAt = async (model: Sequential, lr: number): Promise<FindingId[]> => idsOf(program({ model, optimizer: adam(lr), epochs: 3 }));
  t.true((await idsAt(net(), 1e-4)).includes('learning-rate-too-low'));
  for (const lr of [1e-5, 1e-4]) t.false((await idsAt(await tuned(), lr)).includes('learning-rate-too-low'), `${lr}`);
  t.false((await idsAt((await tuned()).clone(), 1e-4)).includes('learning-rate-too-low'), 'a copy of them');
  t.true((await idsAt(await tuned(), 0.3)).includes('learning-rate-too-high'), 'too high is too high');
});

test('frozen layers are named where their weights were drawn, and not where they were loaded', async (t) => {
  const drawn = net();
  for (const layer of drawn.layers.slice(0, 4)) layer.freeze();
  const found = (model: Sequential): Promise<FindingId[]> => idsOf(program({ model, optimizer: adam(1e-3), epochs: 2 }));
  t.true((await found(drawn)).includes('parameter-never-changes'));
  t.false((await found(await tuned(4, true))).includes('parameter-never-changes'));
});

test('a last batch of one example that is far off neither ends a run nor is a leap of the loss', async (t) => {
  const { inputs, targets } = cloudSet(65);
  inputs.data.fill(60, 640); // the last example is nothing that the others prepare for
  const sitter = new Sitter();
  const { model, data, ...rest } = program({ data: new TensorDataset(inputs, targets), validation: undefined, batchSize: 16, epochs: 3 });
  const history = await model.fit(data as TensorDataset, {
    ...rest,
    optimizer: new SGD(model, { lr: 1e-4 }),
    shuffle: false,
    callbacks: [sitter],
  });
  t.is(history.stopped, null);
  const { loss } = await model.evaluate(new TensorDataset(inputs.slice(64, 65), targets.slice(64, 65)), { loss: new CrossEntropyLoss() });
  t.true(loss > 6, `it is far off: ${loss}`);
  t.false(history.findings.some(({ id }) => id === 'learning-rate-too-high' || id === 'loss-exploded'));
});
