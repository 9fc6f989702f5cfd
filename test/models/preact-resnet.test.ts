// Proves lib/models/preact-resnet.ts: sizes, shapes and training of pre-activation and wide residual networks.

import test from 'ava';
import { ArgumentError, BatchNorm, Conv2d, preactResnet, cifarWideResnet } from '../../lib/index.js';
import { figures, imageModelContract } from '../contracts/image-model.js';

test('[M17] the pre-activation ResNets have the published sizes', (t) => {
  figures(t, '164', preactResnet(), {
    parameters: 1_703_258,
    buffers: 24_224,
    macs: 244_500_992,
    layers: 164,
    stages: { conv1: [32, 32, 16], layer1: [32, 32, 64], layer2: [16, 16, 128], layer3: [8, 8, 256], avgpool: [256], fc: [10] },
  });
  figures(t, '164, 100 classes', preactResnet({ classes: 100 }), { parameters: 1_726_388, macs: 244_524_032 });
  figures(t, '110', preactResnet({ depth: 110 }), { parameters: 1_727_962, buffers: 8096, macs: 252_887_680, layers: 110 });
  figures(t, '1001', preactResnet({ depth: 1001 }), { parameters: 10_327_706, buffers: 149_216, macs: 1_487_849_984, layers: 1001 });
});

test('[M18] the wide residual networks have the published sizes, and their depth counts projections', (t) => {
  const model = cifarWideResnet();
  const stages = { conv1: [32, 32, 16], layer1: [32, 32, 160], layer2: [16, 16, 320], layer3: [8, 8, 640], avgpool: [640], fc: [10] };
  figures(t, '28-10', model, { parameters: 36_479_194, buffers: 17_952, macs: 5_243_328_768, layers: 26, stages });
  t.is([...model.namedLayers().values()].filter((layer) => layer instanceof Conv2d).length, 28);
  figures(t, '28-10, 100 classes', cifarWideResnet({ classes: 100 }), { parameters: 36_536_884, macs: 5_243_386_368 });
  figures(t, '40-4', cifarWideResnet({ depth: 40, widthFactor: 4 }), { parameters: 8_949_210, buffers: 10_784, macs: 1_298_582_016 });
  figures(t, '16-8', cifarWideResnet({ depth: 16, widthFactor: 8 }), { parameters: 10_961_370, buffers: 7200, macs: 1_548_145_664 });
  figures(t, '16-4', cifarWideResnet({ depth: 16, widthFactor: 4 }), { parameters: 2_748_890, buffers: 3616, macs: 392_612_352 });
});

test('a pre-activation network ends in batch norm', (t) => {
  t.true(preactResnet({ depth: 11 }).norm instanceof BatchNorm);
});

test('small versions train alike in eager and compiled steps, and come back from files', (t) => {
  imageModelContract(t, () => preactResnet({ depth: 20, width: 4 }), [16, 16, 3], 10);
  imageModelContract(t, () => preactResnet({ depth: 110, width: 2 }), [8, 8, 3], 10);
  imageModelContract(t, () => cifarWideResnet({ depth: 10, widthFactor: 2, width: 4, dropout: 0.3 }), [16, 16, 3], 10);
});

test('wrong options are refused', (t) => {
  t.throws(() => preactResnet({ depth: 165 }), { instanceOf: ArgumentError });
  t.throws(() => cifarWideResnet({ depth: 29 }), { instanceOf: ArgumentError });
  t.throws(() => cifarWideResnet({ dropout: -1 }), { instanceOf: ArgumentError });
  t.throws(() => preactResnet({ init: 'fan' } as never), { instanceOf: ArgumentError });
});
