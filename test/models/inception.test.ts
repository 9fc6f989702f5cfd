// Proves lib/models/inception.ts: sizes of a module, and how auxiliary heads pool.

import test from 'ava';
import { AdaptiveAvgPool2d, AuxiliaryHead, AvgPool2d, ConvolutionUnit, Inception, googlenet, ones } from '../../lib/index.js';

test('[M09] an inception module has the sizes of the paper, and puts its branches side by side', (t) => {
  const module = new Inception({ inChannels: 192, filters: [64, 96, 128, 16, 32, 32], batchNorm: false });
  t.is(module.parameterCount(), 163_696);
  t.deepEqual([...module.forward(ones([1, 5, 4, 192])).shape], [1, 5, 4, 256]);
  t.is(new ConvolutionUnit({ inChannels: 3, outChannels: 4, kernelSize: 3 }).parameterCount(), 108 + 8);
});

test('the paper pools for its heads by windows of 5×5, other forms and sizes to a grid', (t) => {
  t.true(googlenet({ auxiliary: true, width: 4 }).aux1?.avgpool instanceof AvgPool2d);
  t.true(googlenet({ auxiliary: true, width: 4, imageSize: 64 }).aux1?.avgpool instanceof AdaptiveAvgPool2d);
  t.true(googlenet({ auxiliary: true, width: 4, form: 'torchvision' }).aux1?.avgpool instanceof AdaptiveAvgPool2d);
});

test('a head takes any image when it pools to a grid, and 14×14 by windows', (t) => {
  const sizes = { inChannels: 6, classes: 3, width: 2 };
  t.deepEqual([...new AuxiliaryHead(sizes).forward(ones([2, 2, 3, 6])).shape], [2, 3]);
  t.deepEqual([...new AuxiliaryHead({ ...sizes, pooling: 'windows' }).forward(ones([2, 14, 14, 6])).shape], [2, 3]);
});
