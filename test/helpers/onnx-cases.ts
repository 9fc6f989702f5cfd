// Models with an ONNX form: one for every kind of layer and every ready network, with the inputs that they are compared on.
import * as lib from '../../lib/index.js';
import { activations } from './activations.js';

const { Model, Sequential, Tensor } = lib;

/** A model, and what it is exported and asked with. */
export interface OnnxCase {
  readonly name: string;
  /** In evaluation mode, with values that hide nothing. */
  readonly make: () => lib.AnyLayer;
  /** A tensor, or tensors by name for a model that takes several. */
  readonly input: lib.AnyTensor | Readonly<Record<string, lib.AnyTensor>>;
  readonly options?: lib.OnnxExportOptions;
  /** A ready network: it is compared with onnxruntime alone where it is large. */
  readonly isLarge?: boolean;
}

const size = (shape: readonly number[]): number => shape.reduce((product, dimension) => product * dimension, 1);

/** Numbers around 0 that do not repeat. */
export const wave = (...shape: number[]): lib.Tensor =>
  Tensor.from(
    Float32Array.from({ length: size(shape) }, (_, i) => Math.sin(i * 12.9898 + 3) * 1.3),
    shape,
  );

const indices = (count: number, ...shape: number[]): lib.Tensor<'int32'> =>
  Tensor.from(
    Int32Array.from({ length: size(shape) }, (_, i) => (i * 7919) % count),
    shape,
  );

/** Gives running statistics, and γ and β, values that no mistake leaves unseen. */
function stirred(model: lib.AnyLayer): lib.AnyLayer {
  for (const [path, item] of model.namedState()) {
    const { data } = item as lib.Tensor;
    if (path.endsWith('runningVar')) for (let i = 0; i < data.length; i++) data[i] = 1 + 0.5 * Math.sin(i);
    if (path.endsWith('runningMean')) for (let i = 0; i < data.length; i++) data[i] = 0.3 * Math.cos(i);
    if (path.endsWith('bias') && item.dtype === 'float32') for (let i = 0; i < data.length; i++) data[i] = 0.2 * Math.cos(3 * i);
  }
  model.eval();
  return model;
}

const seeded =
  (make: () => lib.AnyLayer): OnnxCase['make'] =>
  () => {
    lib.setSeed(7);
    return stirred(make());
  };

const images = wave(2, 9, 8, 6);
const sequences = wave(2, 9, 6);
const rows = wave(4, 7);
const words = wave(3, 6, 5);

/** A recurrent layer in a model that takes lengths. */
class Reader extends Model<{ x: lib.Tensor; lengths: lib.Tensor<'int32'> }, lib.Tensor> {
  constructor(readonly inner: lib.LSTM | lib.GRU | lib.RNN) {
    super();
  }
  forward({ x, lengths }: { x: lib.Tensor; lengths: lib.Tensor<'int32'> }): lib.Tensor {
    return this.inner.forward(x, { lengths });
  }
}

/** All outputs and last states. */
class States extends Model<lib.Tensor, { output: lib.Tensor; h: lib.Tensor; c: lib.Tensor }> {
  readonly inner = new lib.LSTM(5, 4);
  forward(x: lib.Tensor): { output: lib.Tensor; h: lib.Tensor; c: lib.Tensor } {
    const { output, state } = this.inner.run(x);
    const [h, c] = this.inner.run(x, { state }).state;
    return { output, h: h.reshape([-1, 4]), c: c.reshape([-1, 4]) };
  }
}

class Attending extends Model<{ x: lib.Tensor; mask: lib.Tensor<'uint8'> }, lib.Tensor> {
  constructor(readonly causal: boolean) {
    super();
  }
  forward({ x, mask }: { x: lib.Tensor; mask: lib.Tensor<'uint8'> }): lib.Tensor {
    return lib.attention(x, x, x, { heads: 2, causal: this.causal, mask });
  }
}

