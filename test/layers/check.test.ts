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
    deadUnits: (model) => lib.deadUnits(model, []),
    Sequential: (model) => new lib.Sequential([model]),
    NamedStack: (model) => new lib.NamedStack({ first: model }),
    SGD: (model) => new lib.SGD(model, { lr: 0.1 }),
    fit: (model) => lib.Layer.prototype.fit.call(model, digits, {} as never),
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
    'a survival of 2': () => new lib.BasicBlock({ ...sizes, survival: 2 }),
    'a shortcut C': () => new lib.BasicBlock({ ...sizes, shortcut: 'C' as never }),
    'a misspelt option': () => new lib.Fire({ inChannels: 4, sqeeze: 2, expand: 3 } as never),
    'a dense layer without growth': () => new lib.DenseLayer({ inChannels: 4 } as never),
    'five filters': () => new lib.Inception({ inChannels: 4, filters: [1, 2, 3, 4, 5] as never }),
    'no kernel': () => new lib.ConvolutionUnit({ inChannels: 4, outChannels: 4 } as never),
    'no classes': () => new lib.AuxiliaryHead({ inChannels: 4, width: 4 } as never),
    'nine columns': () => lib.fractalnet({ columns: 9 }),
    'an image that pooling uses up': () => lib.fractalnet({ inputSize: 16 }),
    'five stages': () => new lib.ResNet({ blocks: [1, 1, 1, 1, 1] }),
    'null for options': () => lib.vgg16(null as never),
    'a depth that the name says': () => lib.vgg16({ depth: 11 } as never),
    'blocks that the name says': () => lib.resnet50({ blocks: [1] } as never),
    'a stem that the name says': () => lib.cifarDensenet({ stem: 'large' } as never),
  };
  for (const [name, build] of Object.entries(wrong)) {
    const error = t.throws(build, { instanceOf: ArgumentError }, name) as NodegradError;
    t.regex(error.message, /^(expected|unknown option) /, name);
  }
});
