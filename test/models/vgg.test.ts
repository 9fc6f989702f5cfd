// Proves lib/models/vgg.ts: sizes, shapes and training of the VGG networks.

import test from 'ava';
import { ArgumentError, Conv2d, cifarVgg, vgg11, vgg13, vgg16, vgg19 } from '../../lib/index.js';
import { costsOf } from '../../lib/layers/costs.js';
import { figures, imageModelContract } from '../contracts/image-model.js';

test('[M05] VGG-16 and VGG-19, with and without batch norm, have the published sizes', (t) => {
  const stages = { 'features.4': [112, 112, 64], 'features.9': [56, 56, 128], 'features.16': [28, 28, 256], 'features.23': [14, 14, 512] };
  figures(t, 'VGG-16', vgg16(), {
    parameters: 138_357_544,
    buffers: 0,
    macs: 15_470_264_320,
    layers: 16,
    stages: { ...stages, 'features.30': [7, 7, 512], 'classifier.0': [4096], 'classifier.3': [4096], 'classifier.6': [1000] },
  });
  figures(t, 'VGG-19', vgg19(), { parameters: 143_667_240, macs: 19_632_062_464, layers: 19 });
  figures(t, 'VGG-16-BN', vgg16({ batchNorm: true }), { parameters: 138_365_992, buffers: 8448, macs: 15_470_264_320, layers: 16 });
  figures(t, 'VGG-19-BN', vgg19({ batchNorm: true }), { parameters: 143_678_248, buffers: 11_008, macs: 19_632_062_464, layers: 19 });
  figures(t, 'VGG-11', vgg11(), { parameters: 132_863_336, layers: 11 });
  figures(t, 'VGG-13', vgg13(), { parameters: 133_047_848, layers: 13 });
  figures(t, '10 classes', vgg16({ classes: 10 }), { parameters: 138_357_544 - 990 * 4097 });
  t.is(vgg16().classifier.layers[0].parameterCount(), 102_764_544);
});

test('[M07, P40] every convolution of VGG is 3×3', (t) => {
  for (const model of [vgg16(), vgg19()]) {
    for (const layer of model.namedLayers().values()) if (layer instanceof Conv2d) t.deepEqual([...layer.kernelSize], [3, 3]);
  }
});

test('[M08] stacks of 3×3 filters see as much as one large filter, with fewer weights', (t) => {
  const weights = (kernel: number): number => new Conv2d(8, 8, kernel, { bias: false }).parameterCount();
  t.deepEqual([3 * weights(3), weights(7)], [27 * 64, 49 * 64]);
  t.deepEqual([2 * weights(3), weights(5)], [18 * 64, 25 * 64]);
});

test('the activations of VGG-16 are counted without those that ReLU makes in place', (t) => {
  const { activations } = costsOf(vgg16(), [224, 224, 3]);
  // Outputs of convolutions, pooling (with a byte for each maximum's place) and fully connected layers, in floats of 4 bytes.
  const convolutions = 64 * 224 * 224 * 2 + 128 * 112 * 112 * 2 + 256 * 56 * 56 * 3 + 512 * 28 * 28 * 3 + 512 * 14 * 14 * 3;
  const pooled = 64 * 112 * 112 + 128 * 56 * 56 + 256 * 28 * 28 + 512 * 14 * 14 + 512 * 7 * 7;
  t.is(activations, 4 * (convolutions + 4096 + 4096 + 1000) + 5 * pooled);
});

test('the VGG of the benches has six convolutions and 3.25 million parameters', (t) => {
  figures(t, 'CIFAR VGG', cifarVgg(), { parameters: 3_249_098, macs: 154_866_688, layers: 8, inputShape: [32, 32, 3] });
});

test('small VGGs train alike in eager and compiled steps, and come back from files', (t) => {
  imageModelContract(t, () => vgg11({ width: 4, hidden: [8, 8], classes: 5, imageSize: 32 }), [32, 32, 3], 5);
  imageModelContract(t, () => vgg11({ width: 4, hidden: [8, 8], classes: 5, imageSize: 64, batchNorm: true }), [64, 64, 3], 5);
  imageModelContract(t, () => cifarVgg({ width: 4, hidden: [8] }), [32, 32, 3], 10);
});

test('wrong options are refused', (t) => {
  for (const call of [
    () => vgg16({ imageSize: 16 }),
    () => vgg16({ width: 0 }),
    () => vgg16({ batchNorm: 1 } as never),
    () => vgg16({ depth: 11, heads: 2 } as never),
    () => cifarVgg({ imageSize: 30 }),
  ]) {
    t.throws(call, { instanceOf: ArgumentError }, String(call));
  }
});
