// Proves lib/models/resnet.ts and its blocks: sizes, shapes, equivalences and training of the residual networks.

import test from 'ava';
import {
  ArgumentError,
  type AnyLayer,
  BasicBlock,
  Bottleneck,
  Conv2d,
  PreActBlock,
  ZeroPadShortcut,
  cifarResnet,
  cifarResnext,
  multiplyAccumulates,
  noGrad,
  relu,
  resnet101,
  resnet152,
  resnet18,
  resnet34,
  resnet50,
  resnext101,
  resnext50,
  weightLayers,
  wideResnet50,
} from '../../lib/index.js';
import { figures, imageModelContract } from '../contracts/image-model.js';
import { f32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

const images = (shape: readonly number[]) =>
  f32(
    new Seeded(4).uniform(
      shape.reduce((a, b) => a * b, 1),
      -1,
      1,
    ),
    shape,
  );

test('[M12, M28] ResNet-18 to 152 have the published parameters, buffers, multiply-accumulates, weight layers and shapes', (t) => {
  const sizes = { conv1: [112, 112, 64], maxpool: [56, 56, 64] };
  const basic = {
    ...sizes,
    layer1: [56, 56, 64],
    layer2: [28, 28, 128],
    layer3: [14, 14, 256],
    layer4: [7, 7, 512],
    avgpool: [512],
    fc: [1000],
  };
  const deep = {
    ...sizes,
    layer1: [56, 56, 256],
    layer2: [28, 28, 512],
    layer3: [14, 14, 1024],
    layer4: [7, 7, 2048],
    avgpool: [2048],
    fc: [1000],
  };
  figures(t, '18', resnet18(), { parameters: 11_689_512, buffers: 9600, macs: 1_814_073_344, layers: 18, stages: basic });
  figures(t, '34', resnet34(), { parameters: 21_797_672, buffers: 17_024, macs: 3_663_761_408, layers: 34, stages: basic });
  const fifty = { parameters: 25_557_032, buffers: 53_120, layers: 50, stages: deep };
  figures(t, '50', resnet50(), { ...fifty, macs: 4_089_184_256 });
  figures(t, '50, original stride', resnet50({ strideIn: '1x1' }), { ...fifty, macs: 3_857_973_248 });
  const hundred = { parameters: 44_549_160, buffers: 105_344, layers: 101, stages: deep };
  figures(t, '101', resnet101(), { ...hundred, macs: 7_801_405_440 });
  figures(t, '101, original stride', resnet101({ strideIn: '1x1' }), { ...hundred, macs: 7_570_194_432 });
  const deepest = { parameters: 60_192_808, buffers: 151_424, layers: 152, stages: deep };
  figures(t, '152', resnet152(), { ...deepest, macs: 11_513_626_624 });
  figures(t, '152, original stride', resnet152({ strideIn: '1x1' }), { ...deepest, macs: 11_282_415_616 });
  figures(t, '18, 10 classes', resnet18({ classes: 10 }), { parameters: 11_689_512 - 990 * 513 });
  figures(t, '50, 10 classes', resnet50({ classes: 10 }), { parameters: 25_557_032 - 990 * 2049 });
});

test('[M19, M20] ResNeXt and Wide ResNet-50-2 have the published sizes', (t) => {
  const stages = { layer1: [56, 56, 256], layer2: [28, 28, 512], layer3: [14, 14, 1024], layer4: [7, 7, 2048] };
  figures(t, 'X50', resnext50(), { parameters: 25_028_904, buffers: 68_224, macs: 4_230_479_872, layers: 50, stages });
  figures(t, 'X101', resnext101(), { parameters: 44_177_704, buffers: 137_856, macs: 7_969_996_800, layers: 101 });
  figures(t, 'W50-2', wideResnet50(), { parameters: 68_883_240, buffers: 68_224, macs: 11_398_021_120, layers: 50, stages });
  figures(t, 'X29 8x64d', cifarResnext(), {
    parameters: 34_426_698,
    buffers: 57_472,
    macs: 5_387_266_048,
    layers: 29,
    stages: { conv1: [32, 32, 64], layer1: [32, 32, 256], layer2: [16, 16, 512], layer3: [8, 8, 1024], avgpool: [1024], fc: [10] },
  });
  figures(t, 'X29 8x64d, 100 classes', cifarResnext({ classes: 100 }), { parameters: 34_518_948, macs: 5_387_358_208 });
  figures(t, 'X29 16x64d', cifarResnext({ groups: 16 }), { parameters: 68_155_210, buffers: 100_480, macs: 10_688_866_304, layers: 29 });
  const weights = (block: AnyLayer): number =>
    [...block.namedLayers().values()].reduce((sum, layer) => sum + (layer instanceof Conv2d ? layer.weight.size : 0), 0);
  t.is(weights(new Bottleneck({ inChannels: 256, channels: 128, outChannels: 256, groups: 32 })), 70_144);
  t.is(weights(new Bottleneck({ inChannels: 256, channels: 64, outChannels: 256 })), 69_632);
});

test('the ResNets for small images have the published sizes with either shortcut', (t) => {
  const rows = [
    [20, 269_722, 272_474, 40_551_040, 40_813_184],
    [32, 464_154, 466_906, 68_862_592, 69_124_736],
    [44, 658_586, 661_338, 97_174_144, 97_436_288],
    [56, 853_018, 855_770, 125_485_696, 125_747_840],
    [110, 1_727_962, 1_730_714, 252_887_680, 253_149_824],
    [1202, 19_421_274, 19_424_026, 2_829_238_912, 2_829_501_056],
  ];
  for (const [depth, a, b, macsA, macsB] of rows) {
    figures(t, `${depth} A`, cifarResnet({ depth }), { parameters: a, macs: macsA, layers: depth });
    figures(t, `${depth} B`, cifarResnet({ depth, shortcut: 'B' }), { parameters: b, macs: macsB, layers: depth });
  }
  const stages = { conv1: [32, 32, 16], layer1: [32, 32, 16], layer2: [16, 16, 32], layer3: [8, 8, 64], avgpool: [64], fc: [10] };
  figures(t, '20 A', cifarResnet(), { parameters: 269_722, buffers: 1376, stages });
  figures(t, '20 B', cifarResnet({ shortcut: 'B' }), { parameters: 272_474, buffers: 1568, stages });
});

test('[M22] stochastic depth has the weights of the net that it shortens, and a survival that falls in a line', (t) => {
  const model = cifarResnet({ depth: 110, dropPath: 0.5 });
  t.is(model.parameterCount(), 1_727_962);
  t.is(multiplyAccumulates(model), 252_887_680);
  t.is(weightLayers(model), 110);
  const survivals = [...model.namedLayers().values()].flatMap((layer) => (layer instanceof BasicBlock ? [1 - layer.dropPath] : []));
  t.is(survivals.length, 54);
  t.is(survivals[0].toFixed(6), '0.990741');
  t.is(survivals[53], 0.5);
  t.is(survivals.reduce((sum, p) => sum + p, 0).toFixed(9), '40.250000000', 'blocks that run in an average step');
});

test('[F05, M13, P54] a residual branch of zeros leaves relu(x), or x in a pre-activation block', (t) => {
  const x = images([2, 5, 5, 8]);
  const options = { inChannels: 8, channels: 8, outChannels: 8 };
  const basic = new BasicBlock({ ...options, zeroInit: true });
  identical(t, basic.forward(x), relu(x));
  identical(t, new Bottleneck({ ...options, channels: 4, zeroInit: true }).forward(x), relu(x));
  const block = new PreActBlock(options);
  block.forward(x);
  block.convs[1].weight.data.fill(0);
  identical(t, block.forward(x), x);
});

test('[M21] the grouped convolution of ResNeXt is its parallel paths', (t) => {
  const x = images([1, 6, 6, 16]);
  const grouped = new Conv2d(16, 16, 3, { padding: 1, groups: 4, bias: false });
  const y = grouped.forward(x);
  const w = grouped.weight;
  for (let path = 0; path < 4; path++) {
    const one = new Conv2d(4, 4, 3, { padding: 1, bias: false });
    one.loadStateDict({ weight: w.slice([0, 0, 0, 4 * path], [3, 3, 4, 4 * path + 4]).detach() });
    const part = one.forward(x.slice([0, 0, 0, 4 * path], [1, 6, 6, 4 * path + 4]));
    const expected = y.slice([0, 0, 0, 4 * path], [1, 6, 6, 4 * path + 4]);
    part.data.forEach((value, i) => {
      t.true(Math.abs(value - expected.data[i]) < 1e-4);
    });
  }
});

test('shortcut A takes every second pixel and adds channels of zeros', (t) => {
  const x = images([1, 4, 4, 2]);
  const y = noGrad(() => new ZeroPadShortcut(3, 2).forward(x));
  t.deepEqual([...y.shape], [1, 2, 2, 3]);
  const at = (row: number, column: number, channel: number): number => x.data[(row * 4 + column) * 2 + channel];
  const pixels = [
    [0, 0],
    [0, 2],
    [2, 0],
    [2, 2],
  ];
  t.deepEqual(
    [...y.data],
    pixels.flatMap(([row, column]) => [at(row, column, 0), at(row, column, 1), 0]),
  );
});

test('small residual networks train alike in eager and compiled steps, and come back from files', (t) => {
  imageModelContract(t, () => resnet18({ width: 4, classes: 5, imageSize: 32 }), [32, 32, 3], 5);
  imageModelContract(t, () => resnet50({ width: 4, classes: 5, imageSize: 32, strideIn: '1x1', zeroInit: true }), [32, 32, 3], 5);
  imageModelContract(t, () => resnext50({ width: 16, classes: 5, imageSize: 32 }), [32, 32, 3], 5);
  imageModelContract(t, () => cifarResnet({ depth: 8, width: 4 }), [16, 16, 3], 10);
  imageModelContract(t, () => cifarResnet({ depth: 8, width: 4, shortcut: 'B' }), [16, 16, 3], 10);
  imageModelContract(t, () => cifarResnet({ depth: 14, width: 4, dropPath: 0.7 }), [16, 16, 3], 10);
});

test('wrong options are refused', (t) => {
  for (const call of [
    () => cifarResnet({ depth: 21 }),
    () => cifarResnet({ dropPath: 2 }),
    () => cifarResnext({ depth: 30 }),
    () => resnet18({ shortcut: 'C' } as never),
    () => resnet50({ strideIn: '5x5' } as never),
    () => resnet50({ classes: 1.5 }),
    () => resnet50({ depth: 3 } as never),
  ]) {
    t.throws(call, { instanceOf: ArgumentError }, String(call));
  }
});
