// Proves lib/cli as a user meets it: the command runs, its exit codes, its JSON, its errors, Ctrl-C, and what a terminal shows.

import test from 'ava';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { Adam, ChannelScaler, CrossEntropyLoss, Flatten, Linear, Sequential, datasets, load, readRunLog } from '../../lib/index.js';

const main = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

interface Result {
  code: number | null;
  out: string;
  error: string;
}

/** Runs the command in a folder; `interrupt` sends a signal once standard error matches. */
function run(
  folder: string,
  words: readonly string[],
  interrupt?: { on: RegExp; signal: NodeJS.Signals },
  env: Record<string, string> = {},
): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...words], {
      cwd: folder,
      env: { ...process.env, NODEGRAD_DATA: '', XDG_CACHE_HOME: folder, NODEGRAD_NUM_THREADS: '2', ...env },
    });
    let [out, error] = ['', ''];
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      error += chunk;
      if (interrupt?.on.test(error)) {
        child.kill(interrupt.signal);
        interrupt = undefined;
      }
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out, error }));
  });
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-cli-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const short = ['--hidden', '32', '--epochs', '1'];

test('train gives one JSON document on standard output, progress on standard error, a model and a log; evaluate agrees', async (t) => {
  await inFolder(async (folder) => {
    const { code, out, error } = await run(folder, ['train', ...short, '--seed', '4', '--run-dir', 'here', '--json']);
    t.is(code, 0);
    const result = JSON.parse(out);
    t.like(result, { outcome: 'completed', fault: null, options: { data: 'digits', model: 'mlp', optimizer: 'adam', epochs: 1, seed: 4 } });
    t.is(result.epochs.length, 1);
    t.true(result.test.accuracy > 0.5);
    t.is(
      result.test.confusion.flat().reduce((sum: number, count: number) => sum + count, 0),
      2000,
    );
    t.regex(error, /epoch 1\/1 {2}loss/);
    t.is(result.files.weights, join(folder, 'here', 'model.safetensors'));
    t.is(readRunLog(result.files.log).runs[0].end?.outcome, 'completed');
    t.is((await load(result.files.weights)).parameterCount(), 784 * 32 + 32 + 32 * 10 + 10);
    const evaluated = await run(folder, ['evaluate', 'here/model.safetensors', '--json']);
    t.is(evaluated.code, 0);
    t.true(Math.abs(JSON.parse(evaluated.out).loss - result.test.loss) < 1e-5);
    t.is(JSON.parse(evaluated.out).accuracy, result.test.accuracy);
    const measured = await run(folder, ['evaluate', 'here/model.safetensors', '--metrics', 'f1,roc-auc, top5-accuracy', '--json']);
    const { metrics } = JSON.parse(measured.out) as { metrics: Record<string, number> };
    t.deepEqual(Object.keys(metrics), ['f1', 'roc-auc', 'top5-accuracy']);
    t.true(Object.values(metrics).every((value) => value > 0.5 && value <= 1));
    t.regex((await run(folder, ['evaluate', 'here/model.safetensors', '--metrics', 'all'])).out, /calibration-error +0\.\d{4}\n/);
    t.regex((await run(folder, ['evaluate', 'here/model.safetensors', '--metrics', 'r2'])).error, /--metrics r2 is of numbers/);
    t.is((await run(folder, ['evaluate', 'here/model.safetensors', '--metrics', 'f2'])).code, 2);
    const text = await run(folder, ['evaluate', 'here/model.safetensors']);
    t.regex(text.out, /accuracy {2}\d+\.\d\d %/);
    const again = await run(folder, ['train', ...short, '--seed', '4', '--num-threads', '1', '--run-dir', 'there', '--json']);
    t.deepEqual(
      readFileSync(join(folder, 'there', 'model.safetensors')),
      readFileSync(join(folder, 'here', 'model.safetensors')),
      'the same seed, other threads',
    );
    t.is(JSON.parse(again.out).options.numThreads, 1);
  });
});

