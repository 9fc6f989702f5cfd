// Proves lib/models/squeezenet.ts: sizes, shapes and training of SqueezeNet.

import test from 'ava';
import { ArgumentError, setSeed, squeezenet } from '../../lib/index.js';
import { figures, imageModelContract } from '../contracts/image-model.js';

test('[M27] SqueezeNet 1.0 and 1.1 have the published sizes, and 1.0 is 48.9 times smaller than AlexNet', (t) => {
  const old = { version: '1.0' } as const;
  figures(t, '1.0', squeezenet(old), {
    parameters: 1_248_424,
    buffers: 0,
    macs: 818_924_576,
    layers: 18,
    stages: {
      'features.0': [109, 109, 96],
      'features.2': [54, 54, 96],
      'features.5': [54, 54, 256],
      'features.6': [27, 27, 256],
      'features.10': [27, 27, 512],
      'features.11': [13, 13, 512],
      'features.12': [13, 13, 512],
      'classifier.1': [13, 13, 1000],
      '': [1000],
    },
  });
  figures(t, '1.0 at 227', squeezenet({ ...old, imageSize: 227 }), { parameters: 1_248_424, macs: 832_667_936 });
  figures(t, '1.1', squeezenet(), {
    parameters: 1_235_496,
    macs: 349_151_936,
    layers: 18,
    stages: {
      'features.0': [111, 111, 64],
      'features.2': [55, 55, 64],
      'features.4': [55, 55, 128],
      'features.5': [27, 27, 128],
      'features.7': [27, 27, 256],
      'features.8': [13, 13, 256],
      'features.12': [13, 13, 512],
      'classifier.1': [13, 13, 1000],
    },
  });
  figures(t, '1.1 at 227', squeezenet({ imageSize: 227 }), { parameters: 1_235_496, macs: 387_747_520 });
  figures(t, '10 classes', squeezenet({ ...old, classes: 10 }), { parameters: 1_248_424 - 990 * 513 });
  t.is(squeezenet(old).features.layers[3].parameterCount(), 11_920, 'fire2');
  t.is((61_100_840 / 1_248_424).toFixed(1), '48.9');
});

test('small SqueezeNets train alike in eager and compiled steps, and come back from files', (t) => {
  imageModelContract(t, () => squeezenet({ width: 16, classes: 5, imageSize: 48 }), [48, 48, 3], 5);
  imageModelContract(t, () => squeezenet({ version: '1.0', width: 16, classes: 5, imageSize: 48 }), [48, 48, 3], 5);
});

test('first weights are those of torchvision: He, uniform, but for the last convolution, whose deviation is 0.01', (t) => {
  setSeed(1);
  const model = squeezenet();
  model.prepare();
  for (const [path, { data, shape }] of model.namedParameters()) {
    if (!path.endsWith('weight')) continue;
    const bound = Math.sqrt(6 / (shape[0] * shape[1] * shape[2]));
    const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (path.startsWith('classifier')) t.true(largest < 0.06, path);
    else t.true(largest <= bound && largest > 0.97 * bound, `${path}: ${largest} of ${bound}`);
  }
});

test('wrong options are refused', (t) => {
  t.throws(() => squeezenet({ version: '1.2' } as never), { instanceOf: ArgumentError });
  t.throws(() => squeezenet({ classes: 0 }), { instanceOf: ArgumentError });
});
