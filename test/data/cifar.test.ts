// Proves lib/data/cifar.ts: binary files, the archive, image files where they are present, and not finding any of them.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { datasets } from '../../lib/index.js';
import { tarOf } from '../helpers/tar.js';

const real = join(process.env.NODEGRAD_DATA ?? join(process.cwd(), '..', 'shared', 'data'), 'cifar10');
const hasSharp = await import('sharp').then(
  () => true,
  () => false,
);

function scratch(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-cifar-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const image = (labels: number[], colour: number[]): number[] => [...labels, ...colour.flatMap((value) => Array(1024).fill(value) as number[])];
const files = (): Record<string, Uint8Array> => ({
  ...Object.fromEntries([1, 2, 3, 4, 5].map((i) => [`data_batch_${i}.bin`, Uint8Array.from(image([i], [10 * i, 0, 255]))])),
  'test_batch.bin': Uint8Array.from([...image([0], [1, 2, 3]), ...image([9], [4, 5, 6])]),
});
const write = (folder: string, contents: Record<string, Uint8Array>): void => {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of Object.entries(contents)) writeFileSync(join(folder, name), bytes);
};

test('[B06] the binary files are read from the folder, from the folder of the archive and from the archive, and centred per channel', async (t) => {
  const [flat, nested, packed] = [scratch(t), scratch(t), scratch(t)];
  write(flat, files());
  write(join(nested, 'cifar-10-batches-bin'), files());
  const members = Object.entries(files()).map(([name, data]) => ({ path: `cifar-10-batches-bin/${name}`, data }));
  write(packed, { 'cifar-10-binary.tar.gz': gzipSync(tarOf(members)) });
  for (const dir of [flat, nested, packed]) {
    const bytes = await datasets.cifar10({ dir, raw: true });
    t.deepEqual(bytes.train.inputs.shape, [5, 32, 32, 3]);
    t.deepEqual([...bytes.train.targets.data], [1, 2, 3, 4, 5]);
    t.deepEqual([...bytes.test.inputs.data.subarray(3072, 3075)], [4, 5, 6]);
    t.is(bytes.test.classes?.[9], 'truck');
    const { train, mean } = await datasets.cifar10({ dir });
    t.true([30, 0, 255].every((value, c) => Math.abs(mean[c] * 255 - value) < 1e-9));
    t.is(train.inputs.data[0], Math.fround(10 / 255 - mean[0]));
  }
});

test('CIFAR-100 has fine labels, with their names where the file is there', async (t) => {
  const dir = scratch(t);
  const names = Array.from({ length: 100 }, (_, i) => `class ${i}`);
  write(dir, { 'train.bin': Uint8Array.from(image([1, 42], [0, 0, 0])), 'test.bin': Uint8Array.from(image([0, 99], [0, 0, 0])) });
  t.is((await datasets.cifar100({ dir })).train.classes?.[42], '42');
  write(dir, { 'fine_label_names.txt': Buffer.from(`${names.join('\n')}\n`) });
  const { train, test: held } = await datasets.cifar100({ dir, raw: true });
  t.is(train.classes?.[train.targets.data[0]], 'class 42');
  t.is(held.targets.data[0], 99);
});

test('files that are missing, damaged or of other classes are named', async (t) => {
  const dir = scratch(t);
  await t.throwsAsync(datasets.cifar10({ dir }), { code: 'ERR_ARGUMENT', message: /was not found in .*cifar-10-binary\.tar\.gz/ });
  await t.throwsAsync(datasets.cifar10({ dir: 3 as never }), { code: 'ERR_ARGUMENT', message: /options\.dir/ });
  write(dir, { ...files(), 'data_batch_3.bin': new Uint8Array(100) });
  await t.throwsAsync(datasets.cifar10({ dir }), { code: 'ERR_FILE_FORMAT', message: /data_batch_3\.bin/ });
  const packed = scratch(t);
  write(packed, { 'cifar-10-binary.tar.gz': gzipSync(tarOf([{ path: 'data_batch_1.bin', data: files()['data_batch_1.bin'] }])) });
  await t.throwsAsync(datasets.cifar10({ dir: packed }), { code: 'ERR_FILE_FORMAT', message: /data_batch_2\.bin is missing/ });
});

const long = process.env.NODEGRAD_LONG === '1' && hasSharp && existsSync(join(real, 'train.tar.gz')) ? test : test.skip;

long('[B06] the real images: 5,000 and 1,000 of each class, channel means 125.3, 123.0, 113.9', async (t) => {
  const { train, test: held, mean } = await datasets.cifar10({ dir: real, raw: true });
  const counts = (labels: Int32Array): number[] => labels.reduce((all, label) => all.with(label, all[label] + 1), Array<number>(10).fill(0));
  t.deepEqual(counts(train.targets.data), Array(10).fill(5000));
  t.deepEqual(counts(held.targets.data), Array(10).fill(1000));
  t.true(
    [125.3, 123.0, 113.9].every((value, c) => Math.abs(mean[c] * 255 - value) < 0.2),
    String(mean.map((m) => 255 * m)),
  );
});
