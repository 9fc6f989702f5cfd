// Bars of what takes long: on a terminal alone, after a second, gone at the end; and all who show one.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import test from 'ava';
import sharp from 'sharp';
import * as lib from '../lib/index.js';
import { ProgressBar, formatBytes } from '../lib/progress.js';
import { Screen } from './helpers/screen.js';
import { root } from './helpers/sources.js';

/** Time goes by half a second with every look at the clock. */
async function hurried<R>(body: () => R | Promise<R>): Promise<R> {
  const { now } = performance;
  let time = 0;
  performance.now = () => (time += 500);
  try {
    return await body();
  } finally {
    performance.now = now;
  }
}

/** All that a screen was told, each drawing a line. */
const drawn = (screen: Screen): string[] => screen.text.split('\x1b[1G').map((line) => line.replace('\x1b[0K', ''));

test.serial('a bar comes after a second, says how far it is and how long it takes, and goes', async (t) => {
  const screen = new Screen();
  await hurried(() => {
    const bar = new ProgressBar(screen, 'reading', 40);
    bar.update(1);
    t.is(screen.text, '', 'nothing before a second');
    for (const done of [10, 20]) bar.update(done);
    t.regex(screen.lines[0], /^reading {2}━{10}─{10} 20 of 40 {2}ETA \d\.\d s$/);
    bar.total = null;
    bar.update(1234567);
    t.regex(screen.lines[0], /^reading {2}1,234,567 {2}\d\.\d s$/);
    bar.end();
    t.deepEqual(screen.lines, ['']);
  });
  t.is(formatBytes(9_912_422), '9.9 MB');
  t.is(formatBytes(28_881), '29 kB');
});

test.serial('elsewhere than on a terminal nothing is written', async (t) => {
  let text = '';
  const stream = { write: (part: string) => (text += part) };
  await hurried(() => {
    const bar = new ProgressBar(stream, 'reading', 40);
    for (let done = 0; done < 40; done++) bar.update(done);
    bar.end();
  });
  t.is(text, '');
});

const folder = mkdtempSync(join(tmpdir(), 'nodegrad-progress-'));
const csv = join(folder, 'rows.csv');
writeFileSync(csv, `a,b\n${'1,2\n3,4\n'.repeat(4000)}`);
for (const [part, count] of [
  ['train', 20],
  ['t10k', 10],
] as const) {
  writeFileSync(join(folder, `${part}-images-idx3-ubyte`), lib.writeIdx(new Uint8Array(count * 64), [count, 8, 8]));
  writeFileSync(join(folder, `${part}-labels-idx1-ubyte`), lib.writeIdx(new Uint8Array(count)));
}
const photo = sharp(new Uint8Array(192), { raw: { width: 8, height: 8, channels: 3 } })
  .png()
  .toBuffer();
const data = new lib.TensorDataset(lib.ones([3000, 2]), lib.zeros([3000, 1]), { name: 'points' });
const wide = new lib.TensorDataset(lib.ones([3000, 500]), lib.zeros([3000, 1]), { name: 'wide' });
const model = (): lib.Sequential => new lib.Sequential([new lib.Linear(2, 1)]);
const weights = new Map([
  ['a', lib.ones([500]) as unknown as lib.AnyTensor],
  ['b', lib.ones([500]) as unknown as lib.AnyTensor],
]);
const kerasFile = (file: string): Promise<void> => lib.saveKeras(model(), file);
const loss = new lib.MSELoss();