/** What a forward of somebody's own may do with tensors. */
class Own extends Model {
  readonly scale = new lib.Parameter([7], { init: new lib.Constant(0.7) });
  forward(x: lib.Tensor): lib.Tensor {
    const centred = x.sub(x.mean(1, { keepDims: true })).div(x.std(1, { keepDims: true }));
    const clipped = lib.where(centred.less(0.1), centred.mul(this.scale), centred.pow(2)).clip(-1, 1.5);
    const halves = [clipped.slice([0, 0], [x.shape[0], 3]), clipped.slice([0, 4])];
    const joined = lib.concat([...halves, lib.ones([x.shape[0], 1])], 1);
    const largest = joined.maximum(joined.mul(0.3)).max(1, { keepDims: true });
    const chosen = lib.pick(joined, x.argmax(1).to('float32').minimum(5).to('int32')).reshape([-1, 1]);
    const both = [joined.add(largest), lib.log(joined.sub(chosen).abs().add(1))];
    return lib.stack(both, 1).transpose([0, 2, 1]) as lib.Tensor;
  }
}

const layer = (name: string, make: () => lib.AnyLayer, input: lib.AnyTensor, options: lib.OnnxExportOptions = {}): OnnxCase => ({
  name,
  make: seeded(make),
  input,
  options: { inputShape: input.shape.slice(1), ...options },
});

const named = (options: object): string => (Object.keys(options).length === 0 ? '' : ` ${JSON.stringify(options)}`);

function* each<O extends object>(
  name: string,
  list: readonly O[],
  make: (options: O) => lib.AnyLayer,
  input: lib.AnyTensor,
): Iterable<OnnxCase> {
  for (const options of list) yield layer(`${name}${named(options)}`, () => make(options), input);
}

function* activationLayers(): Iterable<OnnxCase> {
  for (const [name, row] of Object.entries(activations)) yield layer(name, row.layer, rows);
  yield* each('ELU', [{ alpha: 0.5 }], (o) => new lib.ELU(o), rows);
  yield* each('Swish', [{ beta: 2, scale: 2 }], (o) => new lib.Swish(o), rows);
  yield* each('Softplus', [{ beta: 3 }], (o) => new lib.Softplus(o), rows);
  yield layer('PReLU', () => new lib.PReLU(), rows);
  yield layer('Maxout', () => new lib.Maxout(7, 5, { pieces: 3 }), rows);
  yield layer('PReLU behind a convolution', () => new Sequential([new lib.Conv2d(6, 4, 3), new lib.PReLU({ channels: 4 })]), images);
}

