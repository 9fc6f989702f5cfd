// Proves lib/cli/options.ts and models.ts: recipes of the papers, what they leave to the command line, the rates over the epochs, and what stands there twice.

import test from 'ava';
import { modelNames } from '../../lib/cli/models.js';
import { type GivenOptions, makeOptimizer, optimizerNames, withRecipe } from '../../lib/cli/options.js';
import { Linear, Sequential } from '../../lib/index.js';
import { close } from '../helpers/close.js';
import { runCommand } from '../helpers/command.js';

const given = (model: string, more: Partial<GivenOptions> = {}): GivenOptions => ({
  data: 'cifar10',
  model,
  hidden: [],
  epochs: 20,
  seed: 1,
  json: false,
  ...more,
});

/** The rates of the epochs of a run. */
function ratesOf(options: GivenOptions): number[] {
  const full = withRecipe(options);
  const optimizer = makeOptimizer(full, new Sequential([new Linear(2, 2)]));
  return Array.from({ length: full.epochs }, () => {
    const { lr } = optimizer;
    optimizer.nextEpoch();
    return lr;
  });
}

const runs = (...parts: [number, number][]): number[] => parts.flatMap(([count, rate]) => new Array<number>(count).fill(rate));

test('each model has the rates of its paper over the epochs', (t) => {
  const expected: Record<string, number[]> = {
    'cifar-resnet20': runs([10, 0.1], [5, 0.01], [5, 0.001]),
    'cifar-resnet110': runs([10, 0.1], [5, 0.01], [5, 0.001]),
    'cifar-resnet110-drop-path': runs([10, 0.1], [5, 0.01], [5, 0.001]),
    'cifar-densenet40': runs([10, 0.1], [5, 0.01], [5, 0.001]),
    resnet50: runs([7, 0.1], [7, 0.01], [6, 0.001]),
    'cifar-wide-resnet16': runs([6, 0.1], [6, 0.02], [4, 0.004], [4, 0.0008]),
    squeezenet: Array.from({ length: 20 }, (_, epoch) => 0.04 * (1 - epoch / 20)),
  };
  for (const [model, rates] of Object.entries(expected)) close(t, ratesOf(given(model)), rates, { relative: 1e-14 }, model);
  t.deepEqual(ratesOf(given('cifar-resnet20', { epochs: 1 })), [0.1]);
  t.deepEqual(ratesOf(given('cifar-resnet20', { schedule: 'constant', lr: 0.3, epochs: 2 })), [0.3, 0.3]);
  t.deepEqual(
    ratesOf(given('cifar-resnet20', { schedule: 'step', lr: 0.3, epochs: 2 })),
    [0.3, 0.3],
    'a third of two epochs is nothing to learn in',
  );
});

test('images of cifar10 are augmented where the paper of the model does, unless the command line says otherwise', (t) => {
  const augmented = modelNames.filter((model) => withRecipe(given(model)).augment);
  t.deepEqual(
    augmented,
    ['cifar-resnet20', 'cifar-resnet32', 'cifar-resnet44', 'cifar-resnet56', 'cifar-resnet110', 'cifar-resnet110-drop-path', 'cifar-wide-resnet16', 'cifar-densenet40', 'resnet18', 'resnet34', 'resnet50', 'squeezenet'],
  ); // biome-ignore format: one line
  t.false(withRecipe(given('cifar-resnet20', { augment: false })).augment);
  t.true(withRecipe(given('mlp', { augment: true })).augment);
  t.false(withRecipe(given('cifar-resnet20', { data: 'digits' })).augment);
});

test('images of a folder get a small convolutional network and more passes, and few of them small batches, but not where a rate is meant for a batch', (t) => {
  const of = (examples: number, more: Partial<GivenOptions> = {}) => {
    const { model, batchSize, epochs } = withRecipe(given('', { data: 'photos', model: undefined, epochs: undefined, ...more }), examples);
    return [model, batchSize, epochs];
  };
  t.deepEqual(of(Number.POSITIVE_INFINITY), ['small-conv-net', 128, 15]);
  t.deepEqual([145, 16, 500, 1000, 3000].map((examples) => of(examples)[1]), [16, 16, 16, 32, 128]); // biome-ignore format: one line
  t.deepEqual(of(145, { batchSize: 100, epochs: 2, model: 'lenet5' }), ['lenet5', 100, 2]);
  t.deepEqual(of(145, { model: 'cifar-resnet20' }), ['cifar-resnet20', 128, 15]);
  t.deepEqual(of(145, { data: 'digits' }), ['mlp', 128, 5]);
  t.deepEqual(of(145, { data: 'a.csv' }), ['mlp', 32, 50]);
});

