// Gradients of blocks and of whole networks, in training mode, against central differences in float64; and compiled ones against eager ones.

import test, { type ExecutionContext } from 'ava';
import {
  type AnyLayer,
  BasicBlock,
  Bottleneck,
  compileStep,
  crossEntropy,
  DenseLayer,
  DenseNet,
  Fire,
  FractalNet,
  GoogLeNet,
  Inception,
  noGrad,
  PreActBlock,
  PreActResNet,
  ResNet,
  setSeed,
  SqueezeNet,
  type Tensor,
  Vgg,
} from '../../lib/index.js';
import { f32, f64, i32, leaf } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { jacobianCheck } from '../helpers/gradcheck.js';
import { Seeded } from '../helpers/seeded.js';

type Double = Tensor<'float64'>;
type Block = { forward(x: Double): Double };

// Small steps: a network has a hundred thousand kinks, of ReLU and maxima, and one that a step crosses shows in the difference.
const step = 2 ** -20;
const networkStep = 2 ** -24;
const square = { inChannels: 4, channels: 4, outChannels: 4 };

const blocks: Readonly<Record<string, { make: () => AnyLayer; channels: number }>> = {
  'basic block': { make: () => new BasicBlock(square), channels: 4 },
  'basic block with stride and projection': { make: () => new BasicBlock({ ...square, outChannels: 6, channels: 6, stride: 2 }), channels: 4 },
  'basic block with zeros for a shortcut': {
    make: () => new BasicBlock({ ...square, outChannels: 6, channels: 6, stride: 2, shortcut: 'A' }),
    channels: 4,
  },
  bottleneck: { make: () => new Bottleneck({ inChannels: 6, channels: 2, outChannels: 6 }), channels: 6 },
  'bottleneck with stride, groups and projection': {
    make: () => new Bottleneck({ inChannels: 3, channels: 4, outChannels: 6, stride: 2, groups: 2 }),
    channels: 3,
  },
  "bottleneck with the paper's stride": {
    make: () => new Bottleneck({ inChannels: 3, channels: 2, outChannels: 4, stride: 2, strideIn: '1x1' }),
    channels: 3,
  },
  'pre-activation block': { make: () => new PreActBlock(square), channels: 4 },
  'pre-activation bottleneck with projection': {
    make: () => new PreActBlock({ inChannels: 3, channels: 2, outChannels: 6, stride: 2 }),
    channels: 3,
  },
  'fire module': { make: () => new Fire({ inChannels: 4, squeeze: 3, expand: 3 }), channels: 4 },
  'inception module': { make: () => new Inception({ inChannels: 3, filters: [2, 2, 3, 1, 2, 2] }), channels: 3 },
  'dense layer': { make: () => new DenseLayer({ inChannels: 4, growthRate: 3, bottleneck: 2 }), channels: 4 },
  'dense layer without a bottleneck': { make: () => new DenseLayer({ inChannels: 4, growthRate: 3, bottleneck: 0 }), channels: 4 },
  'transition of a DenseNet': {
    make: () => new DenseNet({ stem: 'small', blocks: [1, 1], width: 3, growthRate: 3 }).features.layers['transition1'],
    channels: 6,
  },
};

for (const [name, { make, channels }] of Object.entries(blocks)) {
  test(`${name}: the full Jacobian, for its input and all its parameters`, (t) => {
    setSeed(11);
    const block = make().to('float64');
    // Biases of zero would put what reads only zeros at the kink.
    for (const { data, rank } of block.parameters()) if (rank === 1) data.set(new Seeded(7).uniform(data.length, 0.2, 0.8));
    const x = leaf(f64(new Seeded(3).uniform(2 * 4 * 4 * channels), [2, 4, 4, channels]));
    const parameters = [...block.namedParameters()].map(([path, parameter]) => ({ name: path, tensor: parameter as unknown as Double }));
    const leaves = [{ name: 'x', tensor: x }, ...parameters];
    const { entries } = jacobianCheck(t, () => (block as unknown as Block).forward(x), leaves, { step, atol: 1e-7 }, name);
    t.true(entries > 5000, `${entries} entries were compared`);
  });
}

