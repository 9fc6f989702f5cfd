// Proves lib/models/nin.ts: size, shapes and training of Network in Network.

import test from 'ava';
import { ArgumentError, networkInNetwork } from '../../lib/index.js';
import { figures, imageModelContract } from '../contracts/image-model.js';

test('[M16] Network in Network has the published size and ends in the mean over all positions', (t) => {
  figures(t, '10 classes', networkInNetwork(), {
    parameters: 966_986,
    buffers: 0,
    macs: 222_486_528,
    layers: 9,
    inputShape: [32, 32, 3],
    stages: { 4: [32, 32, 96], 6: [16, 16, 96], 12: [16, 16, 192], 14: [8, 8, 192], 20: [8, 8, 10], 22: [10] },
  });
  figures(t, '100 classes', networkInNetwork({ classes: 100 }), { parameters: 984_356, macs: 223_592_448, inputShape: [32, 32, 3] });
});

test('a small one trains alike in eager and compiled steps, and comes back from files', (t) => {
  imageModelContract(t, () => networkInNetwork({ width: 12 }), [16, 16, 3], 10);
});

test('wrong options are refused', (t) => {
  t.throws(() => networkInNetwork({ width: 0 }), { instanceOf: ArgumentError });
});
