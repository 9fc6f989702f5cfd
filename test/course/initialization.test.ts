// Course section C: weight initialization, with the mean-field numbers of the ten-layer experiment.
import test from 'ava';
import {
  type ActivationExperimentOptions,
  activationExperiment,
  Constant,
  LeCun,
  lsuv,
  Orthogonal,
  crossEntropy,
  He,
  type Initializer,
  Linear,
  Normal,
  noGrad,
  relu,
  ReLU,
  Sequential,
  setSeed,
  SGD,
  type Tensor,
  tanh,
  Tanh,
  Xavier,
} from '../../lib/index.js';
import { f32, f64, i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { moments, Seeded } from '../helpers/seeded.js';

/** A trained net of equal initial weights: two hidden layers, ten steps. */
function stepsFrom(value: number, steps: number): Sequential {
  setSeed(1);
  const options = { init: new Constant(value), biasInit: new Constant(0.1) };
  const model = new Sequential([new Linear(6, 5, options), new Tanh(), new Linear(5, 4, options), new Tanh(), new Linear(4, 3, options)]);
  const random = new Seeded(1);
  const [x, y] = [f32(random.uniform(48), [8, 6]), i32(Array.from({ length: 8 }, () => random.integer(3)))];
  const optimizer = new SGD(model, { lr: 0.5 });
  for (let step = 0; step < steps; step++) {
    optimizer.zeroGrad();
    crossEntropy(model.forward(x), y).backward();
    optimizer.step();
  }
  return model;
}

/** Largest difference between two columns (units) of a weight. */
function spread({ weight }: Linear): number {
  const [inputs, outputs] = weight.shape;
  let most = 0;
  for (let row = 0; row < inputs; row++) {
    for (let column = 1; column < outputs; column++)
      most = Math.max(most, Math.abs(weight.data[row * outputs + column] - weight.data[row * outputs]));
  }
  return most;
}

for (const [title, value] of [
  ['[C01] weights that all start at 0 stay equal in every unit of a hidden layer: no symmetry breaking', 0],
  ['[C04] weights that all start at 0.5 stay equal in every unit of a hidden layer as well', 0.5],
] as const) {
  test(title, (t) => {
    const { layers } = stepsFrom(value, 10);
    t.is(spread(layers[0] as Linear), 0);
    t.is(spread(layers[2] as Linear), 0);
  });
}

test('[C02] equal weights are not dead: with biases and tanh the gradients are equal but not zero', (t) => {
  const before = stepsFrom(0.5, 0).layers[0] as Linear;
  const after = stepsFrom(0.5, 10).layers[0] as Linear;
  noGrad(() => before.forward(f32(new Float32Array(6), [1, 6])));
  t.notDeepEqual([...after.weight.data], [...before.weight.data]);
});

test('[C03] in the last layer the gradients differ by class, the hidden units still move together', (t) => {
  const { layers } = stepsFrom(0.5, 1);
  t.true(spread(layers[4] as Linear) > 0);
  t.is(spread(layers[2] as Linear), 0);
});

test('[C05] small random numbers: a million draws with standard deviation 0.01', (t) => {
  setSeed(5);
  const layer = new Linear(1000, 1000, { init: new Normal({ std: 0.01 }) });
  const { mean, deviation } = moments(layer.weight.data);
  close(t, [deviation], [0.01], { relative: 0.01 });
  t.true(Math.abs(mean) < 4e-5);
});

/** The course's experiment: unit normal inputs through ten square layers of 500 units; what each layer gives. */
function experiment(init: Initializer, activation: (x: Tensor) => Tensor, seed = 6): { outputs: Tensor[]; weights: Tensor[]; x: Tensor } {
  setSeed(seed);
  const layers = Array.from({ length: 10 }, () => new Linear(500, 500, { init, bias: false }));
  new Sequential(layers).prepare();
  const x = f32(new Seeded(seed).normal(500_000), [1000, 500]);
  const outputs: Tensor[] = [];
  noGrad(() => {
    let value: Tensor = x;
    for (const layer of layers) outputs.push((value = activation(layer.forward(value))));
  });
  return { outputs, weights: layers.map((layer) => layer.weight as unknown as Tensor), x };
}

const deviations = (outputs: readonly Tensor[]) => outputs.map((output) => moments(output.data).deviation);

test('[C07] [C08] [P06] tanh with weights of 0.01: means stay about 0 and the standard deviation collapses', (t) => {
  const { outputs } = experiment(new Normal({ std: 0.01 }), tanh);
  for (const output of outputs) t.true(Math.abs(moments(output.data).mean) < 1e-3);
  close(t, deviations(outputs), [0.2135, 0.04764, 0.01065, 2.382e-3, 5.326e-4, 1.191e-4, 2.663e-5, 5.955e-6, 1.331e-6, 2.977e-7], {
    relative: 0.05,
  });
});

/** Root mean square of the gradient that flows back into each layer's input, for a normal upstream gradient at the top. */
function backflow(init: Initializer, activation: (x: Tensor) => Tensor): { flow: number[]; weightGradients: number[] } {
  const { weights, x } = experiment(init, activation);
  const inputs: Tensor[] = [];
  let value = x;
  for (const weight of weights) {
    const input = value.detach();
    input.requiresGrad = true;
    inputs.push(input);
    value = noGrad(() => activation(input.matmul(weight)));
  }
  const rms = ({ data }: Tensor) => Math.hypot(moments(data).mean, moments(data).deviation);
  let upstream = f32(new Seeded(10).normal(500_000), [1000, 500]) as Tensor;
  const flow: number[] = [];
  const weightGradients: number[] = [];
  for (let layer = 9; layer >= 0; layer--) {
    const weight = weights[layer].detach();
    weight.requiresGrad = true;
    activation(inputs[layer].matmul(weight)).mul(upstream).sum().backward();
    upstream = (inputs[layer].grad as Tensor).detach();
    flow.unshift(rms(upstream));
    weightGradients.unshift(rms(weight.grad as Tensor));
  }
  return { flow, weightGradients };
}

test('[C10] weights of 0.01 shrink the gradient on its way back by the square root of 0.05 per layer', (t) => {
  const { flow } = backflow(new Normal({ std: 0.01 }), tanh);
  // In the linear region; the first layer's tanh takes a little more.
  for (let layer = 1; layer < 9; layer++)
    close(t, [flow[layer] / flow[layer + 1]], [Math.sqrt(0.05)], { relative: 0.05 }, `layer ${layer + 1}`);
  t.true(flow[0] > 1e-7 && flow[0] < 1e-6, `${flow[0]}`);
});

test('[C11] weights of 1 saturate tanh at -1 and 1', (t) => {
  const { outputs } = experiment(new Normal({ std: 1 }), tanh);
  for (const output of outputs) {
    const { data } = output;
    close(t, [moments(data).deviation], [0.982], { relative: 0.005 });
    close(t, [data.filter((value: number) => Math.abs(value) > 0.99).length / data.length], [0.904], { absolute: 0.01 });
  }
});

test('[C12] [P06] under weights of 1 the typical local derivative is nothing, yet the gradient grows on its way back', (t) => {
  const { outputs } = experiment(new Normal({ std: 1 }), tanh);
  const local = Array.from(outputs[4].data, (value: number) => 1 - value * value).sort((a, b) => a - b);
  t.true(local[local.length >> 1] < 1e-9);
  const { flow } = backflow(new Normal({ std: 1 }), tanh);
  t.true(flow[0] / flow[9] > 1e3, `${flow[0] / flow[9]}`);
});

test("[C13] [P07] Xavier by inputs is the course's 1 / in, by default it is Glorot's 2 / (in + out)", (t) => {
  const of = (init: Initializer): number => {
    setSeed(13);
    const layer = new Linear(500, 100, { init });
    return moments(layer.weight.data).deviation;
  };
  t.is(Number(new Xavier({ mode: 'fanIn' }).standardDeviation([500, 100]).toFixed(6)), 0.044721);
  t.is(Number(new Xavier().standardDeviation([500, 100]).toFixed(6)), 0.057735);
  close(t, [of(new Xavier({ mode: 'fanIn' })), of(new Xavier())], [0.044721, 0.057735], { relative: 0.015 });
});

test('[C14] [P08] Xavier with tanh lets the standard deviation fall slowly, it does not keep it at 1', (t) => {
  const { outputs } = experiment(new Xavier({ mode: 'fanIn' }), tanh);
  close(t, deviations(outputs), [0.6279, 0.4863, 0.4082, 0.3576, 0.3216, 0.2944, 0.2729, 0.2554, 0.2409, 0.2285], { relative: 0.05 });
});

/** Means over 20 seeds: one seed spreads by about 5 % per layer. */
function averaged(init: Initializer, seeds: number): { mean: number[]; deviation: number[]; rms: number[] } {
  const sums = { mean: new Array<number>(10).fill(0), deviation: new Array<number>(10).fill(0), rms: new Array<number>(10).fill(0) };
  for (let seed = 0; seed < seeds; seed++) {
    setSeed(100 + seed);
    const layers = Array.from({ length: 10 }, () => new Linear(500, 500, { init, bias: false }));
    new Sequential(layers).prepare();
    let value: Tensor = f32(new Seeded(seed).normal(100_000), [200, 500]);
    for (const [index, layer] of layers.entries()) {
      value = noGrad(() => relu(layer.forward(value)));
      const { mean, deviation } = moments(value.data);
      sums.mean[index] += mean / seeds;
      sums.deviation[index] += deviation / seeds;
      sums.rms[index] += Math.hypot(mean, deviation) / seeds;
    }
  }
  return sums;
}

test('[C15] [P28] Xavier with ReLU breaks: the variance halves with every layer', (t) => {
  const { mean, deviation } = averaged(new Xavier({ mode: 'fanIn' }), 20);
  close(t, deviation, [0.5838, 0.4128, 0.2919, 0.2064, 0.146, 0.1032, 0.073, 0.0516, 0.0365, 0.0258], { relative: 0.1 });
  close(t, [mean[0], mean[9]], [0.3989, 0.0176], { relative: 0.1 });
});

test('[C16] [C22] [P28] [P29] He makes up for the half that ReLU blocks: every layer keeps its scale', (t) => {
  const { mean, deviation, rms } = averaged(new He(), 20);
  close(t, rms, new Array(10).fill(1), { relative: 0.1 }, 'root mean square');
  close(t, mean, new Array(10).fill(0.5642), { relative: 0.1 }, 'mean');
  close(t, deviation, new Array(10).fill(0.8256), { relative: 0.1 }, 'standard deviation');
});

test('[C17] n counts the inputs of a unit: the features of a linear layer, kernel area times channels of a convolution', (t) => {
  const he = new He();
  t.is(he.standardDeviation([784, 10]), Math.sqrt(2 / 784));
  t.is(he.standardDeviation([3, 3, 64, 128]), Math.sqrt(2 / 576));
});

test('[C18] the variance of a sum of n products is n Var(w) Var(x)', (t) => {
  setSeed(18);
  const layer = new Linear(500, 200, { init: new Normal({ std: Math.sqrt(1 / 500) }), bias: false });
  const x = f32(new Seeded(18).normal(1000 * 500), [1000, 500]);
  const s = noGrad(() => layer.forward(x));
  close(t, [moments(s.data).deviation ** 2 / moments(x.data).deviation ** 2], [1], { absolute: 0.02 });
});

test('[C20] few inputs get larger weights: four times the inputs, half the standard deviation', (t) => {
  const of = (inputs: number): number => {
    setSeed(20);
    const layer = new Linear(inputs, 2000, { init: new Xavier({ mode: 'fanIn' }) });
    return moments(layer.weight.data).deviation;
  };
  close(t, [of(100) / of(400)], [2], { relative: 0.01 });
  t.is(new He().standardDeviation([100, 9]) / new He().standardDeviation([400, 9]), 2);
});

test('[C23] [P49] the default weights depend on the activation: Xavier before tanh, He before ReLU', (t) => {
  const of = (activation: () => ReLU | Tanh): number => {
    setSeed(23);
    const first = new Linear(400, 400);
    new Sequential([first, activation(), new Linear(400, 2)]).prepare();
    return moments(first.weight.data).deviation;
  };
  close(t, [of(() => new ReLU()), of(() => new Tanh())], [Math.sqrt(2 / 400), Math.sqrt(1 / 400)], { relative: 0.01 });
});

test('[C24] initialization decides whether a deep net trains at all', (t) => {
  const fall = (init: Initializer): number => {
    setSeed(24);
    const hidden = Array.from({ length: 19 }, (_, index) => [new Linear(index === 0 ? 10 : 32, 32, { init }), new ReLU()]).flat();
    const model = new Sequential([...hidden, new Linear(32, 3, { init })]);
    const random = new Seeded(24);
    const x = f32(random.normal(640), [64, 10]);
    // Three classes by the largest of the first three features: learnable.
    const y = i32(
      Array.from({ length: 64 }, (_, row) => [0, 1, 2].reduce((best, k) => (x.data[row * 10 + k] > x.data[row * 10 + best] ? k : best), 0)),
    );
    const optimizer = new SGD(model, { lr: 0.02, momentum: 0.9 });
    const losses: number[] = [];
    for (let step = 0; step < 200; step++) {
      const loss = crossEntropy(model.forward(x), y);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      losses.push(loss.item());
    }
    return 1 - losses[199] / losses[0];
  };
  const [he, small] = [fall(new He()), fall(new Normal({ std: 0.01 }))];
  t.true(he > 0.5, `with He the loss fell by ${(100 * he).toFixed(1)} %`);
  t.true(small < 0.05, `with 0.01 the loss fell by ${(100 * small).toFixed(1)} %`);
});

test('[A24] [A25] [P25] biases start at zero, or at a small constant that keeps more ReLU units active', (t) => {
  setSeed(24);
  const plain = new Linear(50, 2000);
  const helped = new Linear(50, 2000, { biasInit: new Constant(0.01) });
  for (const layer of [plain, helped]) layer.prepare();
  t.true(plain.bias?.data.every((value: number) => value === 0));
  t.true(helped.bias?.data.every((value: number) => value === Math.fround(0.01)));
  const active = noGrad(() => helped.forward(f32(new Seeded(24).normal(50 * 200), [200, 50]))).data.filter((value: number) => value > 0).length;
  t.true(active / 400_000 > 0.5, `${active / 400_000}`);
});

test('[C06] [P04] the experiment with 10 layers of 500 units and 1000 inputs is one call, and gives the figures of C08, C14 and C15', (t) => {
  const of = (options: ActivationExperimentOptions): number[] => activationExperiment(options).layers.map(({ std }) => std);
  const defaults = activationExperiment();
  t.deepEqual([defaults.layers.length, defaults.features, defaults.examples, defaults.activation], [10, 500, 1000, 'tanh']);
  close(t, [defaults.input.mean, defaults.input.std], [0, 1], { absolute: 0.005 });
  const xavier = [0.6279, 0.4863, 0.4082, 0.3576, 0.3216, 0.2944, 0.2729, 0.2554, 0.2409, 0.2285];
  close(t, of({}), xavier, { relative: 0.05 }, 'Xavier by inputs is the default before tanh');
  const small = [0.2135, 0.04764, 0.01065, 2.382e-3, 5.326e-4, 1.191e-4, 2.663e-5, 5.955e-6, 1.331e-6, 2.977e-7];
  close(t, of({ init: new Normal({ std: 0.01 }) }), small, { relative: 0.05 }, 'std 0.01');
  const big = activationExperiment({ init: new Normal({ std: 1 }) }).layers;
  for (const { std, saturated, medianSlope } of big) {
    close(t, [std], [0.982], { relative: 0.005 });
    close(t, [saturated], [0.904], { absolute: 0.01 });
    t.true(medianSlope < 1e-9);
  }
  close(t, [big[0].gradientRms / big[9].gradientRms], [3.48 ** 9], { relative: 0.25 }, 'and yet the gradient grows on its way back');
  // One seed spreads by about 5 % per layer, because 500 units are not infinitely many.
  const halving = activationExperiment({ activation: 'relu', init: new LeCun(), seed: 1 }).layers;
  for (const [layer, std] of [0.5838, 0.4128, 0.2919].entries()) close(t, [halving[layer].std], [std], { relative: 0.25 });
  close(t, [halving[9].std], [0.0258], { relative: 0.45 });
  const he = activationExperiment({ activation: 'relu', seed: 1 }).layers;
  for (const layer of [0, 1, 2]) close(t, [he[layer].rms, he[layer].mean, he[layer].std], [1, 0.5642, 0.8256], { relative: 0.25 });
  close(t, [he[9].rms], [1], { relative: 0.45 });
});

test('[C09] [P05] weights of 0.01: under one gradient for all, that of the last layer’s weights is a hundred thousandth of the first’s', (t) => {
  const { layers } = activationExperiment({ init: new Normal({ std: 0.01 }) });
  const ratio = layers[9].ownWeightGradientNorm / layers[0].ownWeightGradientNorm;
  t.true(ratio < 1e-5 && ratio > 1e-7, `${ratio}`);
  // The weight gradient is upstream times input: it falls as the inputs of the layers do.
  for (let layer = 1; layer < 10; layer++)
    close(t, [layers[layer].ownWeightGradientNorm / layers[0].ownWeightGradientNorm], [layers[layer - 1].std], { relative: 0.02 });
});

test('[C25] orthogonal and layer-sequential initializers keep what goes through ten layers near its size', (t) => {
  // Directions that are orthonormal hand on lengths exactly where the layers are linear.
  const orthogonal = activationExperiment({ activation: 'linear', init: new Orthogonal() });
  for (const { rms } of orthogonal.layers) close(t, [rms], [1], { relative: 0.01 });
  setSeed(25);
  const layers = Array.from({ length: 10 }, () => [new Linear(100, 100, { init: new Normal({ std: 0.01 }) }), new Tanh()]).flat();
  const model = new Sequential(layers);
  const x = f32(new Seeded(25).normal(500 * 100), [500, 100]);
  const before = noGrad(() => model.forward(x));
  t.true(moments(before.data).deviation < 1e-6, 'weights of 0.01 let nothing through');
  for (const { variance } of lsuv(model, x)) t.true(Math.abs(variance - 1) <= 0.02);
  close(t, [moments(noGrad(() => model.forward(x)).data).deviation], [0.628], { relative: 0.02 }, 'tanh of variance 1');
});

test('[C26] the start decides which minimum is reached: of two wells, −1 ends in the left one and 1 in the right', (t) => {
  const ends = [-1, 1].map((start) => {
    const x = f64([start]);
    x.requiresGrad = true;
    const optimizer = new SGD([x], { lr: 0.01 });
    for (let step = 0; step < 200; step++) {
      optimizer.zeroGrad();
      const distance = x.mul(x).sub(4);
      distance.mul(distance).sum().backward(); // (x² − 4)², least at −2 and 2
      optimizer.step();
    }
    return x.item();
  });
  close(t, ends, [-2, 2], { absolute: 1e-6 });
});