function* imageLayers(): Iterable<OnnxCase> {
  const convolutions = [
    {},
    { stride: 2 },
    { stride: 3 },
    { padding: 'same' as const },
    { padding: 'same' as const, stride: 2 },
    { dilation: 2 },
    { groups: 2 },
    { groups: 6 },
    { padding: [[1, 2], [0, 1]] as const },
    { bias: false },
  ]; // biome-ignore format: a line each
  yield* each('Conv2d', convolutions, (o) => new lib.Conv2d(6, 12, 3, o), images);
  const transposed = [{}, { stride: 2 }, { padding: 1, stride: 2, outputPadding: 1 }, { dilation: 2 }, { groups: 2 }, { bias: false }];
  yield* each('ConvTranspose2d', transposed, (o) => new lib.ConvTranspose2d(6, 4, 3, o), images);
  const pools = [{}, { stride: 1 }, { padding: 1 }, { ceilMode: true }];
  yield* each(
    'Conv1d',
    [{}, { padding: 'same', groups: 3 }, { padding: [2, 0], stride: 2 }] as lib.Conv1dOptions[],
    (o) => new lib.Conv1d(6, 12, 3, o),
    sequences,
  );
  yield* each('MaxPool1d', [{}, { stride: 1, padding: 1 }], (o) => new lib.MaxPool1d(3, o), sequences);
  yield* each('AvgPool1d', [{}, { stride: 1, padding: 1, countIncludePad: false }], (o) => new lib.AvgPool1d(3, o), sequences);
  yield* each('MaxPool2d', [...pools, { dilation: 2, stride: 1 }], (o) => new lib.MaxPool2d(3, o), images);
  const means = [{ ceilMode: true, padding: 1, stride: 2 }, { padding: 1, countIncludePad: false }, { divisorOverride: 5 }];
  yield* each('AvgPool2d', [...pools, ...means], (o) => new lib.AvgPool2d(3, o), images);
  for (const out of [1, [3, 4], [2, 3], [4, 5]] as const) {
    yield layer(`AdaptiveAvgPool2d ${out}`, () => new lib.AdaptiveAvgPool2d(out), images);
    yield layer(`AdaptiveMaxPool2d ${out}`, () => new lib.AdaptiveMaxPool2d(out), images);
  }
  yield layer('GlobalAvgPool2d', () => new lib.GlobalAvgPool2d(), images);
  yield layer('GlobalMaxPool2d', () => new lib.GlobalMaxPool2d(), images);
  yield layer('FractionalMaxPool2d', () => new lib.FractionalMaxPool2d([5, 4]), images);
  for (const mode of ['constant', 'reflect', 'replicate'] as const) {
    yield layer(`Pad2d ${mode}`, () => new lib.Pad2d([[1, 2], [0, 3]], mode === 'constant' ? { value: 2 } : { mode }), images); // biome-ignore format: one line
  }
  const sizes = [
    { scaleFactor: 2 },
    { scaleFactor: 2, mode: 'bilinear' as const },
    { outputSize: [13, 5] as const, mode: 'bilinear' as const },
  ];
  yield* each('Upsample2d', sizes, (o) => new lib.Upsample2d(o), images);
  yield layer('Upsample2d to a size', () => new lib.Upsample2d({ outputSize: [13, 5] }), images);
  for (const count of [5, 4]) yield layer(`LocalResponseNorm ${count}`, () => new lib.LocalResponseNorm(count), images);
  yield layer('Flatten', () => new Sequential([new lib.Conv2d(6, 4, 3), new lib.Flatten(), new lib.Linear(168, 3)]), images);
  yield layer('Concat', () => new lib.Concat([new lib.Conv2d(6, 3, 3), new lib.Conv2d(6, 2, 3)]), images);
  yield layer('images in the order of PyTorch', () => new Sequential([new lib.Conv2d(6, 4, 3), new lib.ReLU()]), images);
}

function* otherLayers(): Iterable<OnnxCase> {
  yield layer('Linear', () => new lib.Linear(7, 3), rows);
  yield layer('Linear without a bias', () => new lib.Linear(7, 3, { bias: false }), rows);
  yield layer('Linear of sequences', () => new lib.Linear(5, 3), words);
  yield layer('Linear of sequences without a bias', () => new lib.Linear(5, 3, { bias: false }), words);
  for (const type of [lib.Dropout, lib.AlphaDropout]) yield layer(type.name, () => new type(0.5), rows);
  yield layer('GaussianNoise', () => new lib.GaussianNoise(0.5), rows);
  yield layer('Identity', () => new lib.Identity(), rows);
  yield layer('Exp', () => new lib.Exp(), rows);
  yield layer('BatchNorm1d', () => new lib.BatchNorm1d(7), rows);
  yield layer('BatchNorm1d of sequences', () => new lib.BatchNorm1d(5), words);
  yield* each('BatchNorm2d', [{}, { affine: false }], (o) => new lib.BatchNorm2d(6, o), images);
  yield layer('LayerNorm', () => new lib.LayerNorm(5), words);
  yield layer('LayerNorm of images', () => new lib.LayerNorm(6), images);
  yield layer('GroupNorm', () => new lib.GroupNorm(3, 6), images);
  yield layer('InstanceNorm2d', () => new lib.InstanceNorm2d(6), images);
  yield layer('RMSNorm', () => new lib.RMSNorm(5), words);
  yield layer('Residual', () => new lib.Residual(new lib.Linear(7, 7)), rows);
  yield layer('Embedding', () => new lib.Embedding(11, 4), indices(11, 3, 5));
  yield layer('Embedding with padding', () => new lib.Embedding(11, 4, { paddingIndex: 0 }), indices(11, 3, 5));
  yield layer('a forward of its own', () => new Own(), rows);
}

