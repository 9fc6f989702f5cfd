// Course section M, and A16: what networks are made of, what they cost, and how they are trained.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  type AnyModel,
  alexnet,
  BatchNorm2d,
  Conv2d,
  densenet121,
  Dropout,
  googlenet,
  Linear,
  mlp,
  multiplyAccumulates,
  Residual,
  resnet101,
  resnet152,
  resnet18,
  resnet34,
  resnet50,
  resnext50,
  setSeed,
  squeezenet,
  type Tensor,
  vgg16,
  vgg19,
  weightLayers,
  wideResnet50,
} from '../../lib/index.js';
import { recipeOf } from '../../lib/cli/models.js';
import { f64, leaf } from '../helpers/build.js';
import { root } from '../helpers/sources.js';

test('[A16] the seven hidden activations of AlexNet are ReLU', (t) => {
  for (const form of ['one-column', '2012'] as const) {
    const kinds = [...alexnet({ form }).namedLayers().values()].map((layer) => layer.constructor.name);
    t.is(kinds.filter((kind) => kind === 'ReLU').length, 7);
    t.deepEqual(
      kinds.filter((kind) => /^(Sigmoid|Tanh|LeakyReLU|ELU|GELU|Swish)$/.test(kind)),
      [],
    );
  }
});

test('[M15] at a sum the gradient goes both ways unchanged: 1 + F′ through a residual block', (t) => {
  const half = new Linear(1, 1, { bias: false }).to('float64');
  half.weight.data.fill(0.5);
  const x = leaf(f64([2], [1, 1]));
  new Residual(half)
    .forward(x as never)
    .sum()
    .backward();
  t.deepEqual([...(x.grad as Tensor<'float64'>).data], [1.5]);
});

test('[M30] a multilayer perceptron is fully connected layers with ReLU between them, two of them with one hidden layer', (t) => {
  const names = (model: AnyModel) => [...model.namedLayers().values()].slice(1).map((layer) => layer.constructor.name);
  t.deepEqual(names(mlp()), ['Flatten', 'Linear', 'ReLU', 'Linear', 'ReLU', 'Linear']);
  const two = mlp({ inputShape: [3072], hidden: [50], classes: 10 });
  t.deepEqual(names(two), ['Flatten', 'Linear', 'ReLU', 'Linear']);
  t.is(weightLayers(two), 2);
  t.is(two.parameterCount(), 3072 * 50 + 50 + 50 * 10 + 10);
});

test('[M14] the recipe of ResNet: batch norm behind each convolution, He, no dropout; momentum, weight decay, a rate that is cut twice', (t) => {
  setSeed(3);
  const model = resnet18();
  const layers = [...model.namedLayers()];
  t.false(layers.some(([, layer]) => layer instanceof Dropout));
  const convolutions = layers.filter(([, layer]) => layer instanceof Conv2d) as unknown as [string, Conv2d][];
  t.is(convolutions.length, 20);
  for (const [path, convolution] of convolutions) {
    t.is(convolution.bias, null, `${path}: the norm has a shift of its own`);
    const [kh, kw, , out] = convolution.weight.shape;
    const wanted = Math.sqrt(2 / (kh * kw * out));
    const square = convolution.weight.data.reduce((sum, w) => sum + w * w, 0) / convolution.weight.size;
    // The standard error of a deviation of n numbers is its size / √(2n): 1 % for the smallest kernel, of 8192.
    t.true(Math.abs(Math.sqrt(square) / wanted - 1) < 0.04, `${path}: ${Math.sqrt(square)} beside He's ${wanted}`);
    const index = layers.findIndex(([at]) => at === path);
    const [, behind] = layers.slice(index + 1).find(([, layer]) => layer instanceof BatchNorm2d || layer instanceof Conv2d) ?? [];
    t.true(behind instanceof BatchNorm2d, `${path} has a norm behind it`);
  }
  for (const name of ['cifar-resnet20', 'cifar-resnet56', 'resnet18']) {
    const { optimizer, lr, weightDecay, schedule } = recipeOf(name);
    t.deepEqual([optimizer, lr, weightDecay], ['momentum', 0.1, 1e-4], name);
    t.true(schedule === 'late' || schedule === 'step', name);
  }
});

/** Top-1 error in percent of torchvision's first weights, one crop of 224: what others measured, beside what is counted here. */
const networks: readonly (readonly [string, () => AnyModel, number])[] = [
  ['AlexNet', alexnet, 43.478],
  ['SqueezeNet 1.1', squeezenet, 41.822],
  ['GoogLeNet', googlenet, 30.222],
  ['VGG-16', vgg16, 28.408],
  ['VGG-19', vgg19, 27.624],
  ['ResNet-18', resnet18, 30.242],
  ['ResNet-34', resnet34, 26.686],
  ['ResNet-50', resnet50, 23.87],
  ['ResNet-101', resnet101, 22.626],
  ['ResNet-152', resnet152, 21.688],
  ['ResNeXt-50, 32×4', resnext50, 22.382],
  ['Wide ResNet-50-2', wideResnet50, 21.532],
  ['DenseNet-121', densenet121, 25.566],
];

test('[M29] the table of networks in the guide is what the library counts, beside their published errors', (t) => {
  const group = (count: number) => String(count).replace(/\B(?=(\d{3})+$)/g, ',');
  const lines = networks.map(([name, make, error]) => {
    const model = make();
    return `| ${name} | ${group(model.parameterCount())} | ${group(multiplyAccumulates(model))} | ${weightLayers(model)} | ${error.toFixed(1)} |`;
  });
  const page = readFileSync(join(root, 'docs/guides/course/architectures.md'), 'utf8');
  const table = page.split('\n').filter((line) => /^\| \w.* \| [\d,]+ \|/.test(line));
  t.deepEqual(table, lines);
});
