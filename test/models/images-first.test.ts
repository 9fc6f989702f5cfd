// Proves what somebody meets who trains on images of their own: lib/sitter/gather.ts, lib/sitter/preflight.ts, lib/models/pytorch.ts, lib/layers/state.ts, lib/metrics/confusion-text.ts,
// lib/training/class-names.ts and lib/onnx/export.ts say what is so, and accuse nothing that is right.
import { join } from 'node:path';
import test from 'ava';
import {
  Adam,
  ArgumentError,
  ChannelScaler,
  CrossEntropyLoss,
  GlobalAvgPool2d,
  Linear,
  Sequential,
  Tensor,
  TensorDataset,
  augmented,
  preflight,
  randomFlip,
  resnet18,
  saveOnnx,
  smallConvNet,
  tensor,
  loadPyTorch,
} from '../../lib/index.js';
import { confusionLines } from '../../lib/metrics/confusion-text.js';
import { inFolder } from '../helpers/reports.js';
import { warningsOf } from '../helpers/warnings.js';

/** Images of `size`, whose brightness is their class; the rows are in the order of the classes. */
function images(size: number, count: number, names: string[]): TensorDataset<'uint8', 'int32'> {
  const labels = Int32Array.from({ length: count }, (_, i) => Math.floor((i * names.length) / count));
  const length = size * size * 3;
  const pixels = Uint8Array.from({ length: count * length }, (_, i) => 100 * labels[Math.floor(i / length)] + 7 * ((i * 7) % 13));
  return new TensorDataset(Tensor.from(pixels, [count, size, size, 3]), Tensor.from(labels), { classes: names });
}

test.serial(
  'large images are looked at in a number that tells their classes, plain and augmented, by a preprocessing that has learned nothing yet',
  async (t) => {
    const data = images(224, 24, ['dark', 'bright']);
    for (const seen of [data, augmented(data, [randomFlip()])]) {
      const model = new Sequential([new GlobalAvgPool2d(), new Linear(3, 2)]);
      model.preprocessing = new ChannelScaler({ layout: 'NHWC' });
      const found = await preflight(model, seen, { loss: new CrossEntropyLoss(), optimizer: new Adam(model) });
      t.false(
        found.some(({ id }) => id === 'one-class'),
        found.map(({ text }) => text).join('\n'),
      );
      t.is(model.preprocessing.inputShape, null); // as it was
    }
    const one = new TensorDataset(data.inputs, Tensor.from(new Int32Array(24)), { classes: ['dark', 'bright'] });
    const model = new Sequential([new GlobalAvgPool2d(), new Linear(3, 2)]);
    const found = await preflight(model, one, { loss: new CrossEntropyLoss(), optimizer: new Adam(model) });
    t.regex(found.find(({ id }) => id === 'one-class')?.seen ?? '', /over 16 examples/);
  },
);

test.serial(
  'a model with more scores than the data have classes is trained with a word, and its confusion matrix has a name for each row',
  async (t) => {
    const data = images(8, 16, ['dark', 'bright']);
    const model = smallConvNet({ imageSize: 8, channels: 3 });
    model.preprocessing = new ChannelScaler({ layout: 'NHWC' });
    const options = {
      loss: new CrossEntropyLoss(),
      optimizer: new Adam(model),
      epochs: 1,
      log: false,
      progress: false,
      sitter: false,
    } as const;
    const warnings = await warningsOf(() => model.fit(data, options));
    t.regex(warnings.join(), /NODEGRAD_MORE_SCORES: .*has 2 classes, and the model gives 10 scores .*\{ classes: 2 \}/);
    const lines = confusionLines(
      [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
      ['dark', 'bright'],
    );
    t.is(lines.length, 4);
    t.regex(lines[3], /^ +2 /);
  },
);

test.serial('weights of which next to nothing is of the model are refused, also where names may be missing', async (t) => {
  const model = resnet18({ width: 4, imageSize: 32, classes: 4 });
  const other = new Map(Array.from({ length: 40 }, (_, i) => [`features.${i}.num_weight`, tensor([1])]));
  const error = await t.throwsAsync(loadPyTorch(model, other, { strict: false, otherShapes: 'skip' }), { instanceOf: ArgumentError });
  t.regex(error.message, /of the 102 values of the model, 0 are among the 40 of the source: it lacks .*It is that of another network/);
  t.false(error.message.includes('num_batches_tracked'));
  const some = t.throws(() => model.loadStateDict(Object.fromEntries([...model.stateDict()].slice(0, 100))), { instanceOf: ArgumentError });
  t.regex(some.message, /100 of the 122 values of the model are in it/);
});

test.serial('freeze and unfreeze refuse the name of a part', (t) => {
  const model = resnet18({ width: 4, imageSize: 32, classes: 4 });
  for (const method of ['freeze', 'unfreeze'] as const) {
    const error = t.throws(() => (model as unknown as Record<string, (part: string) => unknown>)[method]('layer1'), {
      instanceOf: ArgumentError,
    });
    t.true(error.message.includes(`model.layer1.${method}()`), error.message);
  }
  t.true(model.parameters().every(({ isTrained }) => isTrained));
});

test.serial('a file of ONNX under another ending is written with a word', async (t) => {
  await inFolder(async (folder) => {
    const model = new Sequential([new Linear(3, 2)]);
    const warnings = await warningsOf(() => saveOnnx(model, join(folder, 'z.onxx'), { inputShape: [3] }));
    t.regex(warnings.join(), /NODEGRAD_FILE_NAME: .*z\.onxx' does not end with \.onnx/);
    t.deepEqual(await warningsOf(() => saveOnnx(model, join(folder, 'z.onnx'), { inputShape: [3] })), []);
  });
});
