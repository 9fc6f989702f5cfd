// What users met on the way from their own photographs to a model: each message names the way out that there is.

import test from 'ava';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Adam,
  CrossEntropyLoss,
  DTypeError,
  IndexError,
  ShapeError,
  type Tensor,
  TensorDataset,
  datasets,
  readImages,
  smallConvNet,
  tensor,
  zeros,
} from '../../lib/index.js';

const sharp = await import('sharp').then(
  ({ default: found }) => found,
  () => null,
);
const decoding = sharp === null ? test.skip : test;

const loss = new CrossEntropyLoss();
const quiet = { loss, epochs: 1, progress: false, log: false } as const;
const kinds = ['brick', 'leaf', 'wave'];

/** Six images of three classes, as bytes or as numbers. */
const images = (dtype: 'uint8' | 'float32'): TensorDataset =>
  new TensorDataset(zeros([6, 8, 8, 3], { dtype }) as Tensor, tensor([0, 1, 2, 0, 1, 2], { dtype: 'int32' }), {
    name: 'photos',
    classes: kinds,
  });

test('bytes of images without preprocessing are told which one makes numbers of them, in training and evaluation', async (t) => {
  const model = smallConvNet({ imageSize: 8, channels: 3, classes: 3 });
  const message =
    /received uint8: the inputs are bytes of images, .*Set model\.preprocessing = new ChannelScaler\(\{ layout: 'NHWC', divide: true \}\), which/;
  const data = images('uint8');
  await t.throwsAsync(model.fit(data, { ...quiet, optimizer: new Adam(model) }), { instanceOf: DTypeError, message });
  const callbacks = [{ onBatchEnd: () => {} }];
  await t.throwsAsync(model.fit(data, { ...quiet, optimizer: new Adam(model), callbacks }), { instanceOf: DTypeError, message });
  await t.throwsAsync(model.evaluate(data, { loss }), { instanceOf: DTypeError, message });
  const rows = new TensorDataset(zeros([2, 4], { dtype: 'uint8' }) as unknown as Tensor, tensor([0, 1], { dtype: 'int32' }));
  await t.throwsAsync(model.evaluate(rows, { loss }), { message: /^(?!.*ChannelScaler)/ }, 'what is no image is not called one');
});

test('more classes than the model has scores are counted and named', async (t) => {
  const model = smallConvNet({ imageSize: 8, channels: 3, classes: 2 });
  await t.throwsAsync(model.fit(images('float32'), { ...quiet, optimizer: new Adam(model) }), {
    instanceOf: IndexError,
    message:
      "class index 2 of row 2 of data set 'photos' lies outside 0 … 1: the model gives 2 scores, and the data have 3 classes ('brick', 'leaf', 'wave'): build the model with `classes: 3`",
  });
});

test('colours for a network of one channel are told the option, and layers further in nothing that is a guess', (t) => {
  const at = (channels: number, received: number): string =>
    t.throws(() => smallConvNet({ imageSize: 8, channels }).forward(zeros([2, 8, 8, received])), { instanceOf: ShapeError })!.message;
  t.regex(at(1, 3), /expected 1 channel \(.*received shape \[2, 8, 8, 3\]\. A network for colours is made with `channels: 3`$/);
  t.regex(at(3, 1), /expected 3 channels \(.*grey images is made with `channels: 1`$/);
  t.regex(at(3, 5), /received shape \[2, 8, 8, 5\]$/);
});

test('names of classes in the place of targets or numbers are told the way to indices', (t) => {
  const way = /tensor\(labels\.map\(\(label\) => names\.indexOf\(label\)\), \{ dtype: 'int32' \}\)/;
  t.throws(() => new TensorDataset(zeros([2, 4]), ['cat', 'dog'] as never), { message: way });
  t.throws(() => tensor(['cat', 'dog'] as never), { message: way });
  t.throws(() => tensor([['1', '2']] as never), { message: /list\.map\(Number\)/ });
});

decoding('a damaged image has one reason, whatever size is asked for and however many are read', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-damaged-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'cat'));
  const pixels = Uint8Array.from({ length: 3 * 200 * 150 }, (_, i) => (i * i * 31 + 17 * i) % 256);
  for (let i = 0; i < 20; i++)
    await sharp!(pixels, { raw: { width: 200, height: 150, channels: 3 } })
      .jpeg()
      .toFile(join(folder, 'cat', `${i}.jpg`));
  const whole = readFileSync(join(folder, 'cat', '0.jpg'));
  for (const length of [300, 900, whole.length / 2]) {
    writeFileSync(join(folder, 'cat', 'cut.jpg'), whole.subarray(0, length));
    for (const imageSize of [16, 48, 64, 96, 200]) {
      const { leftOut } = await datasets.imageFolder(folder, { imageSize, raw: true, damaged: 'skip', cache: false });
      t.deepEqual(leftOut, [{ path: 'cat/cut.jpg', count: 1, reason: 'cannot be decoded: it is damaged, or not whole' }]);
      const alone = readImages(whole.subarray(0, length), { imageSize });
      await t.throwsAsync(alone, { message: 'images: these bytes, as an image, cannot be decoded: it is damaged, or not whole' });
    }
  }
});

decoding('what is no image is one line, which says in how many folders it lies', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-left-out-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const kind of ['brick', 'wave']) {
    mkdirSync(join(folder, kind));
    for (const name of ['1.png', '2.png'])
      await sharp!({ create: { width: 4, height: 4, channels: 3, background: 'red' } }).toFile(join(folder, kind, name));
  }
  writeFileSync(join(folder, 'brick', 'notes.txt'), 'x');
  const read = async () => (await datasets.imageFolder(folder, { raw: true, cache: false })).leftOut;
  t.deepEqual(await read(), [{ path: 'brick/notes.txt', count: 1, reason: 'no images' }]);
  writeFileSync(join(folder, 'readme.txt'), 'x');
  t.deepEqual(
    (await read()).map(({ count, reason }) => [count, reason]),
    [[2, 'no images, in 2 folders']],
  );
});
