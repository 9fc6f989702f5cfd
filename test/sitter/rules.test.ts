// Proves lib/sitter/rules: small programs that are sick in one known way are named by it, and healthy ones that look sick are left alone.

import test from 'ava';
import {
  Adam,
  BatchNorm1d,
  BinaryCrossEntropyLoss,
  CrossEntropyLoss,
  Dropout,
  type FindingId,
  Layer,
  Linear,
  LinearWarmup,
  Loss,
  MSELoss,
  Normal,
  ReLU,
  SGD,
  type Scheduled,
  Sequential,
  Sigmoid,
  Tanh,
  Tensor,
  TensorDataset,
  TrainingNonFiniteError,
  Zeros,
  dropout,
  findingIds,
  log,
  setSeed,
} from '../../lib/index.js';
import { LossCurve } from '../../lib/sitter/curve.js';
import { lookAt } from '../../lib/sitter/look.js';
import { denormals } from '../../lib/sitter/rules/denormals.js';
import { rules } from '../../lib/sitter/rules/index.js';
import { Seeded } from '../helpers/seeded.js';
import { type Program, Softmax, binarySet, cloudSet, clouds, net, normals, program } from '../helpers/sick.js';

const column = (values: Iterable<number>): Tensor => {
  const data = Float32Array.from(values);
  return Tensor.from(data, [data.length, 1]);
};
const set = (x: Tensor, y: Tensor): TensorDataset<'float32', 'float32'> => new TensorDataset(x, y);
const sgd = (lr: Scheduled) => (model: Sequential) => new SGD(model, { lr });
const adam = (lr: number) => (model: Sequential) => new Adam(model, { lr });

/** A binary cross-entropy as people write it down. */
class Logarithms extends Loss {
  forward(p: Tensor, target: Tensor): Tensor {
    const no = log(p.neg().add(1)).mul(target.neg().add(1));
    return log(p).mul(target).add(no).mean().neg();
  }
}

/** Draws in evaluation, too. */
class Restless extends Layer {
  forward(x: Tensor): Tensor {
    return dropout(x, 0.5);
  }
}

const waves = (count: number, scale = 1, offset = 0): TensorDataset<'float32', 'float32'> => {
  const x = normals(new Seeded(3), count * 5);
  const y = Array.from({ length: count }, (_, i) => offset + scale * Math.sin(x[5 * i] + 2 * x[5 * i + 1]));
  return set(Tensor.from(x, [count, 5]), column(y));
};
const waveNet = (...end: Layer[]): Sequential => {
  setSeed(1);
  return new Sequential([new Linear(5, 32), new Tanh(), new Linear(32, 32), new Tanh(), new Linear(32, 1), ...end]);
};
const regression = (changed: Partial<Program>): Program =>
  program({ model: waveNet(), data: waves(600), validation: undefined, loss: new MSELoss(), ...changed });
const xor = (): TensorDataset<'float32', 'float32'> => set(Tensor.from(Float32Array.of(0, 0, 0, 1, 1, 0, 1, 1), [4, 2]), column([0, 1, 1, 0]));
const small = (hidden: number, activation: () => Layer, ...end: Layer[]): Sequential => {
  setSeed(1);
  return new Sequential([new Linear(2, hidden), activation(), new Linear(hidden, 1), ...end]);
};

async function findingsOf({ model, data, optimizer, ...options }: Program): Promise<{ ids: FindingId[]; texts: string[] }> {
  const history = await model
    .fit(data as TensorDataset, { ...options, optimizer: optimizer(model) })
    .catch((error: unknown) => (error instanceof TrainingNonFiniteError ? error.history : Promise.reject(error)));
  return { ids: history.findings.map(({ id }) => id), texts: history.findings.map(({ text }) => text) };
}

const probabilities = new BinaryCrossEntropyLoss({ fromLogits: false });
const binary = (changed: Partial<Program>): Program =>
  program({ data: binarySet(600), validation: undefined, loss: probabilities, ...changed });

