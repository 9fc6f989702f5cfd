// Folders of images on the command line: a share for testing, what is left out, and a word before the work where there is nothing to test.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { plant, type Tree } from '../helpers/pictures.js';

const isThere = await import('sharp').then(
  () => true,
  () => false,
);
const decoding = isThere ? test : test.skip;
const folder = mkdtempSync(join(tmpdir(), 'nodegrad-command-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));
let planted = 0;
const make = (tree: Tree): string => plant(join(folder, `${planted++}`), tree);

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));
function run(words: string[]): Promise<{ code: number; out: string; error: string }> {
  const env = { ...process.env, XDG_CACHE_HOME: folder, NODEGRAD_CACHE: '', NODEGRAD_NUM_THREADS: '1' };
  return new Promise((resolve) =>
    execFile(process.execPath, [main, ...words], { cwd: folder, env, timeout: 120_000 }, (failure, out, error) =>
      resolve({ code: failure === null ? 0 : Number(failure.code), out, error }),
    ),
  );
}
const training = ['train', '--hidden', '4', '--epochs', '2', '--batch-size', '4', '--json'];

decoding('few images a class are trained and tested on, with the share that is asked for (fault F06)', async (t) => {
  const path = make({ cat: 8, dog: 8 });
  const trained = await run([...training, '--data', path, '--run-dir', 'few']);
  t.is(trained.code, 0, trained.error);
  const examples = async (...more: string[]): Promise<number> =>
    JSON.parse((await run(['evaluate', 'few/model.safetensors', '--data', path, '--json', ...more])).out).examples;
  t.is(await examples(), 2);
  t.is(await examples('--test', '0.25'), 4);
  const none = await run(['evaluate', 'few/model.safetensors', '--data', path, '--test', '0']);
  t.deepEqual([none.code, none.out], [1, '']);
  t.regex(none.error, /test has no images: there is nothing to evaluate/);
});

decoding('without images for testing the model is trained and saved all the same (fault F06)', async (t) => {
  for (const json of [true, false]) {
    const words = json ? training : training.slice(0, -1);
    const { code, out, error } = await run([...words, '--data', make({ cat: 3, dog: 3 }), '--test', '0', '--run-dir', `none${json}`]);
    t.is(code, 0, error);
    if (json) t.deepEqual([JSON.parse(out).outcome, JSON.parse(out).test], ['completed', null]);
    else t.regex(out, /0 to test with/);
  }
});

decoding('what is left out is said on standard error, and options decide what the tree does not (faults F02, F26)', async (t) => {
  const path = make({ 'train/cat': 4, 'train/dog': 4, test: 5, 'train/dog/noise.png': Buffer.from('noise') });
  const refused = await run([...training, '--data', path]);
  t.is(refused.code, 1);
  t.regex(refused.error, /train\/dog\/noise\.png: this image cannot be decoded/);
  const { code, error } = await run([...training, '--data', path, '--damaged', 'skip', '--run-dir', 'left']);
  t.is(code, 0, error);
  t.regex(error, /left out: test\/0\.png and 4 more: in no folder that names a class\n/);
  t.regex(error, /left out: train\/dog\/noise\.png: cannot be decoded/);
  const shown = await run(['data', path, '--classes', 'dog,cat', '--damaged', 'skip', '--samples', '0', '--json']);
  t.deepEqual(JSON.parse(shown.out).train.classes, ['dog', 'cat']);
  t.regex((await run(['data', 'digits', '--test', '0.5'])).error, /are for folders of images, and --data is digits/);
  t.is((await run(['data', path, '--test', '2'])).code, 2);
});
