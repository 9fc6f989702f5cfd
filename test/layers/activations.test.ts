// Activation layers: the contract, and that they are the functions of the same name.
import test from 'ava';
import { ArgumentError, CELU, ELU, elu, Exp, GELU, HardTanh, Identity, LeakyReLU, PReLU, Softplus, Swish, tensor } from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { activations } from '../helpers/activations.js';
import { f32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

for (const [of, { fn, layer: create, kinks }] of Object.entries(activations)) {
  const name = `${create().constructor.name} (${of})`;
  test(`${name} keeps the layer contract`, (t) => {
    layerContract(t, { create, inputShape: [3, 5], outputShape: [3, 5], parameters: {}, kinks });
    layerContract(t, { create, inputShape: [2, 2, 3, 1], outputShape: [2, 2, 3, 1], parameters: {}, kinks });
  });

  test(`${name} is its function`, (t) => {
    const x = f32(new Seeded(1).uniform(1000, -20, 20), [10, 100]);
    identical(t, create().forward(x), fn(x));
  });
}

test('PReLU keeps the layer contract, with one slope or one a channel', (t) => {
  layerContract(t, { create: () => new PReLU(), inputShape: [3, 5], outputShape: [3, 5], parameters: { alpha: [1] }, kinks: [0] });
  layerContract(t, {
    create: () => new PReLU({ channels: 3 }),
    inputShape: [2, 2, 2, 3],
    outputShape: [2, 2, 2, 3],
    parameters: { alpha: [3] },
    kinks: [0],
    refuses: [[[2, 4], /3/]],
  });
});

test('Exp keeps the layer contract and gives the exponential', (t) => {
  layerContract(t, { create: () => new Exp(), inputShape: [3, 5], outputShape: [3, 5], parameters: {} });
  const y = new Exp().forward(tensor([0, 1, -1]));
  for (const [i, one] of [1, Math.E, 1 / Math.E].entries()) t.true(Math.abs(y.data[i] - one) < 1e-6);
});

test('Identity keeps the layer contract and gives its input back', (t) => {
  layerContract(t, { create: () => new Identity(), inputShape: [3, 5], outputShape: [3, 5], parameters: {} });
  const x = f32([1, -2]);
  t.is(new Identity().forward(x), x);
});

test('a layer of an activation keeps its options through config, clone and save', (t) => {
  for (const make of [
    () => new LeakyReLU({ negativeSlope: 0.3 }),
    () => new ELU({ alpha: 0.5 }),
    () => new CELU({ alpha: 2 }),
    () => new GELU({ approximate: 'tanh' }),
    () => new Swish({ beta: 2, scale: 3 }),
    () => new Softplus({ beta: 3 }),
    () => new HardTanh({ min: -2, max: 0.5 }),
    () => new PReLU({ channels: 2, init: 0.5 }),
  ]) {
    const x = f32([-3, -1, 0.5, 4], [2, 2]);
    const layer = make();
    identical(t, layer.clone().forward(x), layer.forward(x));
  }
});

test('options of activations that make no sense are refused by function and layer alike', (t) => {
  const x = f32([1]);
  const wrong: [() => unknown, RegExp][] = [
    [() => elu(x, { alpha: 0 }), /options\.alpha/],
    [() => new ELU({ alpha: -1 }), /options\.alpha/],
    [() => new CELU({ alpha: Number.NaN }), /options\.alpha/],
    [() => new LeakyReLU({ slope: 1 } as never), /slope.*negativeSlope/],
    [() => new GELU({ approximate: 'erf' as never }), /approximate/],
    [() => new Swish({ beta: Infinity }), /options\.beta/],
    [() => new Softplus({ beta: 0 }), /options\.beta/],
    [() => new HardTanh({ min: 2, max: 1 }), /options\.max/],
    [() => new PReLU({ channels: 0 }), /options\.channels/],
  ];
  for (const [call, message] of wrong) t.throws(call, { instanceOf: ArgumentError, message });
});
