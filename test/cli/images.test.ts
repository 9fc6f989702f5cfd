// Proves lib/cli/images.ts as a user meets it: train on a folder of photographs, and in other processes evaluate the model and ask it about a file.

import test from 'ava';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { ChannelScaler, datasets, load, mlp, readImages, type Tensor } from '../../lib/index.js';
import { type CommandOutcome, runCommand } from '../helpers/command.js';
import { photographs } from '../helpers/photographs.js';

const run = (folder: string, words: readonly string[]): Promise<CommandOutcome> => runCommand(folder, words, { XDG_CACHE_HOME: folder });

const words = [
  'train',
  '--data',
  'photos',
  '--image-size',
  '12',
  '--model',
  'linear-model',
  '--epochs',
  '20',
  '--batch-size',
  '8',
  '--lr',
  '0.01',
  '--run-dir',
  'here',
];
const model = join('here', 'model.safetensors');

for (const augment of ['--augment', '--no-augment'])
  test(`a model that was trained on photographs (${augment}) is right about files, in a process that knows nothing else`, async (t) => {
    const folder = await photographs(t);
    const trained = await run(folder, [...words, augment, '--json']);
    t.is(trained.code, 0, trained.error);
    const result = JSON.parse(trained.out) as { test: { accuracy: number; loss: number; classes: string[] } };
    t.is(result.test.accuracy, 1);
    t.deepEqual(result.test.classes, ['green', 'red']);
    const saved = await load(join(folder, model));
    t.true(saved.preprocessing instanceof ChannelScaler, 'it takes pixels');
    t.deepEqual(saved.classNames, ['green', 'red']);
    const asked = await run(folder, ['predict', model, 'photos/red/3.jpg', 'photos/green/4.jpg']);
    t.regex(asked.out, /^file,prediction,probability\nphotos\/red\/3\.jpg,red,0\.\d+\nphotos\/green\/4\.jpg,green,0\.\d+\n$/, asked.error);
    const scores = await saved.predict<Tensor>(await readImages(join(folder, 'photos/red/3.jpg'), { imageSize: 12 }));
    t.is(scores.argmax(-1).item(), 1, 'and to a program');
    const evaluated = JSON.parse((await run(folder, ['evaluate', model, '--data', 'photos', '--json'])).out) as typeof result.test;
    t.true(Math.abs(evaluated.loss - result.test.loss) < 1e-5);
    t.is(evaluated.accuracy, 1);
    t.regex((await run(folder, ['evaluate', model, '--data', 'photos', '--wrong', '5'])).out, /None is wrong\n/);
  });

test('a folder of photographs alone is trained on by a small convolutional network, beside a baseline, and a size that it does not take names a way out', async (t) => {
  const folder = await photographs(t);
  const plain = ['train', '--data', 'photos', '--epochs', '2'];
  const { code, out, error } = await run(folder, [...plain, '--image-size', '14']);
  t.is(code, 0, error);
  t.regex(out, /\n +model +small-conv-net: /);
  t.regex(out, /, batches of 16, /);
  t.regex(out, /\n +test +accuracy .*\n +baseline +always 'green': accuracy 50\.00 %, log loss 0\.6931\n/);
  const pixels = Buffer.alloc(12 * 16 * 3);
  for (const kind of ['tall', 'wide']) {
    mkdirSync(join(folder, 'oblong', kind), { recursive: true });
    for (const name of ['1.png', '2.png'])
      await sharp(pixels, { raw: { width: 12, height: 16, channels: 3 } }).toFile(join(folder, 'oblong', kind, name));
  }
  const refused = await run(folder, ['train', '--data', 'oblong', '--epochs', '2']);
  t.is(refused.code, 1);
  t.regex(refused.error, /takes square images, these are 16×12: --image-size 12 makes them so, --model mlp takes them as they are/);
  t.is((await run(folder, ['train', '--data', 'oblong', '--epochs', '2', '--model', 'mlp'])).code, 0);
});

test('a run on photographs says what to type next, and that works: accuracy of each class, the confusion matrix, the wrong files', async (t) => {
  const folder = await photographs(t);
  // Two that lie in the wrong folder: the last of each class are the test images.
  for (const name of ['green', 'red']) renameSync(join(folder, 'photos', name, '9.jpg'), join(folder, 'photos', `${name}.jpg`));
  renameSync(join(folder, 'photos', 'green.jpg'), join(folder, 'photos', 'red', '9.jpg'));
  renameSync(join(folder, 'photos', 'red.jpg'), join(folder, 'photos', 'green', '9.jpg'));
  const { code, out, error } = await run(folder, [...words, '--test', '0.2']);
  t.is(code, 0, error);
  const next = /Next\n +evaluate +npx nodegrad (.*)\n +predict +npx nodegrad (.*)\n/.exec(out);
  t.truthy(next, out);
  const evaluated = await run(folder, next![1].split(' '));
  t.regex(evaluated.out, /photos test: 8 of 40 images\n/, evaluated.error);
  t.regex(evaluated.out, /true +green +red +hits\ngreen +3 +1 +75\.0 %\n +red +1 +3 +75\.0 %\n/);
  t.regex(
    evaluated.out,
    /Wrong, the surest first\n +photos\/(green|red)\/9\.jpg +(green|red), taken for (red|green) \(\d+\.\d\d %\)\n.*photos\/(green|red)\/9\.jpg/,
  );
  t.regex((await run(folder, next![2].split(' '))).out, /\nphotos\/green\/\d+\.jpg,(green|red),0\.\d+\n/);
  const listed = JSON.parse((await run(folder, [...next![1].split(' '), '--json'])).out) as { wrong: { file: string; label: string }[] };
  t.deepEqual(listed.wrong.map(({ file }) => file).sort(), ['photos/green/9.jpg', 'photos/red/9.jpg']);
  const swapped = await run(folder, ['evaluate', model, '--data', 'photos', '--classes', 'red,green']);
  t.is(swapped.code, 1);
  t.regex(swapped.error, /has the classes 'red', 'green', the model 'green', 'red'.*\(--classes, with commas between\) \[ERR_ARGUMENT\]/);
});

