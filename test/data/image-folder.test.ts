// Proves lib/data/image-folder.ts: folders and archives of images, their classes and parts, the cache, and every way of being wrong.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { type DecodeProgress, datasets, type ImageFolderOptions } from '../../lib/index.js';
import { tarOf } from '../helpers/tar.js';

// An optional peer: where it is missing, nothing can be decoded, and that is said.
const sharp = await import('sharp').then(
  ({ default: found }) => found,
  () => null,
);
const decoding = sharp === null ? test.skip : test.serial;
if (sharp === null)
  test('without sharp, the error says how to install it', async (t) => {
    const path = join(folder, 'missing');
    place(path, { 'a/1.png': Buffer.from('x') });
    await t.throwsAsync(datasets.imageFolder(path), { code: 'ERR_MISSING_PACKAGE', message: /npm install sharp/ });
  });

const folder = mkdtempSync(join(tmpdir(), 'nodegrad-images-'));
const before = process.env.NODEGRAD_CACHE;
test.before(() => {
  process.env.NODEGRAD_CACHE = join(folder, 'cache');
});
test.after.always(() => {
  if (before === undefined) delete process.env.NODEGRAD_CACHE;
  else process.env.NODEGRAD_CACHE = before;
  rmSync(folder, { recursive: true, force: true });
});

type Files = Record<string, Buffer>;

function place(path: string, files: Files): string {
  for (const [name, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), bytes);
  }
  return path;
}

/** A PNG of one colour. */
function png(colour: [number, number, number], width = 4, height = 4): Promise<Buffer> {
  return sharp!({ create: { width, height, channels: 3, background: { r: colour[0], g: colour[1], b: colour[2] } } })
    .png()
    .toBuffer();
}

async function pets(): Promise<Files> {
  return {
    'dog/1.png': await png([10, 20, 30]),
    'dog/2.png': await png([11, 20, 30]),
    'cat/1.png': await png([200, 0, 0]),
    'cat/2.png': await png([201, 0, 0]),
    'cat/notes.txt': Buffer.from('no image'),
    '.hidden/1.png': Buffer.from('not looked at'),
  };
}

const archive = (files: Files, prefix = ''): Buffer => tarOf(Object.entries(files).map(([path, data]) => ({ path: prefix + path, data })));
const raw = (path: string, options: ImageFolderOptions = {}) => datasets.imageFolder(path, { ...options, raw: true });

decoding('classes are the folders by name, images are in the order of their paths, and a share of each class is for testing', async (t) => {
  const { train, test: held, mean } = await raw(place(join(folder, 'pets'), await pets()), { test: 0.5 });
  t.deepEqual(train.classes, ['cat', 'dog']);
  t.deepEqual(train.inputs.shape, [2, 4, 4, 3]);
  t.deepEqual([...train.targets.data], [0, 1]);
  t.deepEqual([...held.targets.data], [0, 1]);
  t.deepEqual([...train.inputs.data.subarray(0, 3)], [200, 0, 0]);
  t.deepEqual([...held.inputs.data.subarray(48, 51)], [11, 20, 30]);
  t.true(Math.abs(mean[0] - (200 + 10) / 2 / 255) < 1e-12);
  for (const again of [train, (await raw(join(folder, 'pets'), { test: 0.5 })).train])
    t.deepEqual(
      [0, 1].map((i) => again.fileOf?.(i)),
      ['cat/1.png', 'dog/1.png'].map((file) => join(folder, 'pets', file)),
      'read, and read from the cache',
    );
  t.is(held.fileOf?.(1), join(folder, 'pets', 'dog/2.png'));
});

decoding('parts are found as folders, as archives and inside of one archive: all give the same', async (t) => {
  const files = await pets();
  const parts = (make: (part: string) => Files): Files => ({ ...make('train'), ...make('val') });
  const under = (prefix: string): Files => Object.fromEntries(Object.entries(files).map(([path, bytes]) => [`${prefix}/${path}`, bytes]));
  const places = [
    place(join(folder, 'parts'), parts(under)),
    place(join(folder, 'packed'), { 'train.tar.gz': gzipSync(archive(files, 'train/')), 'val.tar': archive(files, 'x/y/') }),
    join(place(join(folder, 'single'), { 'all.tgz': gzipSync(archive(parts(under), 'everything/')) }), 'all.tgz'),
  ];
  for (const path of places) {
    const { train, test: held } = await raw(path);
    t.deepEqual([train.length, held.length, train.classes], [4, 4, ['cat', 'dog']], path);
    t.deepEqual(held.inputs.data, train.inputs.data);
    t.deepEqual([...train.targets.data], [0, 0, 1, 1]);
  }
});