/** Each with the one finding that it is to have. */
const sick: readonly [title: string, FindingId, () => Program][] = [
  ['a softmax before cross-entropy', 'softmax-before-cross-entropy-on-logits', () => program({ model: net(4, [new Softmax()]) })],
  [
    'a sigmoid before a loss of scores',
    'sigmoid-before-loss-on-logits',
    () => binary({ model: net(1, [new Sigmoid()]), loss: new BinaryCrossEntropyLoss() }),
  ],
  ['scores in a loss of probabilities', 'scores-into-loss-on-probabilities', () => binary({ model: net(1) })],
  ['a softmax over one unit', 'softmax-over-one-unit', () => binary({ model: net(1, [new Softmax()]) })],
  ['a ReLU at the end', 'relu-output', () => program({ model: net(4, [new ReLU()]) })],
  [
    'three classes for one output',
    'one-output-for-several-classes',
    () => {
      const { x, labels } = clouds(600, 3);
      return binary({ model: net(1, [new Sigmoid()]), data: set(Tensor.from(x, [600, 10]), column(labels)), loss: new MSELoss() });
    },
  ],
  [
    'three classes for one output by a squared error',
    'one-output-for-several-classes',
    () => {
      const { x, labels } = clouds(600, 3);
      return binary({ model: net(1), data: set(Tensor.from(x, [600, 10]), column(labels)), loss: new MSELoss() });
    },
  ],
  [
    'layers that are frozen before they were trained',
    'parameter-never-changes',
    () => {
      const model = net();
      for (const layer of model.layers.slice(0, 4)) layer.freeze();
      return program({ model, optimizer: adam(1e-3), epochs: 5, validation: undefined });
    },
  ],
  ['one epoch', 'stopped-too-early', () => program({ epochs: 1, optimizer: adam(1e-3) })],
  [
    'a softmax for several labels',
    'softmax-for-several-labels',
    () => {
      const { x } = clouds(600, 3);
      const y = Float32Array.from({ length: 1800 }, (_, i) => Number(x[10 * Math.floor(i / 3) + (i % 3)] > 0));
      return binary({ model: net(3, [new Softmax()]), data: set(Tensor.from(x, [600, 10]), Tensor.from(y, [600, 3])), loss: new MSELoss() });
    },
  ],
  ['targets that a sigmoid cannot reach', 'targets-out-of-reach', () => regression({ model: waveNet(new Sigmoid()), data: waves(600, 50) })],
  ['inputs in the hundreds', 'unscaled-inputs', () => program({ data: cloudSet(600, { scale: 300 }), validation: undefined })],
  ['targets in the thousands', 'unscaled-targets', () => regression({ data: waves(600, 1000, 5000) })],
  [
    'labels that are all the same',
    'one-class',
    () => program({ data: new TensorDataset(cloudSet(600).inputs, Tensor.from(new Int32Array(600))), validation: undefined }),
  ],
  ['validation on the training data', 'overlap-of-splits', () => program({ validation: cloudSet(600) })],
  ['validation data of another scale', 'validation-differs', () => program({ validation: cloudSet(200, { seed: 2, scale: 50 }) })],
  [
    'the target among the inputs',
    'target-leak',
    () => {
      const { x, labels } = clouds(600);
      for (const [i, label] of labels.entries()) x[10 * i + 3] = label - 1.5;
      return program({ data: new TensorDataset(Tensor.from(x, [600, 10]), Tensor.from(labels)), validation: undefined });
    },
  ],
  [
    'sorted data that are not shuffled',
    'not-shuffled',
    () => {
      const { x, labels } = clouds(600);
      const order = Array.from(labels.keys()).sort((a, b) => labels[a] - labels[b]);
      const sorted = Float32Array.from({ length: 6000 }, (_, i) => x[10 * order[Math.floor(i / 10)] + (i % 10)]);
      const data = new TensorDataset(Tensor.from(sorted, [600, 10]), Tensor.from(Int32Array.from(order, (row) => labels[row])));
      return program({ data, validation: undefined, shuffle: false });
    },
  ],
  [
    'one hidden unit',
    'underfitting',
    () => program({ model: new Sequential([new Linear(10, 1), new Tanh(), new Linear(1, 4)]), optimizer: adam(0.03) }),
  ],
  [
    'numbers in a loss of probabilities of a user’s own',
    'targets-against-loss',
    () => regression({ model: waveNet(new Sigmoid()), loss: new Logarithms(), epochs: 2 }),
  ],
  [
    'a class without an example among classes that have many',
    'missing-class',
    () => program({ data: cloudSet(600, { classes: 4 }), model: net(5), validation: undefined }),
  ],
  ['weights of zero', 'symmetric-start', () => program({ model: net(4, [], { init: new Zeros() }) })],
  ['weights near zero', 'weights-too-small', () => program({ model: net(4, [], { init: new Normal({ std: 1e-3 }) }), optimizer: sgd(0.1) })],
  ['weights far too large', 'weights-too-large', () => program({ model: net(4, [], { init: new Normal({ std: 2 }) }) })],
  ['no activation anywhere', 'no-nonlinearity', () => program({ model: new Sequential([new Linear(10, 32), new Linear(32, 4)]) })],
  ['[J09] a rate of a thousand', 'learning-rate-too-high', () => program({ optimizer: sgd(1000) })],
  ['[J29] a rate a hundred times too high', 'learning-rate-too-high', () => program({ optimizer: adam(0.3) })],
  ['[J29] a rate of 1e-6', 'learning-rate-too-low', () => program({ optimizer: sgd(1e-6) })],
  ['[J07] a rate a ten-thousandth of the right one', 'learning-rate-too-low', () => program({ optimizer: adam(3e-7) })],
  [
    '[A20] units that are dead from the start',
    'dead-units',
    () => {
      const model = net();
      model.prepare();
      (model.layers[0] as Linear).bias?.data.fill(-100);
      return program({ model });
    },
  ],
  [
    'nine layers of sigmoid',
    'vanishing-gradients',
    () => {
      setSeed(1);
      const inner = Array.from({ length: 8 }, () => [new Sigmoid(), new Linear(16, 16)]).flat();
      return program({ model: new Sequential([new Linear(10, 16), ...inner, new Sigmoid(), new Linear(16, 4)]) });
    },
  ],
  [
    'labels that have nothing to do with the inputs',
    'nothing-to-learn',
    () => {
      const random = new Seeded(5);
      const noise = (count: number, seed: number): TensorDataset =>
        new TensorDataset(cloudSet(count, { seed }).inputs, Tensor.from(Int32Array.from({ length: count }, () => random.integer(4))));
      return program({ data: noise(150, 1), validation: noise(150, 2), model: net(), epochs: 40 });
    },
  ],
  ['all examples in one batch', 'batch-too-large', () => program({ batchSize: 600, epochs: 10 })],
  [
    'batch norm over two examples',
    'batch-too-small',
    () => program({ model: new Sequential([new Linear(10, 32), new BatchNorm1d(32), new ReLU(), new Linear(32, 4)]), batchSize: 2, epochs: 1 }),
  ],
  ['dropout that goes on in evaluation', 'dropout-in-evaluation', () => program({ model: net(4, [new Restless()]) })],
  [
    'dropout of nine tenths',
    'dropout-too-high',
    () => program({ model: new Sequential([new Linear(10, 64), new ReLU(), new Dropout(0.9), new Linear(64, 4)]) }),
  ],
];

