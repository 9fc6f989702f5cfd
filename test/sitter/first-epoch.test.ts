// Proves what the sitter knows by the first epoch: runs that cannot go far enough, weights that were thrown away, examples that will be learned by
// heart, labels and inputs that mean nothing, and what holds weights down.

import test from 'ava';
import {
  AdamW,
  EarlyStopping,
  type Finding,
  type FindingId,
  Linear,
  Normal,
  ReLU,
  SGD,
  Sequential,
  Tensor,
  TensorDataset,
  TrainingNonFiniteError,
  Adam,
  setSeed,
} from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';
import { type Program, Softmax, cloudSet, clouds, net, program } from '../helpers/sick.js';

const adam = (lr: number) => (model: Sequential) => new Adam(model, { lr });
const sgd = (lr: number) => (model: Sequential) => new SGD(model, { lr });

async function findingsOf(changed: Partial<Program>): Promise<readonly Finding[]> {
  const { model, data, optimizer, ...options } = program(changed);
  const history = await model
    .fit(data as TensorDataset, { ...options, optimizer: optimizer(model) })
    .catch((error: unknown) => (error instanceof TrainingNonFiniteError ? error.history : Promise.reject(error)));
  return history.findings;
}
const early = async (changed: Partial<Program>): Promise<FindingId[]> =>
  (await findingsOf(changed)).filter(({ epoch }) => epoch <= 1).map(({ id }) => id);

/** Two classes that lie over each other: some of each are among the others. */
function mixed(count: number, seed: number): TensorDataset {
  const { x, labels } = clouds(count, 2, 1, seed);
  const random = new Seeded(seed + 50);
  const flipped = labels.map((label) => (random.next() < 0.2 ? 1 - label : label));
  return new TensorDataset(Tensor.from(x, [count, 10]), Tensor.from(flipped));
}
const wide = (): Sequential => {
  setSeed(1);
  return new Sequential([new Linear(10, 64), new ReLU(), new Linear(64, 2)]);
};
const long = (changed: Partial<Program> = {}): Partial<Program> => ({
  model: wide(),
  data: mixed(160, 1),
  validation: mixed(80, 2),
  optimizer: adam(5e-3),
  epochs: 250,
  ...changed,
});

test('[J22] few examples whose neighbours disagree, a net that holds them and epochs enough: overfitting is foretold, and comes', async (t) => {
  const { model, data, optimizer, ...options } = program(long());
  const history = await model.fit(data as TensorDataset, { ...options, optimizer: optimizer(model) });
  const [finding] = history.findings;
  t.like(finding, { id: 'overfitting', epoch: 1, verdict: 'warning' });
  t.regex(finding.advice, /EarlyStopping/);
  const seen = history.epochs.map(({ validation }) => validation!.loss);
  t.true(seen.at(-1)! > 1.5 * Math.min(...seen), 'it came');
  const { change } = finding;
  t.true(change?.kind === 'earlyStopping' && seen[change.epoch - 1] < 0.5 * seen.at(-1)!, JSON.stringify(change));
});

test('what keeps a net from learning by heart, or examples that agree with their neighbours, foretell nothing', async (t) => {
  const kept: readonly Partial<Program>[] = [
    { optimizer: (model) => new AdamW(model, { lr: 5e-3, weightDecay: 0.1 }) },
    { callbacks: [new EarlyStopping({ patience: 10 })] },
    { optimizer: adam(1e-4) },
    { epochs: 20 },
    { validation: undefined },
    { data: cloudSet(160, { classes: 2 }), validation: cloudSet(80, { classes: 2, seed: 2 }) },
  ];
  for (const changed of kept) t.deepEqual(await early(long(changed)), [], Object.keys(changed).join());
});

test('labels without a meaning are named in the first epoch, where neither the net nor plain learners tell them', async (t) => {
  const random = new Seeded(5);
  const shuffled = (count: number, seed: number): TensorDataset =>
    new TensorDataset(cloudSet(count, { seed }).inputs, Tensor.from(Int32Array.from({ length: count }, () => random.integer(4))));
  t.deepEqual(await early({ data: shuffled(600, 1), validation: shuffled(200, 2) }), ['nothing-to-learn']);
  // A net that is slow at labels with a meaning is slow.
  t.deepEqual(await early({ optimizer: adam(3e-7) }), ['learning-rate-too-low']);
});