function* sequenceLayers(): Iterable<OnnxCase> {
  const common = [{}, { layers: 2, bidirectional: true }, { bias: false }, { returns: 'last' as const, bidirectional: true }];
  yield* each('RNN', [...common, { activation: 'relu' as const }], (o) => new lib.RNN(5, 4, o), words);
  yield* each('LSTM', [...common, { projection: 3, layers: 2, bidirectional: true }], (o) => new lib.LSTM(5, 4, o), words);
  yield* each('GRU', [...common, { resetAfter: false }], (o) => new lib.GRU(5, 4, o), words);
  const lengths = Tensor.from(Int32Array.of(6, 2, 4));
  for (const type of [lib.RNN, lib.LSTM, lib.GRU]) {
    for (const returns of ['all', 'last'] as const) {
      yield {
        name: `${type.name} with lengths, ${returns}`,
        make: seeded(() => new Reader(new type(5, 4, { layers: 2, bidirectional: true, returns }))),
        input: { x: words, lengths },
        options: { example: { x: words, lengths } },
      };
    }
  }
  yield layer('LSTM with its states', () => new States(), words);
  yield layer('MultiHeadAttention', () => new lib.MultiHeadAttention(8, 2), wave(2, 5, 8));
  yield layer('TransformerBlock', () => new lib.TransformerBlock(8, 2, { causal: true }), wave(2, 5, 8));
  yield layer('TransformerBlock with its norms last', () => new lib.TransformerBlock(8, 2, { normFirst: false }), wave(2, 5, 8));
  yield layer('PositionalEncoding', () => new lib.PositionalEncoding(8), wave(2, 5, 8));
  yield layer('PositionalEmbedding', () => new lib.PositionalEmbedding(10, 8), wave(2, 5, 8));
  const mask = Tensor.from(Uint8Array.of(1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0), [3, 5]);
  for (const causal of [false, true]) {
    const input = { x: wave(3, 5, 8), mask };
    yield {
      name: `attention with a mask${causal ? ', causal' : ''}`,
      make: seeded(() => new Attending(causal)),
      input,
      options: { example: input },
    };
  }
  yield layer('characterTransformer', () => lib.characterTransformer({ characters: 30, context: 16, features: 16 }), indices(30, 3, 12));
}

function* networks(): Iterable<OnnxCase> {
  yield layer('mlp', () => lib.mlp({ hidden: [32] }), wave(3, 28, 28, 1));
  yield layer('lenet5', () => lib.lenet5(), wave(3, 28, 28, 1), { softmax: true });
  yield layer('smallConvNet', () => lib.smallConvNet(), wave(3, 28, 28, 1), { layout: 'NCHW' });
  const cifar = wave(2, 32, 32, 3);
  yield layer('cifarResnet', () => lib.cifarResnet(), cifar);
  const large = {
    cifarDensenet: () => lib.cifarDensenet(),
    cifarVgg: () => lib.cifarVgg(),
    squeezenet: () => lib.squeezenet({ imageSize: 64 }),
    resnet18: () => lib.resnet18({ imageSize: 64 }),
    googlenet: () => lib.googlenet({ imageSize: 96 }),
    alexnet: () => lib.alexnet(),
    fractalnet: () => lib.fractalnet(),
  };
  for (const [name, make] of Object.entries(large)) {
    const shape = (make() as unknown as { inputShape: readonly number[] }).inputShape;
    yield { ...layer(name, make, wave(2, ...shape)), isLarge: true };
  }
}

/** All cases, those of ready networks last. */
export function* onnxCases(): Iterable<OnnxCase> {
  yield* activationLayers();
  yield* otherLayers();
  yield* imageLayers();
  yield* sequenceLayers();
  yield* networks();
}