for (const [title, id, make] of sick)
  test(`${title}: ${id}, and nothing else`, async (t) => {
    const { ids, texts } = await findingsOf(make());
    t.deepEqual(ids, [id], texts.join('\n'));
  });

/** Each is to have no finding, though a simple rule would have one. */
const healthy: readonly [title: string, () => Program][] = [
  ['[J01] a plain classifier', () => program()],
  ['a plain regression', () => regression({ epochs: 15 })],
  ['no validation data, small batches', () => program({ validation: undefined, batchSize: 8 })],
  [
    'validation better than training, under dropout',
    () => program({ model: new Sequential([new Linear(10, 64), new ReLU(), new Dropout(0.5), new Linear(64, 4)]) }),
  ],
  [
    'inputs of any size behind a batch norm',
    () =>
      program({
        model: new Sequential([new Linear(10, 32), new BatchNorm1d(32), new ReLU(), new Linear(32, 4)]),
        data: cloudSet(600, { scale: 300 }),
        validation: undefined,
      }),
  ],
  [
    'XOR by a squared error, on a plateau for hundreds of epochs',
    () => regression({ model: small(4, () => new Sigmoid(), new Sigmoid()), data: xor(), optimizer: adam(3e-3), epochs: 4000, batchSize: 4 }),
  ],
  [
    'four rows and a high rate of Adam',
    () =>
      regression({
        model: small(8, () => new Tanh(), new Sigmoid()),
        data: xor(),
        loss: probabilities,
        optimizer: adam(0.02),
        epochs: 500,
        batchSize: 4,
      }),
  ],
  [
    'degrees to Fahrenheit by one weight, with targets up to 100 and a rate of 0.1',
    () => {
      const celsius = [-40, -10, 0, 8, 15, 22, 38];
      const data = set(column(celsius), column(celsius.map((degrees) => 1.8 * degrees + 32)));
      return regression({ model: new Sequential([new Linear(1, 1)]), data, optimizer: adam(0.1), epochs: 500 });
    },
  ],
  [
    'classes that hardly have an example, one of which has none',
    () => {
      const { x, labels } = clouds(600, 12);
      const rare = labels.map((label, i) => (label < 10 ? label : i < 20 ? 10 : label % 10));
      return program({
        data: new TensorDataset(Tensor.from(x, [600, 10]), Tensor.from(rare)),
        model: net(12),
        validation: undefined,
        epochs: 10,
      });
    },
  ],
  [
    'a class of one in a hundred, where an even guess costs nine times what the best constant one does',
    () => {
      const { x, labels } = clouds(1200, 2);
      const rows = Array.from(labels).flatMap((label, i) => (label === 0 || i % 50 === 0 ? [i] : []));
      const inputs = Float32Array.from(rows.flatMap((row) => [...x.subarray(10 * row, 10 * row + 10)]));
      const data = new TensorDataset(Tensor.from(inputs, [rows.length, 10]), Tensor.from(Int32Array.from(rows, (row) => labels[row])));
      return program({ data, model: net(2), validation: undefined, epochs: 3 });
    },
  ],
  ['a linear model', () => program({ model: new Sequential([new Linear(10, 4)]), optimizer: sgd(0.1) })],
  [
    'batch norm and few steps',
    () => program({ model: new Sequential([new Linear(10, 32), new BatchNorm1d(32), new ReLU(), new Linear(32, 4)]), epochs: 3 }),
  ],
];

