// Pictures of the course's first part: activations, preprocessing, checked gradients, dropout, augmentation.
import {
  Adam,
  CrossEntropyLoss,
  Dropout,
  Linear,
  Random,
  ReLU,
  Sequential,
  StandardScaler,
  Tensor,
  TensorDataset,
  Whitening,
  activation,
  augmented,
  chart,
  crossEntropy,
  cutout,
  datasets,
  log,
  noGrad,
  nllLoss,
  randomAffine,
  randomCrop,
  randomResizedCrop,
  softmax,
  tanh,
} from '../../dist/lib/index.js';
import { page, text } from '../../dist/lib/pictures/svg.js';
import { image, inRows } from './image.mjs';

const quiet = { log: false, progress: false, sitter: false };

/** Five activations and their slopes. */
export function activations() {
  const x = Float32Array.from({ length: 161 }, (_, i) => (i - 80) / 20);
  const drawn = ['sigmoid', 'tanh', 'relu', 'elu', 'gelu'].map((name) => {
    const input = Tensor.from(x.slice());
    input.requiresGrad = true;
    const output = activation(name)(input);
    output.sum().backward();
    return { name, y: [...output.data], slope: [...input.grad.data] };
  });
  const axes = { xLabel: 'x', series: [] };
  const of = (pick) => drawn.map((one) => ({ name: one.name, x: [...x], y: pick(one) }));
  return chart(
    [
      {
        ...axes,
        title: 'f(x)',
        remark: 'sigmoid and tanh flatten out at both ends',
        yLabel: 'f(x)',
        yRange: [-1.2, 3],
        series: of(({ y }) => y),
      },
      {
        ...axes,
        title: "f'(x)",
        remark: 'where the slope is 0, no gradient passes',
        yLabel: 'slope',
        yRange: [-0.2, 1.2],
        series: of(({ slope }) => slope),
      },
    ],
    { title: 'Activations and their slopes' },
  );
}

/** One cloud of points, as it came and after three kinds of preprocessing. */
export function preprocessing() {
  const random = new Random(1, 'cloud');
  const raw = Float32Array.from({ length: 240 });
  for (let i = 0; i < raw.length; i += 2) {
    const [a, b] = [random.normal(), random.normal()];
    raw.set([3.5 + 1.3 * a, 2 + 0.5 * a + 0.3 * b], i);
  }
  const cloud = Tensor.from(raw, [120, 2]);
  const data = new TensorDataset(cloud, Tensor.from(new Int32Array(120)));
  const mean = cloud.mean(0, { keepDims: true });
  const steps = [
    ['as they came', cloud, 'all positive, one axis wider'],
    ['minus the mean', cloud.sub(mean), 'around zero: no zigzag'],
    ['by the deviation', new StandardScaler().fit(data).transform(cloud), 'every axis counts alike'],
    ['whitened', new Whitening().fit(data).transform(cloud), 'and no axis tells of another'],
  ];
  const panels = steps.map(([title, points, remark]) => {
    const at = (axis) => Array.from({ length: 120 }, (_, i) => points.data[2 * i + axis]);
    // Its ends have no value and are not drawn: they keep all four panels to one scale.
    const zero = { name: 'zero', x: [-4, 0, 7], y: [Number.NaN, 0, Number.NaN], kind: 'points' };
    return {
      title,
      remark,
      xLabel: 'first feature',
      yLabel: 'second feature',
      yRange: [-4, 7],
      series: [{ name: 'examples', x: at(0), y: at(1), kind: 'points' }, zero],
    };
  });
  return chart(panels, { title: 'Preprocessing, step by step', columns: 4 });
}