test('[M31] start trains a convolutional net that beats a perceptron, and shows the confusion matrix, wrong digits, the files, and what the sitter says', async (t) => {
  await inFolder(async (folder) => {
    const { code, out, error } = await run(folder, ['start', '--epochs', '1']);
    t.is(code, 0);
    t.regex(out, /What the test images were taken for\ntrue +0 +1 .*hits\n/);
    t.regex(out, /Some of the [\d,]+ wrong ones\n([ ▀▄█]*\n){14}\d taken for \d/);
    t.regex(out, /The sitter says\n {2}initial loss [\d.]+ against 2\.3026 by chance \(ln 10\): as it should be/);
    t.regex(out, /model +small-conv-net: 206,970 parameters/);
    t.regex(out, /dead units: .* % of 12,544 in layer '2'/);
    t.regex(out, /update-to-weight ratio: .* in '0\.weight'/);
    t.regex(out, /For comparison, mlp, 535,818 parameters, trained the same way:/);
    const [, own, beside] = /test +accuracy ([\d.]+) %.*\n +rival +([\d.]+) % by mlp/.exec(out) ?? [];
    t.true(Number(own) > Number(beside) + 2, `${own} % against ${beside} %`);
    const [, weights] = /weights {2}(\S+)/.exec(out) ?? [];
    t.true(existsSync(join(folder, weights)));
    t.regex(weights, /^runs\//);
    t.regex(out, /log {6}runs\/\S+\/log\.jsonl/);
    t.regex(error, /sitter: initial loss/);
    t.notRegex(
      (await run(folder, ['start', '--model', 'linear-model', '--epochs', '1'])).out,
      /comparison|rival/,
      'who names a model gets that one',
    );
    t.false(out.includes('\x1b'), 'no colours where there is no terminal');
  });
});

test('[J09] a learning rate of 10 is named as the fault, and the exit code says that the run failed', async (t) => {
  await inFolder(async (folder) => {
    const { code, out, error } = await run(folder, ['start', '--lr', '10']);
    t.is(code, 1);
    const said = out.slice(out.indexOf('The sitter says\n')).match(/learning rate too high: .*/g);
    t.is(said?.length, 1, 'it is said once');
    t.regex(String(said), /with 10, the loss grew from 2\.\d+ to .* Try --lr 1/);
    t.regex(out, /ended by a fault/);
    t.regex(error, /sitter: learning rate too high/);
    const json = await run(folder, ['train', '--lr', '1e30', '--optimizer', 'sgd', '--json']);
    t.is(json.code, 1);
    t.is(JSON.parse(json.out).outcome, 'fault');
    t.regex(JSON.parse(json.out).fault, /learning rate/);
  });
});

test('Ctrl-C finishes the step, saves what was trained, and exits with 130', async (t) => {
  await inFolder(async (folder) => {
    for (const [signal, expected] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const { code, out, error } = await run(folder, ['train', '--hidden', '32', '--epochs', '100000', '--run-dir', signal], {
        on: /epoch +1\//,
        signal,
      });
      t.is(code, expected);
      t.regex(error, /finishing the step/);
      t.regex(out, /stopped after \d+ epochs?, what was trained is saved/);
      t.is((await load(join(folder, signal, 'model.safetensors'))).parameterCount(), 784 * 32 + 32 + 32 * 10 + 10);
      t.is(readRunLog(join(folder, signal, 'log.jsonl')).runs[0].end?.outcome, 'aborted');
      t.deepEqual(readdirSync(join(folder, signal)).sort(), ['log.jsonl', 'model.safetensors']);
    }
  });
});

test('a run with checkpoints that Ctrl-C ended goes on with --resume, to the weights of one that was left alone', async (t) => {
  await inFolder(async (folder) => {
    const words = ['train', '--hidden', '32', '--epochs', '4', '--seed', '3'];
    const saved = ['--checkpoint-dir', 'saved', '--resume'];
    const stopped = await run(folder, [...words, ...saved, '--run-dir', 'first'], { on: /epoch 1\//, signal: 'SIGINT' });
    t.is(stopped.code, 130);
    t.regex(stopped.error, /no checkpoint in .*saved: starting from the beginning/);
    t.regex(stopped.out, /checkpoints {2}saved: --resume goes on from there/);
    const resumed = await run(folder, [...words, ...saved, '--run-dir', 'first', '--json']);
    t.is(resumed.code, 0);
    t.regex(resumed.error, /resuming from .*step-\d+\.safetensors, after step \d+ \(\d epochs? completed\)/);
    t.is(JSON.parse(resumed.out).epochs.length, 4);
    t.is((await run(folder, [...words, '--run-dir', 'second'])).code, 0);
    const weights = (name: string): Buffer => readFileSync(join(folder, name, 'model.safetensors'));
    t.deepEqual(weights('first'), weights('second'));
    const other = await run(folder, [...words, ...saved, '--batch-size', '64']);
    t.is(other.code, 1);
    t.regex(other.error, /another run: batchSize was 128, is 64 \[ERR_CHECKPOINT\]/);
    t.is((await run(folder, [...words, ...saved, '--epochs', '5'])).code, 0, 'more epochs, and the schedule that comes with them');
    t.regex((await run(folder, [...words, '--resume'])).error, /--checkpoint-every and --resume need --checkpoint-dir <folder>/);
  });
});

test('every optimizer, schedule and model of the options trains', async (t) => {
  await inFolder(async (folder) => {
    const runs = [
      ['--optimizer', 'sgd', '--schedule', 'constant'],
      ['--optimizer', 'momentum', '--schedule', 'step'],
      ['--optimizer', 'nesterov', '--schedule', 'exponential'],
      ['--model', 'small-conv-net', '--batch-size', '500', '--weight-decay', '1e-4', '--schedule', 'late'],
      ['--optimizer', 'adamw', '--model', 'linear-model', '--batch-size', '500', '--schedule', 'wide'],
      ['--schedule', 'linear', '--precision', 'bfloat16'],
    ];
    for (const words of runs) {
      const { code, out } = await run(folder, ['train', '--hidden', '16', '--epochs', '1', '--json', ...words]);
      t.is(code, 0, words.join(' '));
      t.is(JSON.parse(out).outcome, 'completed');
      t.true(JSON.parse(out).test.accuracy > 0.3, words.join(' '));
    }
    const still = ['train', '--hidden', '16', '--epochs', '1', '--optimizer', 'sgd', '--json', '--max-grad-norm', '0'];
    t.true(JSON.parse((await run(folder, still)).out).test.accuracy < 0.3, 'gradients of norm 0 move nothing');
  });
});

test('a command line that makes no sense exits with 2 and says what would', async (t) => {
  await inFolder(async (folder) => {
    const wrong: [string[], RegExp][] = [
      [['train', '--epoch', '3'], /unknown option '--epoch'\n\(Did you mean --epochs\?\)/],
      [['train', '--epochs', 'many'], /expected a whole number of at least 1/],
      [['train', '--epochs', '0'], /whole number/],
      [['train', '--lr', '-1'], /expected a number of at least 0/],
      [['train', '--lr', ''], /expected a number/],
      [['train', '--max-grad-norm', 'x'], /expected a number of at least 0/],
      [['train', '--precision', 'float16'], /Allowed choices are float32, bfloat16/],
      [['train', '--hidden', '5,,3'], /whole number/],
      [['train', '--optimizer', 'sdg'], /Allowed choices are sgd, momentum, nesterov, adam, adamw/],
      [['train', 'digits'], /too many arguments: train takes options alone, received 'digits' \(Did you mean --data digits\?\)/],
      [['train', '--test', '20'], /expected a number from 0 to 1, such as 0\.2 for 20 %/],
      [['evaluate'], /missing required argument 'file'/],
      [['data', 'imagenet'], /Allowed choices are digits, mnist, cifar10, or the path/],
      [['tarin'], /unknown command 'tarin'/],
      [[], /Usage: nodegrad/],
    ];
    await Promise.all(
      wrong.map(async ([words, message]) => {
        const { code, out, error } = await run(folder, words);
        t.is(code, 2, words.join(' '));
        t.regex(error, message, words.join(' '));
        t.is(out, '');
      }),
    );
    t.deepEqual(readdirSync(folder), [], 'nothing was written');
  });
});

test('what fails exits with 1 and one line, in JSON as well', async (t) => {
  await inFolder(async (folder) => {
    writeFileSync(join(folder, 'broken'), 'not a model, but long enough to be one');
    const missing = await run(folder, ['evaluate', 'missing.safetensors']);
    t.is(missing.code, 1);
    t.regex(
      missing.error,
      /^nodegrad: expected a readable file.*ENOENT: there is no such file or folder \[ERR_ARGUMENT\]\n\(npx nodegrad explain ERR_ARGUMENT says more\)\n$/,
    );
    const broken = await run(folder, ['evaluate', 'broken', '--json']);
    t.is(broken.code, 1);
    t.is(JSON.parse(broken.out).error.code, 'ERR_FILE_FORMAT');
    const data = await run(folder, ['train', '--data', 'mnist', '--data-dir', join(folder, 'broken')]);
    t.is(data.code, 1);
    t.regex(data.error, /^nodegrad: .*\[ERR_/s);
    const threads = await run(folder, ['train', '--num-threads', '100000']);
    t.is(threads.code, 1);
    t.regex(threads.error, /ERR_ARGUMENT/);
  });
});

test('info, data, help and version print what they say', async (t) => {
  await inFolder(async (folder) => {
    const info = JSON.parse((await run(folder, ['info', '--json'])).out);
    t.regex(info.version, /^\d+\.\d+\.\d+/);
    t.is(info.numThreads, 2);
    t.regex((await run(folder, ['info'])).out, new RegExp(`version +${info.version}\\n`));
    t.is((await run(folder, ['--version'])).out.trim(), info.version);
    t.regex((await run(folder, ['data'])).out, /digits .*made on the spot\n +mnist .*not here yet/);
    t.deepEqual(
      JSON.parse((await run(folder, ['data', '--json'])).out).map(({ name, isHere }: { name: string; isHere: boolean }) => [name, isHere]),
      [
        ['digits', true],
        ['mnist', false],
        ['cifar10', false],
      ],
    );
    const samples = await run(folder, ['data', 'digits', '--samples', '3']);
    t.regex(samples.out, /digits train: 10,000 images of 28×28×1, 1,000 per class/);
    t.is(samples.out.split('\n').filter((line) => /[▀▄█]/.test(line)).length >= 14, true);
    t.is(JSON.parse((await run(folder, ['data', 'digits', '--json'])).out).test.examples, 2000);
    const help = await run(folder, ['--help']);
    t.is(help.code, 0);
    t.regex(help.out, /train \[options\]/);
    t.notRegex(help.out, /start/, '`start` is for npm start');
    t.is((await run(folder, ['train', '--help'])).code, 0);
    t.deepEqual(readdirSync(folder), []);
  });
});

test('bytes of cifar10 are read, augmented and trained on; evaluate finds them too', async (t) => {
  await inFolder(async (folder) => {
    const record = (label: number): number[] => [label, ...Array.from({ length: 3072 }, (_, i) => (label * 20 + i) & 255)];
    const write = (name: string, labels: number[]): void => writeFileSync(join(folder, name), Uint8Array.from(labels.flatMap(record)));
    for (const i of [1, 2, 3, 4, 5]) write(`data_batch_${i}.bin`, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    write('test_batch.bin', [3, 7]);
    const data = ['--data', 'cifar10', '--data-dir', '.'];
    const trained = async (...more: string[]) => {
      const { code, out, error } = await run(folder, [
        'train',
        ...short,
        ...data,
        '--batch-size',
        '16',
        '--run-dir',
        'here',
        '--json',
        ...more,
      ]);
      t.is(code, 0, error);
      return JSON.parse(out) as { epochs: { loss: number }[]; test: { accuracy: number } };
    };
    const [plain, cropped] = [await trained(), await trained('--augment')];
    t.not(cropped.epochs[0].loss, plain.epochs[0].loss);
    const { out, error } = await run(folder, ['evaluate', join('here', 'model.safetensors'), ...data, '--json']);
    t.is(JSON.parse(out).accuracy, cropped.test.accuracy, error);
    t.regex((await run(folder, ['data', 'cifar10', '--data-dir', '.'])).out, /50 images of 32×32×3, 5 per class/);
    t.regex((await run(folder, ['train', '--data', folder])).error, /there are no images/);
    const depth = ['train', ...data, '--epochs', '1', '--batch-size', '50', '--lr', '0.001', '--run-dir', 'deep'];
    const deep = await run(folder, [...depth, '--model', 'cifar-resnet110-drop-path']);
    t.is(deep.code, 0, deep.error);
    t.regex(deep.out, /training images are cropped at random places and mirrored/, 'the paper augments');
    t.regex(deep.out, /nesterov, learning rate 0\.001, schedule late, batches of 50/);
    const still = await run(folder, [...depth, '--model', 'cifar-resnet20', '--no-augment', '--json']);
    t.is(JSON.parse(still.out).options.augment, false, still.error);
  });
});

test('experiment lists the demonstrations, runs one, writes its picture, and ends by Ctrl-C', async (t) => {
  await inFolder(async (folder) => {
    const list = await run(folder, ['experiment']);
    t.is(list.code, 0);
    t.regex(list.out, / {2}zigzag +The zigzag of inputs/);
    const { code, out } = await run(folder, ['experiment', 'zigzag']);
    t.is(code, 0);
    t.regex(out, /Inputs all positive[\s\S]*one sign in 100\.0 %[\s\S]*rows A05, B01/);
    t.regex(readFileSync(join(folder, 'experiment-zigzag.svg'), 'utf8'), /^<svg/);
    const json = await run(folder, ['experiment', 'lr', '--quick', '--output', 'rates.svg', '--json']);
    const report = JSON.parse(json.out) as { name: string; picture: string; panels: unknown[] };
    t.is(report.name, 'lr');
    t.is(report.panels.length, 2);
    t.true(existsSync(report.picture));
    t.is((await run(folder, ['experiment', 'nothing'])).code, 2);
    const stopped = await run(folder, ['experiment', 'gap'], { on: /400 digits/, signal: 'SIGINT' });
    t.is(stopped.code, 130, stopped.error);
    t.false(existsSync(join(folder, 'experiment-gap.svg')));
  });
});

test('evaluate gives bytes of photographs to a model with preprocessing of its own, as programs do', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-evaluate-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const [hue, name] of ['red', 'green'].entries()) {
    mkdirSync(join(folder, 'photos', name), { recursive: true });
    for (let n = 0; n < 6; n++) {
      const pixels = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => (i % 3 === hue ? 90 + 5 * n : (i * 7 + n) % 80));
      const image = sharp(pixels, { raw: { width: 8, height: 8, channels: 3 } });
      writeFileSync(join(folder, 'photos', name, `${n}.png`), await image.png().toBuffer());
    }
  }
  const { train, test: held } = await datasets.imageFolder(join(folder, 'photos'), { imageSize: 8, raw: true, test: 0.5 });
  const model = new Sequential([new Flatten(), new Linear(192, 2)]);
  model.preprocessing = new ChannelScaler({ layout: 'NHWC', divide: true }).fit(train);
  const loss = new CrossEntropyLoss();
  await model.fit(train, { loss, optimizer: new Adam(model, { lr: 1e-2 }), epochs: 3, batchSize: 2, log: false, progress: false });
  await model.save(join(folder, 'photos.safetensors'));
  const expected = await model.evaluate(held, { loss });
  const words = ['evaluate', 'photos.safetensors', '--data', 'photos', '--image-size', '8', '--test', '0.5', '--json'];
  const { out, error } = await run(folder, words);
  t.true(Math.abs((JSON.parse(out) as { loss: number }).loss - expected.loss) < 1e-5, error);
});
