// What is no model is refused, and so are sizes and options that no block or network has.
import test from 'ava';
import * as lib from '../../lib/index.js';
import { ArgumentError, type NodegradError } from '../../lib/index.js';

const { zeros } = lib;

test('whatever takes a model says so when it gets something else', async (t) => {
  const digits = new lib.TensorDataset(zeros([2, 3]), zeros([2], { dtype: 'int32' }));
  const takers: Record<string, (model: never) => unknown> = {
    multiplyAccumulates: (model) => lib.multiplyAccumulates(model),
    weightLayers: (model) => lib.weightLayers(model),
    loadPyTorch: (model) => lib.loadPyTorch(model, new Map()),
    savePyTorch: (model) => lib.savePyTorch(model, 'nowhere.safetensors'),
    saveKeras: (model) => lib.saveKeras(model, 'nowhere.weights.h5'),
    deadUnits: (model) => lib.deadUnits(model, []),
    Sequential: (model) => new lib.Sequential([model]),
    NamedStack: (model) => new lib.NamedStack({ first: model }),
    SGD: (model) => new lib.SGD(model, { lr: 0.1 }),
    fit: (model) => lib.fit(model, digits, {} as never),
    evaluate: (model) => lib.evaluate(model, digits, {} as never),
    predict: (model) => lib.predict(model, zeros([2, 3])),
  };
  for (const [name, take] of Object.entries(takers)) {
    for (const wrong of [undefined, null, 3, 'model', {}, digits, () => 1]) {
      await t.throwsAsync(async () => take(wrong as never), { instanceOf: ArgumentError }, `${name}(${String(wrong)})`);
    }
  }
  t.throws(() => lib.weightLayers(digits as never), { message: 'expected a Layer for `model`, received a TensorDataset' });
});

test('blocks and networks refuse options that are missing, unknown or out of range, and those that make them what they are', (t) => {
  const sizes = { inChannels: 4, channels: 4, outChannels: 4 };
  const wrong: Record<string, () => unknown> = {
    'without options': () => new lib.BasicBlock(undefined as never),
    'a bottleneck without channels': () => new lib.Bottleneck({ inChannels: 4 } as never),
    'a stride of a half': () => new lib.PreActBlock({ ...sizes, stride: 0.5 }),
    'a dropPath of 2': () => new lib.BasicBlock({ ...sizes, dropPath: 2 }),
    'a shortcut C': () => new lib.BasicBlock({ ...sizes, shortcut: 'C' as never }),
    'a misspelt option': () => new lib.Fire({ inChannels: 4, sqeeze: 2, expand: 3 } as never),
    'a dense layer without growthRate': () => new lib.DenseLayer({ inChannels: 4 } as never),
    'five filters': () => new lib.Inception({ inChannels: 4, filters: [1, 2, 3, 4, 5] as never }),
    'no kernel': () => new lib.ConvolutionUnit({ inChannels: 4, outChannels: 4 } as never),
    'no classes': () => new lib.AuxiliaryHead({ inChannels: 4, width: 4 } as never),
    'nine columns': () => lib.fractalnet({ columns: 9 }),
    'an image that pooling uses up': () => lib.fractalnet({ imageSize: 16 }),
    'five stages': () => new lib.ResNet({ blocks: [1, 1, 1, 1, 1] }),
    'null for options': () => lib.vgg16(null as never),
    'a depth that the name says': () => lib.vgg16({ depth: 11 } as never),
    'blocks that the name says': () => lib.resnet50({ blocks: [1] } as never),
    'a stem that the name says': () => lib.cifarDensenet({ stem: 'large' } as never),
    'groups of a basic block': () => new lib.BasicBlock({ ...sizes, groups: 4 } as never),
    'dropout of a bottleneck': () => new lib.Bottleneck({ ...sizes, dropout: 0.5 } as never),
    'dropPath of a pre-activation block': () => new lib.PreActBlock({ ...sizes, dropPath: 0.5 } as never),
    'groups of basic blocks': () => new lib.ResNet({ block: 'basic', groups: 32 }),
    'where bottlenecks step, of a net without': () => lib.resnet18({ strideIn: '1x1' } as never),
    'a step nowhere': () => new lib.Bottleneck({ ...sizes, strideIn: '5x5' as never }),
    'groups of the one-column form': () => lib.alexnet({ grouped: false }),
    'a VGG without depth': () => new lib.Vgg(undefined as never),
    'a shortcut A to fewer channels': () => new lib.BasicBlock({ ...sizes, inChannels: 12, shortcut: 'A' }),
    'no channels between dense blocks': () => new lib.DenseNet({ compression: 0 }),
    'half a bottleneck': () => new lib.DenseLayer({ inChannels: 4, growthRate: 4, bottleneck: 0.5 }),
    'classes of the LeNet of 1998': () => lib.lenet5({ form: '1998', classes: 5 }),
    'a layer named 2': () => new lib.NamedStack({ first: new lib.ReLU(), 2: new lib.ReLU() }),
    'a layer named a.b': () => new lib.NamedStack({ 'a.b': new lib.ReLU() }),
    'a misspelt option of Sequential': () => new lib.Sequential([], { shape: [1] } as never),
  };
  for (const [name, build] of Object.entries(wrong)) {
    const error = t.throws(build, { instanceOf: ArgumentError }, name) as NodegradError;
    t.regex(error.message, /^(expected|unknown option) /, name);
  }
  t.throws(() => new lib.Sequential([], { inputShape: [-1] }), { instanceOf: lib.ShapeError, message: /options\.inputShape/ });
  t.throws(() => new lib.ZeroPadShortcut(4, 1).forward(zeros([1, 2, 2, 12])), { instanceOf: lib.ShapeError, message: /at most 4 channels/ });
});

