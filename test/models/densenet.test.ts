// Proves lib/models/densenet.ts: sizes, shapes and training of the DenseNets.

import test from 'ava';
import { ArgumentError, cifarDensenet, densenet121, densenet161, densenet169, densenet201 } from '../../lib/index.js';
import { figures, imageModelContract } from '../contracts/image-model.js';

test('[M25] DenseNet-121 to 201 have the published sizes, and each layer adds k channels', (t) => {
  const start = {
    'features.conv0': [112, 112, 64],
    'features.pool0': [56, 56, 64],
    'features.denseblock1.denselayer1': [56, 56, 96],
    'features.denseblock1.denselayer2': [56, 56, 128],
    'features.denseblock1': [56, 56, 256],
    'features.transition1': [28, 28, 128],
    'features.denseblock2': [28, 28, 512],
    'features.transition2': [14, 14, 256],
  };
  const end = (third: number, fourth: number) => ({
    ...start,
    'features.denseblock3': [14, 14, third],
    'features.transition3': [7, 7, third / 2],
    'features.denseblock4': [7, 7, fourth],
  });
  figures(t, '121', densenet121(), { parameters: 7_978_856, buffers: 83_648, macs: 2_834_161_664, layers: 121, stages: end(1024, 1024) });
  figures(t, '169', densenet169(), { parameters: 14_149_480, buffers: 158_400, macs: 3_359_843_328, layers: 169, stages: end(1280, 1664) });
  figures(t, '201', densenet201(), { parameters: 20_013_928, buffers: 229_056, macs: 4_291_365_888, layers: 201, stages: end(1792, 1920) });
  figures(t, '161', densenet161(), { parameters: 28_681_000, buffers: 219_936, macs: 7_727_907_072, layers: 161 });
  figures(t, '121, 10 classes', densenet121({ classes: 10 }), { parameters: 7_978_856 - 990 * 1025 });
});

test('the DenseNets for small images have the published sizes', (t) => {
  figures(t, 'BC 100-12', cifarDensenet(), {
    parameters: 769_162,
    buffers: 23_988,
    macs: 287_929_692,
    layers: 100,
    stages: {
      'features.conv0': [32, 32, 24],
      'features.denseblock1': [32, 32, 216],
      'features.transition1': [16, 16, 108],
      'features.denseblock2': [16, 16, 300],
      'features.transition2': [8, 8, 150],
      'features.denseblock3': [8, 8, 342],
      avgpool: [342],
      classifier: [10],
    },
  });
  figures(t, 'BC 100-12, 100 classes', cifarDensenet({ classes: 100 }), { parameters: 800_032, macs: 287_960_472 });
  const large = cifarDensenet({ depth: 250, growthRate: 24 });
  figures(t, 'BC 250-24', large, { parameters: 15_324_406, buffers: 257_976, macs: 5_418_785_724, layers: 250 });
  const wide = cifarDensenet({ depth: 190, growthRate: 40 });
  figures(t, 'BC 190-40', wide, { parameters: 25_624_430, buffers: 256_960, macs: 9_301_945_740, layers: 190 });
  const plain = { compress: false, depth: 40 };
  figures(t, '40-12', cifarDensenet(plain), { parameters: 1_019_722, buffers: 18_096, macs: 264_812_928, layers: 40 });
  figures(t, '40-12 from 24', cifarDensenet({ ...plain, width: 24 }), { parameters: 1_059_298, buffers: 18_720, macs: 282_917_328 });
  figures(t, '100-12', cifarDensenet({ compress: false }), { parameters: 6_979_642, macs: 1_769_516_448, layers: 100 });
  figures(t, '100-24', cifarDensenet({ compress: false, growthRate: 24 }), { parameters: 27_249_082, macs: 6_889_347_744, layers: 100 });
});

test('small DenseNets train alike in eager and compiled steps, and come back from files', (t) => {
  imageModelContract(t, () => cifarDensenet({ depth: 16, growthRate: 4 }), [16, 16, 3], 10);
  imageModelContract(t, () => cifarDensenet({ depth: 10, growthRate: 4, compress: false, dropout: 0.2 }), [16, 16, 3], 10);
});

test('wrong options are refused', (t) => {
  t.throws(() => cifarDensenet({ depth: 101 }), { instanceOf: ArgumentError });
  t.throws(() => cifarDensenet({ dropout: 3 }), { instanceOf: ArgumentError });
});