/** How far a difference quotient is from the gradient, by the size of its step. */
export function gradientCheck() {
  const steps = Array.from({ length: 41 }, (_, i) => Number(`1e-${i >> 2}`) / [1, 1.78, 3.16, 5.62][i % 4]);
  const values = Float64Array.from({ length: 20 }, (_, i) => (i - 5) / 8);
  const f = (dtype, shift) =>
    noGrad(() => {
      const x = Tensor.from(values).add(shift).to(dtype);
      return tanh(x).mul(x).sum().item();
    });
  const x = Tensor.from(values.slice());
  x.requiresGrad = true;
  tanh(x).mul(x).sum().backward();
  const exact = x.grad.data.reduce((sum, one) => sum + one, 0);
  const error = (difference) => steps.map((h) => Math.max(1e-16, Math.abs(difference(h) / exact - 1)));
  const centred = (dtype) => (h) => (f(dtype, h) - f(dtype, -h)) / (2 * h);
  const series = [
    ['centred, float64', error(centred('float64'))],
    ['to one side, float64', error((h) => (f('float64', h) - f('float64', 0)) / h)],
    ['centred, float32', error(centred('float32'))],
  ].map(([name, y]) => ({ name, x: steps, y, kind: 'path' }));
  const panel = {
    title: 'Error of the difference quotient',
    remark: 'To the right the curve of the function counts, to the left rounding',
    xLabel: 'step h',
    yLabel: 'relative error',
    xScale: 'log',
    yScale: 'log',
    series,
  };
  return chart([panel], { title: 'Checking gradients' });
}

/** The log loss of the mean of several networks that dropout makes, beside the whole net that stands for all of them. */
export async function dropoutEnsemble() {
  const { train, test } = await datasets.digits({ train: 1000, test: 1000, seed: 1 });
  const model = new Sequential([new Linear(784, 256), new ReLU(), new Dropout(0.5), new Linear(256, 10)]);
  const flat = (data) => {
    const { inputs, targets } = data.batch(Int32Array.from({ length: data.length }, (_, i) => i));
    return { inputs: inputs.reshape([-1, 784]), targets };
  };
  const seen = flat(train);
  await model.fit(new TensorDataset(seen.inputs, seen.targets), {
    loss: new CrossEntropyLoss(),
    optimizer: new Adam(model, { lr: 1e-3 }),
    epochs: 15,
    seed: 1,
    ...quiet,
  });
  const { inputs, targets } = flat(test);
  const counts = [1, 2, 4, 8, 16, 32, 64];
  return noGrad(() => {
    const whole = crossEntropy(model.eval().forward(inputs), targets).item();
    model.train();
    let sum = Tensor.from(new Float32Array(test.length * 10), [test.length, 10]);
    const y = [];
    for (let i = 1; i <= 64; i++) {
      sum = sum.add(softmax(model.forward(inputs)));
      if (counts.includes(i)) y.push(nllLoss(log(sum.div(i)), targets).item());
    }
    const series = [
      { name: 'mean of thinned networks', x: counts, y, kind: 'path' },
      { name: 'the whole network, once', x: [1, 64], y: [whole, whole] },
    ];
    const panel = {
      title: 'Log loss on new digits',
      remark: 'Each thinned network has another half of the 256 hidden units',
      xLabel: 'networks',
      yLabel: 'log loss',
      xScale: 'log',
      series,
    };
    return chart([panel], { title: 'Dropout: many networks in one' });
  });
}

/** Digits as they are, and as augmentations show them. */
export async function augmentation() {
  const { train } = await datasets.digits({ train: 12, test: 1, seed: 3, raw: true });
  const kinds = [
    ['as they are', []],
    ['randomCrop', [randomCrop({ padding: 4 })]],
    ['randomAffine', [randomAffine({ rotation: [-20, 20], scale: [0.8, 1.2] })]],
    ['randomResizedCrop', [randomResizedCrop({ outputSize: 28, scale: [0.5, 1] })]],
    ['cutout', [cutout({ size: 10 })]],
  ];
  const [side, gap, left, top] = [96, 12, 300, 90];
  const parts = [text(40, 52, 'The same twelve digits, augmented', 30, 'bold')];
  for (const [row, [name, list]] of kinds.entries()) {
    const data = list.length === 0 ? train : augmented(train, list);
    const { inputs } = data.batch(Int32Array.from({ length: 12 }, (_, i) => i));
    const most = list.length === 0 ? 255 : 1;
    const y = top + row * (side + gap);
    parts.push(text(40, y + side / 2 + 7, name, 20, 'bold'));
    for (let i = 0; i < 12; i++) {
      const rows = inRows([...inputs.data.slice(i * 784, (i + 1) * 784)], 28);
      parts.push(image(left + i * (side + gap), y, side, rows, { high: most }));
    }
  }
  return page(1600, top + kinds.length * (side + gap) + 28, 'Augmented digits', parts);
}