test('networks refuse images that their poolings use up when they are built, and take those that leave one pixel', (t) => {
  const least: Record<string, [number, (imageSize: number) => lib.AnyLayer]> = {
    alexnet: [63, (imageSize) => lib.alexnet({ imageSize })],
    'alexnet of 2012': [67, (imageSize) => lib.alexnet({ imageSize, form: '2012' })],
    vgg: [32, (imageSize) => lib.vgg11({ imageSize })],
    googlenet: [31, (imageSize) => lib.googlenet({ imageSize, auxiliary: true })],
    'googlenet of torchvision': [15, (imageSize) => lib.googlenet({ imageSize, form: 'torchvision' })],
    'squeezenet 1.0': [21, (imageSize) => lib.squeezenet({ imageSize, version: '1.0' })],
    'squeezenet 1.1': [17, (imageSize) => lib.squeezenet({ imageSize })],
    densenet: [29, (imageSize) => lib.densenet121({ imageSize })],
    'densenet of small images': [4, (imageSize) => lib.cifarDensenet({ imageSize, depth: 10 })],
    fractalnet: [32, (imageSize) => lib.fractalnet({ imageSize })],
    networkInNetwork: [4, (imageSize) => lib.networkInNetwork({ imageSize })],
  };
  for (const [name, [size, build]] of Object.entries(least)) {
    t.true(lib.multiplyAccumulates(build(size), { training: true }) > 0, name);
    t.throws(() => build(size - 1), { instanceOf: ArgumentError, message: new RegExp(`of at least ${size} .*imageSize`) }, name);
  }
});

test('AlexNet and VGG take images of other sizes than they were built for', (t) => {
  t.deepEqual([...lib.vgg11({ width: 4, hidden: [8, 8], classes: 3, imageSize: 32 }).forward(zeros([1, 64, 64, 3])).shape], [1, 3]);
  const costs = (model: lib.AnyModel, side: number): string => model.summary({ inputShape: [side, side, 3] });
  t.regex(costs(lib.vgg11(), 256), /avgpool +AdaptiveAvgPool2d +\[N, 7, 7, 512\]/);
  t.regex(costs(lib.alexnet(), 256), /avgpool +AdaptiveAvgPool2d +\[N, 6, 6, 256\]/);
});

test('models that are stacks know the shape of their images, also when they come back from a file', (t) => {
  const macs: [lib.Sequential, number][] = [
    [lib.lenet5(), 416_520],
    [lib.lenet5({ form: '1998', imageSize: 32 }), 0],
    [lib.networkInNetwork(), 222_486_528],
    [lib.cifarVgg(), 0],
    [lib.smallConvNet(), 0],
    [lib.mlp({ hidden: [128] }), 784 * 128 + 1280],
  ];
  for (const [model, count] of macs) {
    const counted = lib.multiplyAccumulates(model);
    t.true(counted > 0 && (count === 0 || count === counted), String(counted));
    const again = lib.fromBytes(model.toBytes()) as lib.Sequential;
    t.deepEqual(again.inputShape, model.inputShape);
    t.regex(model.summary(), /multiply-accumulates/);
  }
  t.is(new lib.Sequential([new lib.ReLU()]).inputShape, null);
});

test('a field that is a long array of holes is passed over at once', (t) => {
  class Holes extends lib.Layer {
    readonly scale = new lib.Parameter([2], { init: new lib.Zeros() });
    readonly holes = Object.assign([], { length: 2 ** 32 - 1, 7: new lib.Linear(2, 2) });
    override forward(x: lib.Tensor): lib.Tensor {
      return x;
    }
  }
  t.deepEqual([...new Holes().namedParameters().keys()], ['scale', 'holes.7.weight', 'holes.7.bias']);
});