/** A model whose sizes stay free, and inputs of several sizes. */
export interface FreeCase {
  readonly name: string;
  readonly make: () => lib.AnyLayer;
  readonly options: lib.OnnxExportOptions;
  readonly inputs: readonly (lib.AnyTensor | Readonly<Record<string, lib.AnyTensor>>)[];
}

/** Cross-attention: who asks and what is looked into have lengths of their own. */
class Crossing extends Model<{ x: lib.Tensor; context: lib.Tensor; mask: lib.Tensor<'uint8'> }, lib.Tensor> {
  readonly attention = new lib.MultiHeadAttention(8, 2);
  forward(input: { x: lib.Tensor; context: lib.Tensor; mask: lib.Tensor<'uint8'> }): lib.Tensor {
    return this.attention.forward(input);
  }
}

/** What a forward of somebody's own may do with a length. */
class OwnLengths extends Model {
  readonly places = new lib.PositionalEncoding(4);
  forward(x: lib.Tensor): lib.Tensor {
    const [count, time] = x.shape;
    const centred = x.sub(x.mean(1, { keepDims: true })).div(x.std(1, { keepDims: true }).add(1));
    const shifted = lib.concat([lib.zeros([count, 1, 4]), centred.slice([0, 0], [count, time - 1])], 1);
    const places = Tensor.from(Float32Array.from({ length: time }, (_, i) => i / 7)).reshape([1, time, 1]);
    const pairs = this.places
      .forward(shifted)
      .mul(places)
      .reshape([count, time * 2, 2]);
    return lib.stack([pairs.sum(1), pairs.max(1)], 1) as lib.Tensor;
  }
}

/** Down by convolutions with a stride and up again, joined with what was there. */
class Unet extends Model {
  readonly down = new lib.Conv2d(3, 4, 3, { padding: 'same', stride: 2 });
  readonly deep = new lib.Conv2d(4, 6, 3, { padding: 1, stride: 2 });
  readonly up = new lib.Upsample2d({ scaleFactor: 2, mode: 'bilinear' });
  readonly wider = new lib.ConvTranspose2d(10, 3, 2, { stride: 2 });
  forward(x: lib.Tensor): lib.Tensor {
    const once = lib.relu(this.down.forward(x));
    const twice = this.up.forward(lib.relu(this.deep.forward(once)));
    return lib.concat([x, this.wider.forward(lib.concat([once, twice], 3))], 3);
  }
}