// The loss along a line through all elements of a parameter at once, which no element of its gradient escapes.
function directionCheck(t: ExecutionContext, model: AnyLayer, x: Double, labels: Tensor<'int32'>, lines: number): void {
  const evaluate = (): Double => crossEntropy((model as unknown as Block).forward(x), labels);
  evaluate().backward();
  const random = new Seeded(17);
  for (const [path, parameter] of [...model.namedParameters(), ['x', x] as const]) {
    const { data, grad } = parameter as unknown as { data: Float64Array; grad: Double };
    const middle = Float64Array.from(data);
    for (let line = 0; line < lines; line++) {
      const direction = random.normal(data.length, 0, 1 / Math.sqrt(data.length));
      const at = (distance: number): number => {
        data.forEach((_, i) => {
          data[i] = middle[i] + distance * direction[i];
        });
        return noGrad(() => evaluate().item());
      };
      const numeric = (at(networkStep) - at(-networkStep)) / (2 * networkStep);
      data.set(middle);
      const analytic = direction.reduce((sum, value, i) => sum + value * grad.data[i], 0);
      const length = Math.hypot(...grad.data) / Math.sqrt(data.length);
      const error = Math.abs(analytic - numeric);
      t.true(error < 1e-5 * length + 1e-8, `${path}, line ${line}: ${analytic}, central difference ${numeric}, gradient ${length} on average`);
    }
  }
}

const small = { classes: 5, imageSize: 16 };

// Small forms of networks: every kind of block at its place, and all that joins them.
const networks: Readonly<Record<string, { make: () => AnyLayer; size: number }>> = {
  'ResNet-50': { make: () => new ResNet({ ...small, block: 'bottleneck', blocks: [3, 4, 6, 3], width: 8, imageSize: 64 }), size: 64 },
  'ResNet-18': { make: () => new ResNet({ ...small, blocks: [2, 2, 2, 2], width: 4, imageSize: 64 }), size: 64 },
  'ResNeXt-50': {
    make: () => new ResNet({ ...small, block: 'bottleneck', blocks: [1, 1, 1, 1], width: 8, groups: 4, widthPerGroup: 16, imageSize: 64 }),
    size: 64,
  },
  'ResNet for small images': { make: () => new ResNet({ ...small, stem: 'small', blocks: [2, 2, 2], width: 4 }), size: 16 },
  'pre-activation ResNet': { make: () => new PreActResNet({ ...small, blocks: 2, width: 4 }), size: 16 },
  DenseNet: { make: () => new DenseNet({ ...small, stem: 'small', blocks: [3, 3], growthRate: 4, width: 4 }), size: 16 },
  FractalNet: {
    make: () => new FractalNet({ ...small, columns: 3, widths: [4, 6], dropPath: 0, globalDropPath: 0 }),
    size: 16,
  },
  SqueezeNet: { make: () => new SqueezeNet({ ...small, width: 16, dropout: 0, imageSize: 48 }), size: 48 },
  GoogLeNet: { make: () => new GoogLeNet({ ...small, width: 8, form: 'batch-norm', dropout: 0, imageSize: 64 }), size: 64 },
  VGG: { make: () => new Vgg({ ...small, depth: 11, batchNorm: true, width: 4, hidden: [16, 16], dropout: 0, imageSize: 32 }), size: 32 },
};

for (const [name, { make, size }] of Object.entries(networks)) {
  const batch = 3;
  const images = new Seeded(5).uniform(batch * size * size * 3);
  const labels = i32(Array.from({ length: batch }, (_, i) => (2 * i) % 5));
  const made = (): AnyLayer => {
    setSeed(13);
    const model = make();
    model.prepare();
    return model;
  };

  test(`a small ${name}: the gradient of the loss, along lines through every parameter`, (t) => {
    t.timeout(300_000);
    const model = made().to('float64');
    // As above.
    for (const [path, { data }] of model.namedParameters()) if (path.endsWith('bias')) data.set(new Seeded(7).uniform(data.length, 0.02, 0.1));
    directionCheck(t, model, leaf(f64(images, [batch, size, size, 3])), labels, 2);
  });

  test(`a small ${name}: a compiled step leaves the gradients of an eager one, bit for bit`, (t) => {
    const x = f32(images, [batch, size, size, 3]);
    const body = (model: AnyLayer) => (input: Tensor, target: Tensor<'int32'>) => {
      const loss = crossEntropy(model.forward(input) as Tensor, target);
      loss.backward();
      return loss;
    };
    const [eager, recorded] = [made(), made()];
    const expected = body(eager)(x, labels);
    identical(t, compileStep(body(recorded)).sync(x, labels), expected, 'loss');
    const twins = recorded.namedParameters();
    for (const [path, parameter] of eager.namedParameters()) {
      identical(t, twins.get(path)?.grad as Tensor, parameter.grad as Tensor, path);
    }
  });
}