const long: Readonly<Record<string, readonly [RegExp, (progress: lib.ProgressOption) => Promise<unknown>]>> = {
  evaluate: [/^evaluating points {2}[━─]{20} [\d,]+ of 3,000/, (progress) => model().evaluate(data, { loss, progress })],
  predict: [/^predicting points {2}[━─]{20} [\d,]+ of 3,000/, (progress) => model().predict(data, { progress })],
  readCsv: [/^reading rows\.csv, lines: {2}[\d,]+/, (progress) => lib.readCsv(csv, { progress })],
  'fit of a transform': [
    /^learning from data set 'wide' {2}[━─]{20} [\d,]+ of 3,000/,
    async (progress) => new lib.StandardScaler().fit(wide, { progress }).outputShape,
  ],
  'datasets.digits': [/^drawing digits {2}[━─]{20} [\d,]+ of 2,010/, (progress) => lib.datasets.digits({ train: 2000, test: 10, progress })],
  'datasets.mnist': [/^reading MNIST, files: {2}[━─]{20} 4 of 4/, (progress) => lib.datasets.mnist({ dir: folder, progress })],
  readImages: [/^decoding images {2}[━─]{20} \d of 8/, async (progress) => lib.readImages(new Array(8).fill(await photo), { progress })],
  reestimateStatistics: [
    /^estimating statistics, batches: {2}[━─]{20} \d of 8/,
    (progress) => lib.reestimateStatistics(new lib.BatchNorm1d(2), new Array(8).fill(lib.ones([4, 2])), { progress }),
  ],
  preflight: [
    /^learning 20 examples by heart, steps: {2}[━─]{20} \d+ of 300/,
    (progress) => {
      const [one, noise] = [new lib.Sequential([new lib.Linear(2, 2)]), lib.tensor(Array.from({ length: 64 }, (_, i) => (i * 7) % 5 % 2), { dtype: 'int32' })]; // biome-ignore format: one line
      const points = lib.tensor(Array.from({ length: 64 }, (_, i) => [(i * 13) % 29, (i * 17) % 31]));
      const optimizer = new lib.Adam(one, { lr: 1e-3 });
      return lib.preflight(one, new lib.TensorDataset(points, noise), { loss: new lib.CrossEntropyLoss(), optimizer, full: true, progress });
    },
  ],
  readParquet: [
    /^reading houses\.parquet, columns: {2}[━─]{20} \d of \d/,
    (progress) => lib.readTable(join(root, 'test/golden/houses.parquet'), { columns: { tags: 'skip' }, progress }),
  ],
  batchSizeFinder: [
    /^measuring gradients {2}[━─]{20} \d+ of 64/,
    (progress) => lib.batchSizeFinder(model(), data, { loss, draws: 4, progress }),
  ],
  whatIf: [
    /^trying what to do about learning-rate-too-low, steps: {2}\d+/,
    (progress) => {
      const optimizer = (one: lib.AnyLayer, lr = 0.1): lib.SGD => new lib.SGD(one, { lr });
      const change = { kind: 'learningRate', value: 0.01 } as const;
      const finding = { id: 'learning-rate-too-low', verdict: 'warning', seen: 'x', why: 'x', advice: 'x', change, text: 'x', confidence: 1 };
      return lib.whatIf({ model, optimizer, loss, data, batchSize: 8 }, { ...finding, epoch: 1, step: 1, layer: null, symptoms: [] } as never, {
        steps: 2000,
        progress,
      });
    },
  ],
  ...Object.fromEntries(
    Object.entries<readonly [string, (file: string, progress: lib.ProgressOption) => Promise<unknown>, boolean?]>({
      writeSafetensors: ['a.safetensors', (file, progress) => lib.writeSafetensors(file, weights, undefined, { progress }), true],
      readSafetensors: ['a.safetensors', (file, progress) => lib.readSafetensors(file, { progress })],
      savePyTorch: ['b.safetensors', (file, progress) => lib.savePyTorch(model(), file, { progress }), true],
      loadPyTorch: ['b.safetensors', (file, progress) => lib.loadPyTorch(model(), file, { progress })],
      saveOnnx: ['c.onnx', (file, progress) => lib.saveOnnx(model(), file, { inputShape: [2], progress }), true],
      loadOnnx: ['c.onnx', (file, progress) => lib.loadOnnx(file, { progress })],
      loadKeras: ['digits.weights.h5', (file, progress) => kerasFile(file).then(() => lib.loadKeras(model(), file, { progress }))],
    }).map(([name, [file, run, writes = false]]) => [
      name,
      [
        new RegExp(`^${writes ? 'writing' : 'reading'} ${file.replaceAll('.', '\\.')} {2}[━─]{20} \\d+ kB of \\d+ kB`),
        (progress: lib.ProgressOption) => run(join(folder, file), progress),
      ] as const,
    ]),
  ),
  learningRateFinder: [
    /^trying learning rates {2}[━─]{20} \d+ of 12/,
    (progress) => {
      const one = model();
      return lib.learningRateFinder(one, data, { loss, optimizer: new lib.SGD(one, { lr: 0.1 }), steps: 12, progress });
    },
  ],
};

for (const [name, [line, run]] of Object.entries(long)) {
  test.serial(`${name} shows how far it is, takes the line away, and is silent where nobody asks`, async (t) => {
    const screen = new Screen();
    await hurried(() => run(screen));
    t.true(
      drawn(screen).some((one) => line.test(one)),
      drawn(screen).slice(0, 5).join('\n'),
    );
    t.is(screen.lines.at(-1), '');
    const silent = new Screen();
    silent.isTTY = false;
    await hurried(() => run(silent));
    await hurried(() => run(false));
    t.is(silent.text, '');
    await t.throwsAsync(async () => run(7 as never), { instanceOf: lib.ArgumentError, message: /options\.progress/ });
  });
}
