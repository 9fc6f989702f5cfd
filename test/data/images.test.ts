// Proves lib/data/images.ts: means over all training images, per channel, used for both parts, and conversion rounded once.
import test from 'ava';
import { centreImages, channelMeans, imageData } from '../../lib/data/images.js';

const part = (images: number[], labels: number[]): { images: Uint8Array; labels: Int32Array } => ({
  images: Uint8Array.from(images),
  labels: Int32Array.from(labels),
});

test('[B08] the mean is over all training images', (t) => {
  const images = new Uint8Array(3000 * 4).map((_, i) => (i * 7919) % 251);
  const mean = images.reduce((sum, value) => sum + value, 0) / images.length;
  t.true(Math.abs(channelMeans(images, 1)[0] * 255 - mean) < 1e-12 * mean);
  t.deepEqual(channelMeans(Uint8Array.of(0, 255), 1), [0.5]);
  t.deepEqual(channelMeans(new Uint8Array(0), 1), [0]);
});

test('[B06] each channel has its own mean', (t) => {
  const means = channelMeans(Uint8Array.of(10, 20, 30, 10, 20, 30), 3);
  t.deepEqual(means, [10 / 255, 20 / 255, 30 / 255]);
  t.deepEqual([...centreImages(Uint8Array.of(10, 20, 30, 10, 20, 31), means)], [0, 0, 0, 0, 0, Math.fround(31 / 255 - 30 / 255)]);
});

test('[B11] the test part gets the training mean', (t) => {
  const { train, test: rest, mean } = imageData('m', part([51, 51, 51, 51], [0]), part([102, 102, 102, 102], [1]), [2, 2, 1], false);
  t.deepEqual(mean, [0.2]);
  t.deepEqual([...train.inputs.data], [0, 0, 0, 0]);
  t.deepEqual([...rest.inputs.data], Array(4).fill(Math.fround(102 / 255 - 0.2)));
});

test('every grey value is converted with one rounding', (t) => {
  const all = new Uint8Array(256).map((_, i) => i);
  const centred = centreImages(all, [0.1306604762738429]);
  for (let i = 0; i < 256; i++) t.is(centred[i], Math.fround(i / 255 - 0.1306604762738429));
});

test('raw keeps the bytes, and its argument is checked', (t) => {
  const { train, mean } = imageData('m', part([1, 2, 3, 4], [0]), part([], []), [2, 2, 1], true);
  t.deepEqual([train.inputs.dtype, [...train.inputs.data], mean], ['uint8', [1, 2, 3, 4], [2.5 / 255]]);
  t.throws(() => imageData('m', part([1], [0]), part([], []), [1, 1, 1], 1 as unknown as boolean), { code: 'ERR_ARGUMENT' });
});
