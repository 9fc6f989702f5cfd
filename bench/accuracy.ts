// Whole trainings in both precisions: the recipes, and the accuracy on test data that they end with, seed by seed.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  Adam,
  type AnyDataset,
  type AnyModel,
  type Optimizer,
  CosineDecay,
  CrossEntropyLoss,
  Embedding,
  LSTM,
  Linear,
  LinearWarmup,
  Sequential,
  SequentialSchedule,
  SGD,
  type StepPrecision,
  Tensor,
  TensorDataset,
  augmented,
  cifarResnet,
  datasets,
  lenet5,
  randomCrop,
  randomFlip,
  setSeed,
} from '../lib/index.js';
import { root } from './contestants.js';

interface Data {
  train: AnyDataset;
  test: AnyDataset;
  /** Of letters: how many there are. */
  classes?: number;
}

/** How a model is trained, but for the precision and the seed. */
interface Recipe {
  title: string;
  epochs: number;
  batchSize: number;
  maxGradNorm?: number;
  data: () => Promise<Data>;
  model: (data: Data) => AnyModel;
  optimizer: (model: AnyModel, steps: number, stepsAnEpoch: number) => Optimizer;
}

// One epoch of warm-up, then half a cosine to zero: the plain recipe of short runs. rivals/torch_accuracy.py trains by the same one.
const resnet20: Recipe = {
  title: 'ResNet-20 on CIFAR-10',
  epochs: 20,
  batchSize: 128,
  async data() {
    const { train, test, mean } = await datasets.cifar10({ raw: true });
    return {
      train: augmented(train, [randomCrop({ padding: 4 }), randomFlip()], { mean, std: 0.25 }),
      test: augmented(test, [], { mean, std: 0.25 }),
    };
  },
  model: () => cifarResnet({ depth: 20 }),
  optimizer: (model, steps, stepsAnEpoch) =>
    new SGD(model, {
      lr: new SequentialSchedule(
        [
          new LinearWarmup(0.1, { length: stepsAnEpoch, per: 'step' }),
          new CosineDecay(0.1, { length: Math.max(1, steps - stepsAnEpoch), per: 'step' }),
        ],
        { milestones: [stepsAnEpoch] },
      ),
      momentum: 0.9,
      nesterov: true,
      weightDecay: 5e-4,
    }),
};

const lenet: Recipe = {
  title: 'LeNet-5 on MNIST',
  epochs: 5,
  batchSize: 64,
  data: () => datasets.mnist(),
  model: () => lenet5(),
  optimizer: (model) => new Adam(model, { lr: 1e-3 }),
};

/** The guides as one text, cut into pieces; a tenth of them, the last, are for the test. What is to be told is the letter behind each. */
function letters(length: number): Data {
  const folder = join(root, 'docs', 'guides');
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.md'));
  const text = names
    .sort()
    .map((name) => readFileSync(join(folder, name), 'utf8'))
    .join('\n');
  const alphabet = [...new Set(text)].sort();
  const codes = Int32Array.from([...text], (letter) => alphabet.indexOf(letter));
  const pieces = Math.floor((codes.length - 1) / length);
  const part = (first: number, end: number): TensorDataset<'int32', 'int32'> => {
    const cut = (ahead: number): Tensor<'int32'> =>
      Tensor.from(codes.slice(first * length + ahead, end * length + ahead), [end - first, length]);
    return new TensorDataset(cut(0), cut(1), { name: 'guides' });
  };
  const held = Math.floor(pieces * 0.9);
  return { train: part(0, held), test: part(held, pieces), classes: alphabet.length };
}

const charLstm: Recipe = {
  title: 'character LSTM on the guides',
  epochs: 10,
  batchSize: 32,
  maxGradNorm: 5,
  data: async () => letters(64),
  model: ({ classes = 0 }) => new Sequential([new Embedding(classes, 64), new LSTM(64, 256), new Linear(256, classes)]),
  optimizer: (model, steps) => new Adam(model, { lr: new CosineDecay(3e-3, { length: steps, per: 'step' }) }),
};

const recipes: Readonly<Record<string, Recipe>> = { lenet5: lenet, resnet20, 'char-lstm': charLstm };

/** What can be trained. */
export const recipeNames: readonly string[] = Object.keys(recipes);

/** What is to be trained, and where it leaves off. */
export interface AccuracyOptions {
  /** One of {@link recipeNames}. */
  model: string;
  precisions: readonly StepPrecision[];
  seeds: readonly number[];
  /** Default: the recipe's. */
  epochs?: number;
  /** Checkpoints and logs go below it, and a run that was ended goes on; default: none are written. */
  runDir?: string;
}

/** Trains each seed in each precision, and says a line an epoch and one at the end. */
export async function accuracy(
  { model: name, precisions, seeds, epochs: given, runDir }: AccuracyOptions,
  print: (text: string) => void,
): Promise<void> {
  const recipe = recipes[name];
  const { batchSize, maxGradNorm, title } = recipe;
  const epochs = given ?? recipe.epochs;
  const data = await recipe.data();
  const stepsAnEpoch = Math.ceil(data.train.length / batchSize);
  const reached = new Map<StepPrecision, number[]>(precisions.map((precision) => [precision, []]));
  for (const seed of seeds) {
    for (const precision of precisions) {
      const label = `${title}, seed ${seed}, ${precision}`;
      setSeed(seed);
      const model = recipe.model(data);
      const before = process.cpuUsage();
      const folder = runDir === undefined ? undefined : join(runDir, `${name}-${precision}-${seed}`);
      const history = await model.fit(data.train, {
        loss: new CrossEntropyLoss(),
        optimizer: recipe.optimizer(model, epochs * stepsAnEpoch, stepsAnEpoch),
        epochs,
        batchSize,
        maxGradNorm,
        precision,
        seed,
        validation: data.test,
        callbacks: [
          {
            onEpochEnd: ({ epoch, loss, metrics, validation }) =>
              print(
                `${label}: epoch ${epoch}, loss ${loss.toFixed(4)}, ${percent(metrics)} of training, ${percent(validation?.metrics)} of test data`,
              ),
          },
        ],
        ...(folder === undefined ? { log: false } : { runDir: folder, checkpoint: { dir: join(folder, 'checkpoints') }, resume: true }),
        progress: false,
        sitter: false,
      });
      const { user, system } = process.cpuUsage(before);
      const score = 100 * (history.last?.validation?.metrics.accuracy ?? Number.NaN);
      reached.get(precision)?.push(score);
      print(`${label}, ${epochs} epochs: ${score.toFixed(2)} %, ${((user + system) / 1e6).toFixed(0)} s of CPU`);
    }
  }
  const means = precisions.map((precision) => {
    const scores = reached.get(precision) ?? [];
    return `${precision} ${(scores.reduce((sum, one) => sum + one, 0) / scores.length).toFixed(2)} %`;
  });
  print(`${title}, mean of ${seeds.length}: ${means.join(', ')}`);
}

function percent(metrics: Readonly<Record<string, number>> | undefined): string {
  return `${(100 * (metrics?.accuracy ?? Number.NaN)).toFixed(2)} %`;
}
