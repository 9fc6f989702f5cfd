// Proves lib/cli/evaluate.ts on images: how many of a folder are judged, and what is said where a model and the images do not belong together.

import test from 'ava';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ChannelScaler, datasets, linearModel } from '../../lib/index.js';
import { runCommand } from '../helpers/command.js';
import { photographs } from '../helpers/photographs.js';

test('a tenth of a folder is judged and said to be one, --test 1 takes all images', async (t) => {
  const folder = await photographs(t, 10);
  const model = linearModel({ inputShape: [12, 12, 3], classes: 2 });
  const { train, test: held } = await datasets.imageFolder(join(folder, 'photos'), { imageSize: 12, raw: true, cache: false });
  model.preprocessing = new ChannelScaler({ layout: 'NHWC', mean: 0.5 }).fit(train);
  await model.save(join(folder, 'model.safetensors'));
  const run = (...words: string[]) => runCommand(folder, ['evaluate', 'model.safetensors', ...words], { XDG_CACHE_HOME: folder });
  const tenth = await run('--data', 'photos');
  t.regex(
    tenth.out,
    /photos test: 2 of 20 images\n +a tenth of each class, as `train` holds it back; --test 1 takes all images\n/,
    tenth.error,
  );
  const all = await run('--data', 'photos', '--test', '1', '--json', '--wrong', '20');
  const { examples, confusion, wrong } = JSON.parse(all.out) as {
    examples: number;
    confusion: number[][];
    wrong: { file: string; label: string }[];
  };
  t.is(examples, 20);
  t.deepEqual(
    confusion.map((row) => row.reduce((sum, count) => sum + count, 0)),
    [10, 10],
  );
  t.is(wrong.length, 20 - confusion[0][0] - confusion[1][1]);
  for (const { file, label } of wrong) t.regex(file, new RegExp(`photos/${['green', 'red'][Number(label)] ?? label}/`));
  t.is(held.length, 2);
  t.regex((await run('--data', 'photos', '--test', '1')).out, /photos: 20 images\n/);
  t.regex((await run()).error, /takes images of 12×12×3, and no --data was given: .* the drawn digits, which are 28×28×1\. .*--data <folder>/);
  t.regex((await run('--data', 'digits')).error, /model\.safetensors takes images of 12×12×3, those of .* are 28×28×1/);
});

test('the folder of a run in the place of its model is told from it', async (t) => {
  const folder = await photographs(t, 1);
  mkdirSync(join(folder, 'own'));
  const run = async () => (await runCommand(folder, ['evaluate', 'own', '--data', 'photos'])).error;
  t.regex(await run(), /own is a folder, and a model is a file \(\.safetensors\)/);
  await linearModel({ inputShape: [2], classes: 2 }).save(join(folder, 'own', 'model.safetensors'));
  t.regex(await run(), /own is a folder, and a model is a file: own\/model\.safetensors is the one in it/);
});