test('a model that was trained on digits, as they are, is right about an image file in a process that knows nothing else', async (t) => {
  const folder = await photographs(t, 1);
  const trained = await run(folder, ['train', '--hidden', '32', '--epochs', '1', '--run-dir', 'here', '--json']);
  t.is(trained.code, 0, trained.error);
  const { test: digits } = await datasets.digits({ train: 1, test: 20, seed: 5, raw: true });
  const files = Array.from({ length: digits.length }, (_, i) => `${i}.png`);
  const { inputs, targets } = digits.batch(Int32Array.from(files.keys()));
  for (const [i, file] of files.entries())
    await sharp(inputs.data.subarray(784 * i, 784 * (i + 1)), { raw: { width: 28, height: 28, channels: 1 } }).toFile(join(folder, file));
  const { out, error } = await run(folder, ['predict', model, ...files]);
  const lines = out.trim().split('\n').slice(1);
  t.is(lines.length, files.length, error);
  const hits = lines.filter((line, i) => line.startsWith(`${i}.png,${targets.data[i]},`));
  t.true(hits.length >= 15, out);
});

test('a run on folders that are parts names them, one on an archive suggests no file inside of it, and one class alone is refused', async (t) => {
  const folder = await photographs(t, 6);
  const short = ['train', '--image-size', '12', '--model', 'linear-model', '--epochs', '1'];
  for (const [part, numbers] of Object.entries({ train: [0, 1, 2], valid: [3, 4], test: [5] }))
    for (const kind of ['green', 'red']) {
      mkdirSync(join(folder, 'parts', part, kind), { recursive: true });
      for (const n of numbers) copyFileSync(join(folder, 'photos', kind, `${n}.jpg`), join(folder, 'parts', part, kind, `${n}.jpg`));
    }
  for (const again of [false, true]) {
    const { out, error } = await run(folder, [...short, '--data', 'parts']);
    t.regex(out, /6 images to train on \(train\), 6 to test with \(test and valid, joined\)/, `${error} from the cache: ${again}`);
  }
  execFileSync('tar', ['-cf', 'photos.tar', 'photos'], { cwd: folder });
  const packed = await run(folder, [...short, '--data', 'photos.tar']);
  t.regex(packed.out, /\n +predict +npx nodegrad predict runs\/\S+ photo\.jpg\n/, packed.error);
  const alone = await run(folder, [...short, '--data', 'photos', '--classes', 'red']);
  t.is(alone.code, 1);
  t.regex(alone.error, /photos holds one class only, "red": at least two are needed/);
});

test('what a model cannot be asked is said, with what can be done', async (t) => {
  const folder = await photographs(t, 3);
  const plain = mlp({ inputShape: [12, 12, 3], hidden: [4], classes: 2 });
  await plain.save(join(folder, 'plain.safetensors'));
  const says = async (given: string[], message: RegExp) => {
    const { code, error } = await run(folder, ['predict', ...given]);
    t.is(code, 1);
    t.regex(error, message);
  };
  await says(['plain.safetensors', 'photos/red/0.jpg'], /does not say how its pixels are scaled/);
  await says(['plain.safetensors'], /name the images that plain\.safetensors is asked about: nodegrad predict plain\.safetensors photo\.jpg/);
  await says(['plain.safetensors', '--data', 'photos'], /was not trained on a table/);
  const { train } = await datasets.imageFolder(join(folder, 'photos'), { imageSize: 12, raw: true, cache: false });
  plain.preprocessing = new ChannelScaler({ layout: 'NHWC', mean: 0.5 }).fit(train);
  await plain.save(join(folder, 'plain.safetensors'));
  await says(['plain.safetensors', 'gone.jpg'], /gone\.jpg cannot be read: ENOENT: there is no such file or folder/);
  await says(['plain.safetensors', 'photos'], /photos is a folder: name the images in it, photos\/\*\.jpg/);
  writeFileSync(join(folder, 'text.jpg'), 'no image');
  const some = ['plain.safetensors', 'photos/red/0.jpg', 'text.jpg', 'gone.jpg', 'photos/red/1.jpg'];
  await says(some, /(text|gone)\.jpg.*\. --damaged skip leaves out what cannot be read/);
  const skipped = await run(folder, ['predict', ...some, '--damaged', 'skip']);
  t.is(skipped.code, 0, skipped.error);
  t.regex(skipped.out, /^file,.*\nphotos\/red\/0\.jpg,.*\nphotos\/red\/1\.jpg,.*\n$/);
  t.regex(skipped.error, /left out: text\.jpg: this image cannot be decoded.*\nleft out: gone\.jpg cannot be read/);
  await says(['plain.safetensors', 'text.jpg', '--damaged', 'skip'], /none of the 1 images can be read/);
  await says(['plain.safetensors', 'text.jpg'], /text\.jpg: this image cannot be decoded/);
  const written = await run(folder, ['predict', 'plain.safetensors', 'photos/red/0.jpg', '--output', 'said.csv']);
  t.is(written.out, 'said.csv: 1 prediction\n');
  t.regex(readFileSync(join(folder, 'said.csv'), 'utf8'), /photos\/red\/0\.jpg,[01],0\.\d+/, 'numbers, where nobody named the classes');
});
