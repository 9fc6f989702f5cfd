// Proves lib/models/lenet.ts: sizes, shapes and training of the LeNets.

import test from 'ava';
import { ArgumentError, lenet5, smallConvNet } from '../../lib/index.js';
import { figures, imageModelContract } from '../contracts/image-model.js';

test('[M01, M02] LeNet-5 in its three forms has the parameters, multiply-accumulates and shapes of its papers', (t) => {
  const stages = { 0: [28, 28, 6], 2: [14, 14, 6], 3: [10, 10, 16], 5: [5, 5, 16], 6: [1, 1, 120], 9: [84], 11: [10] };
  const modern = { parameters: 61_706, macs: 416_520, layers: 5, stages };
  figures(t, 'modern, 32×32', lenet5({ imageSize: 32 }), { ...modern, inputShape: [32, 32, 1] });
  figures(t, 'modern, 28×28', lenet5(), { ...modern, inputShape: [28, 28, 1] });
  const perLayer = lenet5().layers.map((layer) => layer.parameterCount());
  t.deepEqual(
    perLayer.filter((count) => count > 0),
    [156, 2416, 48_120, 10_164, 850],
  );
  const historic = lenet5({ form: '1998' });
  figures(t, '1998', historic, { parameters: 60_000, macs: 325_680, layers: 4, inputShape: [28, 28, 1] });
  t.deepEqual(
    historic.layers.map((layer) => layer.parameterCount()).filter((count) => count > 0),
    [156, 12, 1516, 32, 48_120, 10_164],
  );
  figures(t, 'Caffe', lenet5({ form: 'caffe' }), { parameters: 431_080, macs: 2_293_000, layers: 4, inputShape: [28, 28, 1] });
});

test('the LeNets and the small network train alike in eager and compiled steps, and come back from files', (t) => {
  imageModelContract(t, () => lenet5(), [28, 28, 1], 10);
  imageModelContract(t, () => lenet5({ form: '1998' }), [28, 28, 1], 84);
  imageModelContract(t, () => lenet5({ form: 'caffe' }), [28, 28, 1], 10);
  imageModelContract(t, () => smallConvNet({ width: 4 }), [28, 28, 1], 10);
  imageModelContract(t, () => smallConvNet({ width: 4, imageSize: 18 }), [18, 18, 1], 10);
});

test('wrong options are refused', (t) => {
  for (const call of [
    () => lenet5({ imageSize: 30 }),
    () => lenet5({ form: 'caffe', imageSize: 32 }),
    () => lenet5({ form: 'old' } as never),
    () => lenet5({ classes: 0 }),
    () => lenet5({ units: 3 } as never),
    () => smallConvNet({ imageSize: 3 }),
    () => smallConvNet({ dropout: 2 }),
  ]) {
    t.throws(call, { instanceOf: ArgumentError }, String(call));
  }
});
