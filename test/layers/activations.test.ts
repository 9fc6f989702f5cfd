// Activation layers: the contract, and that they are the functions of the same name.
import test from 'ava';
import { layerContract } from '../contracts/layer.js';
import { activations } from '../helpers/activations.js';
import { f32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

for (const { fn, layer: create, kinks } of Object.values(activations)) {
  const name = create().constructor.name;
  test(`${name} keeps the layer contract`, (t) => {
    layerContract(t, { create, inputShape: [3, 5], outputShape: [3, 5], parameters: {}, kinks });
    layerContract(t, { create, inputShape: [2, 2, 3, 1], outputShape: [2, 2, 3, 1], parameters: {}, kinks });
  });

  test(`${name} is the function of the same name`, (t) => {
    const x = f32(new Seeded(1).uniform(1000, -20, 20), [10, 100]);
    identical(t, create().forward(x), fn(x));
  });
}