for (const [title, make] of healthy)
  test(`${title}: nothing is said`, async (t) => {
    const { texts } = await findingsOf(make());
    t.deepEqual(texts, []);
  });

/** The epochs in which a program gets a finding. */
async function epochsOf(id: FindingId, changed: Partial<Program>): Promise<number[]> {
  const { model, data, optimizer, ...options } = program(changed);
  const history = await model.fit(data as TensorDataset, { ...options, optimizer: optimizer(model) });
  return history.findings.filter((finding) => finding.id === id).map(({ epoch }) => epoch);
}

test('[J24] a rate that leaves the weights where they are is named in the first epoch, unless it is on its way up', async (t) => {
  const epochs = (lr: Scheduled): Promise<number[]> => epochsOf('learning-rate-too-low', { optimizer: sgd(lr), epochs: 6 });
  t.deepEqual(await epochs(1e-4), [1]);
  t.deepEqual(await epochs(new LinearWarmup(0.1, { length: 3, initial: 1e-4 })), []);
});

test('[J25] a step as long as the weights is named in the first epoch though the loss falls; a momentum longer than the run before it', async (t) => {
  t.deepEqual(await epochsOf('learning-rate-too-high', { optimizer: adam(0.15), epochs: 2 }), [1]);
  const heavy: Program['optimizer'] = (model) => new SGD(model, { lr: 0.1, momentum: 0.999 });
  t.deepEqual(await epochsOf('learning-rate-too-high', { optimizer: heavy, epochs: 2 }), [0]);
});