test('weights that were trained go on in small steps, and photographs are augmented', (t) => {
  const tuned = (more: Partial<GivenOptions>) =>
    withRecipe(given('resnet18', { data: 'photos', weights: 'a.safetensors', epochs: undefined, ...more }));
  t.like(tuned({}), { optimizer: 'adam', lr: 1e-4, schedule: 'linear', batchSize: 32, epochs: 10, augment: true, weightDecay: undefined });
  t.is(tuned({ freeze: ['body'] }).lr, 1e-3);
  t.is(tuned({ freeze: ['layer1', 'norms'] }).lr, 1e-4);
  t.false(tuned({ data: 'digits' }).augment);
});

test('batches and optimizers are those of the paper, and another optimizer has a rate and a decay of its own', (t) => {
  const of = (model: string, more?: Partial<GivenOptions>) => {
    const { optimizer, batchSize, lr, weightDecay } = withRecipe(given(model, more));
    return [optimizer, batchSize, lr, weightDecay];
  };
  t.deepEqual(of('resnet50'), ['momentum', 256, 0.1, 1e-4]);
  t.deepEqual(of('cifar-resnet110-drop-path'), ['nesterov', 128, 0.1, 1e-4]);
  t.deepEqual(of('cifar-wide-resnet16'), ['nesterov', 128, 0.1, 5e-4]);
  t.deepEqual(of('squeezenet'), ['momentum', 512, 0.04, 2e-4]);
  t.deepEqual(of('resnet50', { optimizer: 'adam', batchSize: 32 }), ['adam', 32, undefined, undefined]);
});

test('each optimizer of the list is made, with its usual rate and with the decay that was said', (t) => {
  const model = new Sequential([new Linear(2, 2)]);
  const made = optimizerNames.map((optimizer) =>
    makeOptimizer(withRecipe(given('mlp', { optimizer, schedule: 'constant', weightDecay: 0.25 })), model),
  );
  t.deepEqual(
    made.map(({ constructor }) => constructor.name),
    ['SGD', 'SGD', 'SGD', 'Adam', 'AdamW', 'Adamax', 'NAdam', 'RAdam', 'Lion', 'RMSprop', 'Adagrad', 'Adadelta'],
  );
  t.deepEqual(
    made.map(({ lr }) => lr),
    [0.1, 0.03, 0.03, 0.001, 0.001, 0.002, 0.001, 0.001, 0.0001, 0.001, 0.01, 1],
  );
  for (const { groups } of made) t.is((groups[0].options as { weightDecay?: number }).weightDecay, 0.25);
});

test('the cosine schedule starts at the rate and has half of it after half of the epochs', (t) => {
  const rates = ratesOf(given('mlp', { optimizer: 'sgd', lr: 0.5, schedule: 'cosine' }));
  t.is(rates[0], 0.5);
  t.true(Math.abs(rates[10] - 0.25) < 1e-12);
  t.true(rates[19] > 0 && rates[19] < 0.01);
});

test('data, weights, a target, words or an output that stand there twice are refused; other options may be said again', async (t) => {
  const twice: [string[], string, string, string][] = [
    [['train'], '--data <name>', 'digits', 'x'],
    [['train'], '--target <column>', 'a', 'b'],
    [['train'], '--weights <file>', 'a.safetensors', 'a.safetensors'],
    [['evaluate', 'a.safetensors'], '--missing <texts>', 'a', 'b'],
    [['predict', 'a.safetensors'], '--output <file>', 'a.csv', 'b.csv'],
  ];
  for (const [words, flags, first, second] of twice) {
    const [flag] = flags.split(' ');
    const { code, error } = await runCommand('.', [...words, `${flag}=${first}`, flag, second]);
    t.is(code, 2, flag);
    t.true(error.startsWith(`error: option '${flags}' is given twice, with '${first}' and '${second}'\n`), error);
  }
  const words = ['train', '--epochs', '50', '--columns', 'a=skip', '--columns', 'b=number', '--epochs', '0'];
  const others = await runCommand('.', words);
  t.regex(others.error, /'--epochs <count>' argument '0' is invalid/);
});