/** Models of free lengths and sizes: `options` has one size, and inputs have others, too. */
export function* freeCases(): Iterable<FreeCase> {
  const free = (name: string, make: () => lib.AnyLayer, options: lib.OnnxExportOptions, ...inputs: FreeCase['inputs']): FreeCase => ({
    name: `${name}, free`,
    make: seeded(make),
    options,
    inputs,
  });
  const time: lib.OnnxExportOptions = { dynamicAxes: ['time'] };
  const sequences = [wave(2, 9, 5), wave(3, 2, 5), wave(1, 40, 5)];
  for (const type of [lib.LSTM, lib.GRU, lib.RNN]) {
    const classifier = () => new Sequential([new type(5, 4, { layers: 2, bidirectional: true, returns: 'last' }), new lib.Linear(8, 3)]);
    yield free(`${type.name} classifier`, classifier, { ...time, inputShape: [12, 5] }, ...sequences);
    const read = (count: number, length: number) => ({
      x: wave(count, length, 5),
      lengths: Tensor.from(Int32Array.from({ length: count }, (_, i) => Math.max(1, length - 2 * i))),
    });
    const reader = () => new Reader(new type(5, 4, { bidirectional: true, returns: 'all' }));
    yield free(`${type.name} with lengths`, reader, { ...time, example: read(2, 6) }, read(2, 6), read(3, 2), read(1, 31));
  }
  const block = (causal: boolean) => () => new Sequential([new lib.PositionalEncoding(8), new lib.TransformerBlock(8, 2, { causal })]);
  for (const causal of [false, true]) {
    const inputs = [wave(2, 5, 8), wave(1, 1, 8), wave(3, 33, 8)];
    yield free(`TransformerBlock${causal ? ', causal' : ''}`, block(causal), { ...time, inputShape: [20, 8] }, ...inputs);
  }
  const masked = (count: number, length: number) => ({
    x: wave(count, length, 8),
    mask: Tensor.from(
      Uint8Array.from({ length: count * length }, (_, i) => Number(i % length <= 2 + Math.floor(i / length))),
      [count, length],
    ),
  });
  yield free('attention with a mask', () => new Attending(true), { ...time, example: masked(2, 6) }, masked(2, 6), masked(3, 11), masked(1, 1));
  const crossing = (count: number, asked: number, length: number) => ({ context: masked(count, length).x, mask: masked(count, length).mask, x: wave(count, asked, 8) }); // biome-ignore format: one line
  yield free(
    'cross-attention',
    () => new Crossing(),
    { dynamicAxes: { x: { 1: 'asked' }, context: { 1: 'length' }, mask: { 1: 'length' } }, example: crossing(2, 7, 6) },
    crossing(2, 7, 6), crossing(1, 2, 9), crossing(3, 12, 3),
  ); // biome-ignore format: a line of inputs
  const small = { context: 16, features: 16, heads: 2, layers: 2 };
  const texts = [indices(30, 2, 16), indices(30, 1, 1), indices(30, 3, 7)];
  yield free('gpt2', () => lib.gpt2({ tokens: 30, ...small }), time, ...texts);
  yield free('characterTransformer', () => lib.characterTransformer({ characters: 30, ...small }), time, ...texts);
  const own = () => new OwnLengths();
  yield free('lengths in a forward of its own', own, { ...time, inputShape: [10, 4] }, wave(2, 10, 4), wave(1, 3, 4), wave(3, 50, 4));

  const area: lib.OnnxExportOptions = { dynamicAxes: ['height', 'width'] };
  const pictures = [wave(2, 32, 32, 3), wave(1, 40, 24, 3), wave(1, 17, 51, 3)];
  yield free('cifarResnet', () => lib.cifarResnet({ depth: 8 }), area, ...pictures);
  const nchw = { ...area, layout: 'NCHW' as const };
  yield free('cifarResnet as in PyTorch', () => lib.cifarResnet({ depth: 8 }), nchw, ...pictures);
  const fully = () =>
    new Sequential(
      [
        new lib.Conv2d(3, 6, 3, { padding: 'same', stride: 2 }),
        new lib.GroupNorm(2, 6),
        new lib.MaxPool2d(3, { stride: 2, ceilMode: true }),
        new lib.Pad2d(1, { mode: 'reflect' }),
        new lib.Conv2d(6, 4, 3),
        new lib.AvgPool2d(2, { stride: 2, ceilMode: true }),
        new lib.LocalResponseNorm(4),
        new lib.LayerNorm(4),
        new lib.GlobalMaxPool2d(),
        new lib.Linear(4, 2),
      ],
      { inputShape: [32, 32, 3] },
    );
  yield free('fully convolutional', fully, area, ...pictures);
  yield free('height alone', fully, { dynamicAxes: ['height'] }, wave(2, 32, 32, 3), wave(1, 45, 32, 3), wave(2, 19, 32, 3));
  const segments = [wave(2, 32, 32, 3), wave(1, 24, 40, 3), wave(1, 8, 12, 3)];
  yield free('a network that goes down and up', () => new Unet(), { ...area, inputShape: [32, 32, 3] }, ...segments);
  const larger = () => new Sequential([new lib.Upsample2d({ scaleFactor: 3 }), new lib.Upsample2d({ scaleFactor: 2, mode: 'bilinear', alignCorners: true }), new lib.Pad2d([[1, 2], [0, 3]], { mode: 'replicate' }), new lib.InstanceNorm2d(3)]); // biome-ignore format: one line
  yield free('other sizes', larger, { ...area, inputShape: [8, 8, 3] }, wave(2, 8, 8, 3), wave(1, 5, 9, 3), wave(1, 2, 3, 3));
}
