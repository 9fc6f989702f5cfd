// Proves lib/models/alexnet.ts: sizes, shapes and training of AlexNet.

import test from 'ava';
import { ArgumentError, alexnet, googlenet } from '../../lib/index.js';
import { figures, imageModelContract } from '../contracts/image-model.js';

test('[M03] AlexNet in its three forms has the published sizes', (t) => {
  figures(t, 'one column', alexnet(), {
    parameters: 61_100_840,
    buffers: 0,
    macs: 714_188_480,
    layers: 8,
    stages: {
      'features.0': [55, 55, 64],
      'features.2': [27, 27, 64],
      'features.3': [27, 27, 192],
      'features.5': [13, 13, 192],
      'features.6': [13, 13, 384],
      'features.8': [13, 13, 256],
      'features.10': [13, 13, 256],
      'features.12': [6, 6, 256],
      'classifier.1': [4096],
      'classifier.4': [4096],
      'classifier.6': [1000],
    },
  });
  const stages = {
    'features.0': [55, 55, 96],
    'features.3': [27, 27, 96],
    'features.4': [27, 27, 256],
    'features.7': [13, 13, 256],
    'features.8': [13, 13, 384],
    'features.10': [13, 13, 384],
    'features.12': [13, 13, 256],
    'features.14': [6, 6, 256],
  };
  figures(t, '2012', alexnet({ form: '2012' }), { parameters: 60_965_224, macs: 724_406_816, layers: 8, stages });
  figures(t, 'without groups', alexnet({ form: '2012', grouped: false }), { parameters: 62_378_344, macs: 1_135_256_096, stages });
  figures(t, '10 classes', alexnet({ classes: 10 }), { parameters: 61_100_840 - 990 * 4097 });
});

test('[M11, P42] GoogLeNet has 8.7 times fewer parameters than AlexNet', (t) => {
  t.is((alexnet({ form: '2012' }).parameterCount() / googlenet().parameterCount()).toFixed(1), '8.7');
});

test('small AlexNets train alike in eager and compiled steps, and come back from files', (t) => {
  imageModelContract(t, () => alexnet({ hidden: [16, 16], classes: 5, imageSize: 64 }), [64, 64, 3], 5);
  imageModelContract(t, () => alexnet({ form: '2012', hidden: [16, 16], classes: 5, imageSize: 67 }), [67, 67, 3], 5);
});

test('wrong options are refused', (t) => {
  t.throws(() => alexnet({ form: '2013' } as never), { instanceOf: ArgumentError });
  t.throws(() => alexnet({ imageSize: 32 }), { instanceOf: ArgumentError });
});