decoding('the second time nothing is decoded; a file that changed, another size and a damaged cache are decoded again', async (t) => {
  const path = place(join(folder, 'kept'), await pets());
  const load = async (options: ImageFolderOptions = {}): Promise<{ decoded: number; pixels: Uint8Array }> => {
    const seen: DecodeProgress[] = [];
    const { train } = await raw(path, { ...options, onProgress: (progress) => seen.push(progress) });
    t.true(seen.every(({ total }) => total === 4));
    return { decoded: seen.at(-1)?.decoded ?? 0, pixels: train.inputs.data };
  };
  const first = await load();
  t.is(first.decoded, 4);
  t.deepEqual(await load(), { decoded: 0, pixels: first.pixels });
  t.is((await load({ cache: false })).decoded, 4);
  t.is((await load({ imageSize: [2, 3] })).decoded, 4);
  utimesSync(join(path, 'dog/1.png'), 1, 1);
  t.is((await load()).decoded, 4);
  const cache = join(folder, 'cache', 'images');
  for (const name of readdirSync(cache)) writeFileSync(join(cache, name), 'damaged');
  t.deepEqual(await load(), first);
  t.false(readdirSync(cache).some((name) => name.endsWith('.tmp')));
});

decoding('images are scaled to the size asked for, turned to grey, centred unless raw, and read as JPEG too', async (t) => {
  const jpeg = await sharp!({ create: { width: 8, height: 6, channels: 3, background: '#808080' } })
    .jpeg()
    .toBuffer();
  const path = place(join(folder, 'sizes'), { 'a/1.jpg': jpeg, 'a/2.png': await png([128, 128, 128], 5, 9) });
  await t.throwsAsync(raw(path), { code: 'ERR_ARGUMENT', message: /several sizes .*8×6.*5×9.*`imageSize`/ });
  const { train } = await datasets.imageFolder(path, { imageSize: [3, 2], grey: true, test: 0 });
  t.deepEqual(train.inputs.shape, [2, 3, 2, 1]);
  t.true(train.inputs.data.every((value) => Math.abs(value) < 1e-6));
});

decoding('damaged images and archives, images without a folder and classes without training images are refused by name', async (t) => {
  const good = await png([1, 2, 3]);
  const cut = await sharp!({
    create: { width: 64, height: 64, channels: 3, background: '#123456', noise: { type: 'gaussian', sigma: 30, mean: 99 } },
  })
    .jpeg()
    .toBuffer();
  const cases: [string, Files, RegExp][] = [
    ['noise', { 'a/1.png': Buffer.from('this is no image') }, /a\/1\.png: this image cannot be decoded/],
    ['cut', { 'a/1.jpg': cut.subarray(0, cut.length / 2) }, /a\/1\.jpg: this image cannot be decoded/],
    ['loose', { '1.png': good, '2.png': good }, /1\.png is in no folder/],
    ['nothing', { 'readme.txt': good }, /no images/],
    ['classes', { 'train/a/1.png': good, 'test/b/1.png': good }, /test\/b\/1\.png is of a class without training images/],
    ['archive', { 'train.tar': archive({ 'a/1.png': good }).subarray(0, 530) }, /cut off/],
    ['escape', { 'train.tar': archive({ '../../a/1.png': good }) }, /leads out/],
  ];
  for (const [name, files, message] of cases)
    await t.throwsAsync(raw(place(join(folder, name), files)), { code: 'ERR_FILE_FORMAT', message }, name);
  t.false(existsSync(join(folder, 'a')));
  const stopped = AbortSignal.abort();
  await t.throwsAsync(raw(join(folder, 'pets'), { signal: stopped }), { code: 'ERR_ABORTED' });
});

test('wrong options and paths are refused before anything is read', async (t) => {
  const wrong: [() => Promise<unknown>, RegExp][] = [
    [() => datasets.imageFolder(''), /path/],
    [() => datasets.imageFolder(join(folder, 'nowhere')), /ENOENT/],
    [() => datasets.imageFolder('x', { imageSize: 0 }), /options\.imageSize/],
    [() => datasets.imageFolder('x', { test: 2 }), /options\.test/],
    [() => datasets.imageFolder('x', { grey: 1 as never }), /options\.grey/],
    [() => datasets.imageFolder('x', { sise: 1 } as never), /unknown option `sise`/],
    [() => datasets.imageFolder(join(place(join(folder, 'file'), { 'x.png': Buffer.from('') }), 'x.png')), /folder or of a \.tar/],
  ];
  for (const [body, message] of wrong) await t.throwsAsync(body, { code: 'ERR_ARGUMENT', message });
});