/** What is found at the end of a run with these losses of training and validation by epoch, by one rule. */
function foundIn(id: FindingId, training: readonly number[], validation: readonly number[], more: object = {}): FindingId[] {
  const steps = 50;
  const losses = new LossCurve();
  for (const loss of training) for (let step = 0; step < steps; step++) losses.add(loss);
  const epochs = training.map((loss, i) => ({ epoch: i + 1, loss, metrics: {}, validation: { loss: validation[i], metrics: {} } }));
  const setup = { optimizer: 'SGD', epochs: epochs.length, stepsPerEpoch: steps, batchSize: 10, lr: 0.1, layers: [] };
  const start = { loss: 1, activations: [] };
  const rest = { chance: 1, data: null, validation: null, movement: null, probe: () => null, ...more };
  const evidence = { moment: 'end', epoch: epochs.length, step: steps * epochs.length, setup, start, losses, epochs, ...rest };
  return rules.filter(({ ids }) => ids.includes(id)).flatMap((rule) => rule.judge(evidence as never).map((found) => found.id));
}

test('[J22] overfitting is a rise that stays, or training that is done where validation is not half way; one bad epoch is neither', (t) => {
  const falling = [0.9, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.08];
  t.deepEqual(foundIn('overfitting', falling, [0.8, 0.5, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8]), ['overfitting']);
  t.deepEqual(foundIn('overfitting', falling, [0.8, 0.5, 0.4, 0.4, 0.39, 0.8, 0.4, 0.8]), []);
  const memorized = [0.9, 0.5, 0.2, 0.05, 0.02, 0.01, 0.005, 0.004];
  t.deepEqual(foundIn('overfitting', memorized, [0.9, 0.8, 0.7, 0.65, 0.6, 0.62, 0.63, 0.64]), ['overfitting']);
  t.deepEqual(foundIn('overfitting', memorized, [0.9, 0.6, 0.4, 0.35, 0.3, 0.32, 0.33, 0.34]), []);
});

test('[J18] a run has stopped too early where it still falls by a tenth from a loss that is not low', (t) => {
  const flat = (losses: readonly number[]): FindingId[] => foundIn('stopped-too-early', losses, losses);
  t.deepEqual(flat([1, 0.95, 0.9, 0.85, 0.79, 0.72, 0.65, 0.57]), ['stopped-too-early']);
  t.deepEqual(flat([1, 0.8, 0.7, 0.65, 0.62, 0.6, 0.595, 0.59]), []);
  t.deepEqual(flat([1, 0.9, 0.8, 0.72, 0.64, 0.58, 0.5, 0.43]), []);
});

test('denormal numbers are named where the processor is slow over them, and where they are', async (t) => {
  const found = async (isSlow: boolean, share: number, rows = 1000): Promise<FindingId[]> => {
    const model = new Sequential([new Linear(4, 8), new ReLU(), new Linear(8, 2)]);
    const inputs = Tensor.from(
      Float32Array.from({ length: rows * 4 }, (_, i) => (i % 100 < share * 100 ? 1e-39 : ((i * 7) % 13) / 6 - 1)),
      [rows, 4],
    );
    const targets = Tensor.from(
      Int32Array.from({ length: rows }, (_, i) => i % 2),
      [rows],
    );
    const subject = { model, loss: new CrossEntropyLoss(), optimizer: new SGD(model, { lr: 0.1 }) };
    const now = await lookAt(subject, [inputs, targets, undefined]);
    t.is(now?.denormals?.place, share * rows * 4 > 100 ? 'the inputs' : undefined);
    return denormals.judge({ now: { ...now, denormals: now?.denormals && { ...now.denormals, isSlow } } } as never).map(({ id }) => id);
  };
  t.deepEqual(await found(true, 0.05), ['denormal-numbers']);
  t.deepEqual(await found(true, 0), []);
  t.deepEqual(await found(false, 0.05), []);
  t.deepEqual(await found(true, 0.05, 80), [], 'sixteen of them cost nothing');
});

test('every kind of finding has a rule or is seen before a run alone, every rule a source, numbers with names, and needs', (t) => {
  const known = new Set(rules.flatMap(({ ids }) => ids));
  t.deepEqual(
    findingIds.filter((id) => !known.has(id)),
    ['wrong-gradient', 'regularizer-lowers-loss'],
  );
  for (const rule of rules) {
    t.not(rule.source, '');
    t.true(rule.needs.length > 0);
    t.true(Object.values(rule.thresholds).every((value) => Number.isFinite(value)));
  }
});