test('a run whose steps together go nowhere is named beside what else is wrong with it', async (t) => {
  t.deepEqual(await early({ model: net(4, [new Softmax()]), optimizer: adam(3e-5) }), [
    'softmax-before-cross-entropy-on-logits',
    'learning-rate-too-low',
  ]);
  t.deepEqual(await early({ optimizer: sgd(1e-3), epochs: 20 }), ['learning-rate-too-low']);
  t.deepEqual(await early({ optimizer: sgd(0.1), epochs: 20 }), []);
  // Few steps of a rate that is not far off want more of them; a run that is tried out at a usual rate is left alone until it ends.
  t.deepEqual(await early({ optimizer: adam(3e-4) }), ['stopped-too-early']);
  t.deepEqual(await early({ optimizer: adam(1e-3), epochs: 2 }), []);
});

test('weights that the first epoch threw away are named beside a wrong ending, and not beside inputs in the thousands', async (t) => {
  t.deepEqual(await early({ model: net(4, [new Softmax()]), optimizer: sgd(3e3) }), [
    'softmax-before-cross-entropy-on-logits',
    'learning-rate-too-high',
  ]);
  t.deepEqual(await early({ data: cloudSet(600, { scale: 3000 }), validation: undefined, optimizer: adam(30) }), [
    'unscaled-inputs',
    'learning-rate-too-high',
  ]);
  // Beside weights that begin near 0, steps are not measured by those.
  const tiny = new Sequential([
    new Linear(10, 32, { init: new Normal({ std: 1e-5 }) }),
    new Linear(32, 4, { init: new Normal({ std: 1e-5 }) }),
  ]);
  t.deepEqual(await early({ model: tiny, optimizer: sgd(0.3) }), ['no-nonlinearity']);
  t.deepEqual(await early({ data: cloudSet(600, { scale: 3000 }), validation: undefined, optimizer: sgd(0.1) }), ['unscaled-inputs']);
});

test('inputs that are the same in every example have nothing to learn from', async (t) => {
  const { labels } = clouds(300);
  for (const value of [0, 1]) {
    const data = new TensorDataset(Tensor.from(new Float32Array(3000).fill(value), [300, 10]), Tensor.from(labels));
    t.deepEqual(
      (await findingsOf({ data, validation: undefined, epochs: 10 })).map(({ id }) => id),
      ['nothing-to-learn'],
    );
  }
});

test('a weight decay that outweighs the loss, and a clipping that cuts every gradient, are what is changed', async (t) => {
  const decayed = await findingsOf({ optimizer: (model) => new AdamW(model, { lr: 3e-3, weightDecay: 100 }), epochs: 10 });
  t.deepEqual(
    decayed.map(({ id, change }) => [id, change]),
    [['underfitting', { kind: 'weightDecay', value: 0.01 }]],
  );
  const clipped = await findingsOf({ optimizer: sgd(0.1), maxGradNorm: 1e-6 });
  t.deepEqual(
    clipped.map(({ id, change }) => [id, change]),
    [['learning-rate-too-low', { kind: 'maxGradNorm', value: 1 }]],
  );
  t.deepEqual(await findingsOf({ optimizer: adam(3e-3), maxGradNorm: 1e-6 }), [], 'steps of one size do not depend on it');
  t.deepEqual(await findingsOf({ optimizer: sgd(0.1), maxGradNorm: 1 }), []);
});

test('an error by inputs in the thousands advises what the finding advises', async (t) => {
  const model = net();
  const { loss, progress, log } = program();
  const run = model.fit(cloudSet(600, { scale: 1e20 }), { loss, progress, log, optimizer: new SGD(model, { lr: 0.5 }) });
  const error = await t.throwsAsync(run, { instanceOf: TrainingNonFiniteError });
  t.regex(error.message, /The inputs reach \S+: scale them, for example to mean 0 and deviation 1; or a lower learning rate: try 0\.05$/);
  t.is(error.history.findings[0].id, 'unscaled-inputs');
});
