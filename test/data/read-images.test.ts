// Single images: the bytes that a folder of them gives, from files and from memory, and every way of being none.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ArgumentError, FileFormatError, datasets, readImages } from '../../lib/index.js';

const sharp = await import('sharp').then(
  ({ default: found }) => found,
  () => null,
);
const decoding = sharp === null ? test.skip : test;
if (sharp === null)
  test('without sharp, the error says how to install it', async (t) => {
    await t.throwsAsync(readImages(Buffer.from('x')), { code: 'ERR_MISSING_PACKAGE', message: /npm install sharp/ });
  });

/** Noise that no crop or scaling leaves as it is. */
const noisy = (width: number, height: number): Promise<Buffer> => {
  const pixels = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * i * 31 + 17 * i) % 256);
  return sharp!(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
};

decoding('an image has the bytes that it has in a folder, from its path as from its bytes, alone and in a list', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-read-images-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const files = await Promise.all([noisy(31, 20), noisy(16, 40)]);
  for (const [i, kind] of ['cat', 'dog'].entries()) {
    mkdirSync(join(folder, kind));
    writeFileSync(join(folder, kind, '1.png'), files[i]);
  }
  for (const options of [{ imageSize: 8 }, { imageSize: [6, 10], grey: true }] as const) {
    const { train } = await datasets.imageFolder(folder, { ...options, raw: true, test: 0, cache: false });
    const wanted = train.batch(Int32Array.of(0, 1)).inputs;
    const read = await readImages([join(folder, 'cat/1.png'), files[1]], options);
    t.deepEqual(read.shape, wanted.shape);
    t.deepEqual(read.data, wanted.data);
    t.is(read.dtype, 'uint8');
    t.deepEqual((await readImages(files[0], options)).data, wanted.data.slice(0, read.size / 2));
    t.deepEqual((await readImages([files[1], files[1]], options)).data.slice(read.size / 2), wanted.data.slice(read.size / 2));
  }
});

decoding('an image of its own size stays as it is, and several sizes are refused', async (t) => {
  t.deepEqual((await readImages(await noisy(5, 3))).shape, [1, 3, 5, 3]);
  const several = readImages([await noisy(5, 3), await noisy(3, 5)]);
  await t.throwsAsync(several, { instanceOf: ArgumentError, message: /several sizes \(images\[\d\] is (5×3|3×5), .*`imageSize`/ });
});

decoding('what is no image is refused, with its path or place', async (t) => {
  await t.throwsAsync(readImages([await noisy(2, 2), Buffer.from('text')]), {
    instanceOf: FileFormatError,
    message: /images\[1\]: these bytes, as an image, cannot be decoded: it has no format that sharp reads$/,
  });
  for (const [bytes, says] of [
    ['\n<!DOCTYPE html><html>', /cannot be decoded: it is a web page, not an image$/],
    ['BM0000\x00\x00\x00\x00000\x00', /cannot be decoded: it is a BMP image, which this sharp does not decode: convert it to PNG or JPEG$/],
  ] as const)
    await t.throwsAsync(readImages(Buffer.from(bytes, 'latin1')), { instanceOf: FileFormatError, message: says });
  await t.throwsAsync(readImages('/nowhere/rex.jpg'), {
    instanceOf: ArgumentError,
    message: /rex\.jpg cannot be read: ENOENT: there is no such file or folder$/,
  });
  await t.throwsAsync(readImages(tmpdir()), { instanceOf: ArgumentError, message: /cannot be read: EISDIR: it is a folder$/ });
  await t.throwsAsync(readImages(new Uint8Array(0)), { instanceOf: FileFormatError });
  for (const wrong of [null, 3, '', {}, [null], []])
    await t.throwsAsync(readImages(wrong as never), { instanceOf: ArgumentError }, String(wrong));
});

decoding('a signal stops it', async (t) => {
  await t.throwsAsync(readImages(await noisy(2, 2), { signal: AbortSignal.abort() }), { code: 'ERR_ABORTED' });
});
