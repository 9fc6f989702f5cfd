// Proves lib/models/pytorch.ts: weights of torchvision's models give torchvision's logits, and a net of one's own its own.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  type AnyLayer,
  type AnyTensor,
  ArgumentError,
  BatchNorm1d,
  Conv2d,
  ConvTranspose2d,
  Flatten,
  type Layer,
  Linear,
  MaxPool2d,
  ReLU,
  Sequential,
  ShapeError,
  type Tensor,
  alexnet,
  densenet121,
  concat,
  decodeOnnx,
  encodeOnnx,
  GoogLeNet,
  googlenet,
  loadPyTorch,
  mlp,
  noGrad,
  readSafetensors,
  resnet18,
  resnet50,
  resnext50,
  savePyTorch,
  squeezenet,
  vgg11,
  Layer as Base,
} from '../../lib/index.js';
import { decodeModel, encodeModel } from '../../lib/onnx/protobuf.js';
import { inFolder } from '../helpers/reports.js';
import { type ModelCase, agreesWith, imagesOf, noiseOf, valueOf, weightsOf } from '../helpers/formula-weights.js';

const file = new URL('../../../test/golden/models.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: Record<string, ModelCase> };

async function agrees(t: ExecutionContext, name: string, model: AnyLayer, inputShape?: readonly number[]): Promise<void> {
  const golden = cases[name];
  const report = await loadPyTorch(model, weightsOf(golden), inputShape === undefined ? {} : { inputShape });
  t.is(report.missing.length + report.unexpected.length, 0, `${name}: every weight has its place`);
  const images = imagesOf(golden);
  const logits = noGrad(() => {
    const net = (model as Layer).eval();
    return net instanceof GoogLeNet ? concat(net.heads(images), 0) : net.forward(images);
  });
  agreesWith(t, name, logits, golden.logits);
}

const own = (): Sequential =>
  new Sequential([
    new Conv2d(3, 6, 3, { stride: 2, padding: 1 }),
    new ReLU(),
    new MaxPool2d(2),
    new Flatten(),
    new BatchNorm1d(54),
    new Linear(54, 10),
    new ReLU(),
    new Linear(10, 7),
  ]);

test("a net of one's own, with Flatten between convolution and Linear, gives PyTorch's logits", async (t) => {
  await agrees(t, 'own', own(), [12, 12, 3]);
});

/** The same net as a class, whose forward brings channels first before it flattens, as those do who come from PyTorch. */
class Turned extends Base {
  readonly layers = own().layers;
  constructor(readonly order: readonly number[]) {
    super();
  }
  override children(): Map<string, AnyLayer> {
    return new Map(this.layers.map((layer, i) => [String(i), layer]));
  }
  forward(x: Tensor): Tensor {
    const [conv, relu, pool, flatten, ...rest] = this.layers;
    const features = flatten.forward((pool.forward(relu.forward(conv.forward(x))) as Tensor).transpose([...this.order]));
    return rest.reduce((y, layer) => layer.forward(y), features);
  }
}

test("a net that brings channels first before it flattens gives PyTorch's logits, and is written as PyTorch has it", async (t) => {
  const model = new Turned([0, 3, 1, 2]);
  await agrees(t, 'own', model, [12, 12, 3]);
  await inFolder(async (folder) => {
    const path = join(folder, 'turned.safetensors');
    await savePyTorch(model, path, { inputShape: [12, 12, 3] });
    const { tensors } = await readSafetensors(path);
    for (const [name, value] of weightsOf(cases.own)) t.deepEqual([...(tensors.get(name) as AnyTensor).data], [...value.data], name);
    await t.throwsAsync(savePyTorch(new Turned([0, 3, 2, 1]), path, { inputShape: [12, 12, 3] }), {
      instanceOf: ArgumentError,
      message: /'4\.\w+' is not known/,
    });
  });
});

test("a graph out of a file of ONNX that another tool wrote has the file's order, and where that is not PyTorch's, this is said", async (t) => {
  const source = weightsOf(cases.own);
  const foreign = async (order: readonly number[]): Promise<Uint8Array> => {
    const net = new Turned(order);
    await loadPyTorch(net, source, { inputShape: [12, 12, 3] });
    const message = await decodeModel(await encodeOnnx(net, { inputShape: [12, 12, 3], layout: 'NCHW' }), 'bytes');
    return encodeModel({ ...message, metadataProps: [] });
  };
  const [isFirst, isLast] = [await foreign([0, 3, 1, 2]), await foreign([0, 1, 2, 3])];
  await inFolder(async (folder) => {
    const path = join(folder, 'graph.safetensors');
    for (const layout of ['NCHW', 'NHWC'] as const) {
      const model = await decodeOnnx(isFirst, { layout });
      await savePyTorch(model, path);
      const { tensors } = await readSafetensors(path);
      for (const name of ['0.weight', '5.weight', '7.weight'])
        t.deepEqual([...(tensors.get(name) as AnyTensor).data], [...(source.get(name) as AnyTensor).data], `${layout} ${name}`);
      await t.throwsAsync(savePyTorch(await decodeOnnx(isLast, { layout }), path), {
        message: /file of ONNX has images with their channels last/,
      });
    }
  });
});

test('a file of PyTorch in the place of one of ours is said to be that, and a head for other classes how to leave it', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'theirs.safetensors');
    await savePyTorch(own(), path, { inputShape: [12, 12, 3] });
    const { tensors } = await readSafetensors(path);
    const kernel = new Map([
      ['weight', tensors.get('0.weight') as AnyTensor],
      ['bias', tensors.get('0.bias') as AnyTensor],
    ]);
    t.throws(() => new Conv2d(3, 6, 3).loadStateDict(kernel), {
      instanceOf: ShapeError,
      message: /PyTorch has it so: loadPyTorch\(model, path\)/,
    });
    await t.throwsAsync(own().load(path), { instanceOf: ArgumentError, message: /written for PyTorch.*loadPyTorch\(model, path\)/ });
    const other = new Linear(10, 3);
    const head = new Map([
      ['weight', tensors.get('7.weight') as AnyTensor],
      ['bias', tensors.get('7.bias') as AnyTensor],
    ]);
    await t.throwsAsync(loadPyTorch(other, head), { message: /received \[7, 10\]\. { otherShapes: 'skip' } leaves/ });
    const gone = await t.throwsAsync(loadPyTorch(new Linear(10, 7), new Map([...head, ['more', tensors.get('7.bias') as AnyTensor]])));
    t.regex(gone?.message ?? '', /does not fit the model: 2 of the 2 values of the model are in it; unexpected more\. In a program, {/);
    await t.throwsAsync(
      loadPyTorch(own(), join(folder, 'none.safetensors')),
      { message: /no such file/ },
      'before the shape of an example is asked for',
    );
  });
});

test('a file that nodegrad wrote for itself is refused, and the model stays as it was', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'own.safetensors');
    const [source, target] = [new Sequential([new Linear(3, 3)]), new Sequential([new Linear(3, 3)])];
    await source.save(path);
    const before = [...target.parameters()[0].data];
    await t.throwsAsync(loadPyTorch(target, path), { instanceOf: ArgumentError, message: /written by nodegrad.*model\.load\(path\)/ });
    t.deepEqual([...target.parameters()[0].data], before);
  });
});

test('the shape of an example is asked for once: savePyTorch and encodeOnnx know what loadPyTorch was told', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'own.safetensors');
    const model = own();
    await t.throwsAsync(encodeOnnx(model), { message: /{ inputShape: \[32, 32, 3\] }/ });
    await loadPyTorch(model, weightsOf(cases.own), { inputShape: [12, 12, 3] });
    await savePyTorch(model, path);
    t.deepEqual(
      [...((await readSafetensors(path)).tensors.get('5.weight') as AnyTensor).data],
      [...(weightsOf(cases.own).get('5.weight') as AnyTensor).data],
    );
    t.deepEqual((await decodeOnnx(await encodeOnnx(model))).inputShape, [12, 12, 3]);
  });
});

test('the shape of an example with its channels first is refused where its order would decide', async (t) => {
  const flat = (): Sequential => new Sequential([new Flatten(), new Linear(192, 2)]);
  await t.throwsAsync(savePyTorch(flat(), 'never.safetensors', { inputShape: [3, 8, 8] }), {
    message: /x\.transpose\(\[0, 2, 3, 1\]\), and give \[8, 8, 3\]/,
  });
});

/** What torch.nn.Unflatten is here: images with their channels last, as a net of nodegrad makes them, or first and then turned, as a port of PyTorch does. */
class Unflatten extends Base {
  constructor(
    readonly image: readonly number[],
    readonly isFirst: boolean,
  ) {
    super();
  }
  forward(x: Tensor): Tensor {
    const [height, width, channels] = this.image;
    return this.isFirst ? x.reshape([-1, channels, height, width]).transpose([0, 2, 3, 1]) : x.reshape([-1, height, width, channels]);
  }
}

const autoencoder = (isFirst: boolean): Sequential =>
  new Sequential(
    [
      ...[
        new Flatten(),
        new Linear(192, 10),
        new ReLU(),
        new Linear(10, 96),
        new BatchNorm1d(96),
        new ReLU(),
        new Unflatten([4, 4, 6], isFirst),
      ],
      ...[new ConvTranspose2d(6, 5, 4, { stride: 2, padding: 1 }), new ReLU(), new Conv2d(5, 3, 3, { padding: 1 })],
    ],
    { inputShape: [8, 8, 3] },
  );

const generator = (isFirst: boolean): Sequential =>
  new Sequential([
    ...[new Linear(5, 54, { bias: false }), new BatchNorm1d(54), new Unflatten([3, 3, 6], isFirst)],
    new ConvTranspose2d(6, 3, 2, { stride: 2 }),
  ]);

test("images that are made of the outputs of a Linear are PyTorch's, and what is written for PyTorch is what came from there", async (t) => {
  for (const isFirst of [false, true]) {
    for (const [name, model] of [
      ['autoencoder', autoencoder(isFirst)],
      ['generator', generator(isFirst)],
    ] as const) {
      const golden = cases[name];
      const source = weightsOf(golden);
      const options = name === 'generator' ? { inputShape: [5] } : {};
      t.deepEqual((await loadPyTorch(model, source, options)).missing, []);
      const x = name === 'generator' ? noiseOf([2, 5]) : imagesOf(golden);
      const images = noGrad(() => model.eval().forward(x));
      agreesWith(t, `${name}, ${isFirst ? 'channels first' : 'channels last'}`, images.transpose([0, 3, 1, 2]), golden.logits);
      await inFolder(async (folder) => {
        const path = join(folder, 'images.safetensors');
        await savePyTorch(model, path);
        const { tensors } = await readSafetensors(path);
        for (const [weight, value] of source) t.deepEqual([...(tensors.get(weight) as AnyTensor).data], [...value.data], `${name} ${weight}`);
      });
      // A file of ONNX holds the steps themselves.
      const again = await decodeOnnx(await encodeOnnx(model));
      agreesWith(t, `${name} in ONNX`, (noGrad(() => again.eval().forward(x as never)) as Tensor).transpose([0, 3, 1, 2]), golden.logits);
    }
  }
  await t.throwsAsync(loadPyTorch(generator(false), weightsOf(cases.generator)), { instanceOf: ArgumentError, message: /options\.inputShape/ });
});

test("AlexNet and VGG give torchvision's logits", async (t) => {
  await agrees(t, 'alexnet', alexnet({ classes: 7, hidden: [16, 16] }));
  await agrees(t, 'vgg11', vgg11({ classes: 7, hidden: [16, 16] }));
  await agrees(t, 'vgg11_bn', vgg11({ classes: 7, hidden: [16, 16], batchNorm: true, imageSize: 64 }));
});

test("ResNet and ResNeXt give torchvision's logits", async (t) => {
  await agrees(t, 'resnet18', resnet18({ classes: 7 }));
  await agrees(t, 'resnet50', resnet50({ classes: 7 }));
  await agrees(t, 'resnext50', resnext50({ classes: 7 }));
});

test("DenseNet, SqueezeNet and GoogLeNet give torchvision's logits", async (t) => {
  await agrees(t, 'densenet121', densenet121({ classes: 7 }));
  await agrees(t, 'squeezenet1_0', squeezenet({ version: '1.0', classes: 7 }));
  await agrees(t, 'squeezenet1_1', squeezenet({ classes: 7 }));
  await agrees(t, 'googlenet', googlenet({ form: 'torchvision', classes: 7 }));
  await agrees(t, 'googlenet_aux', googlenet({ form: 'torchvision', classes: 7, auxiliary: true }));
});

test('what is written for PyTorch has its names and layouts, and comes back', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'own.safetensors');
  const source = weightsOf(cases.own);
  const model = own();
  await loadPyTorch(model, source, { inputShape: [12, 12, 3] });
  await savePyTorch(model, path, { inputShape: [12, 12, 3] });
  const { tensors } = await readSafetensors(path);
  for (const [name, value] of source) t.deepEqual([...(tensors.get(name) as AnyTensor).data], [...value.data], name);
  const again = own();
  await loadPyTorch(again, path, { inputShape: [12, 12, 3] });
  for (const [name, value] of again.stateDict()) t.deepEqual([...value.data], [...(model.stateDict().get(name) as AnyTensor).data], name);
});

test('features of unknown order, wrong shapes and wrong names are refused, and the model stays as it was', async (t) => {
  const source = weightsOf(cases.own);
  await t.throwsAsync(loadPyTorch(own(), source), { instanceOf: ArgumentError, message: /inputShape/ });
  await t.throwsAsync(loadPyTorch(new Sequential(mlp({ inputShape: [4, 4, 3] }).layers), source), {
    instanceOf: ArgumentError,
    message: /inputShape/,
  });
  class Halves extends Base {
    readonly flatten = new Flatten();
    readonly fc = new Linear(24, 2);
    forward(x: Tensor): Tensor {
      return this.fc.forward((this.flatten.forward(x) as Tensor).slice([0, 0], [x.shape[0], 24]));
    }
  }
  await t.throwsAsync(loadPyTorch(new Halves(), source, { inputShape: [4, 4, 3] }), {
    instanceOf: ArgumentError,
    message: /order of the features/,
  });
  const model = own();
  const before = [...model.layers[5].parameters()[0].data];
  const wrong = new Map(source).set('5.weight', valueOf('5.weight', [54, 10]) as unknown as AnyTensor);
  await t.throwsAsync(loadPyTorch(model, wrong, { inputShape: [12, 12, 3] }), { instanceOf: ShapeError, message: /\[10, 54\]/ });
  const less = new Map(source);
  less.delete('7.bias');
  await t.throwsAsync(loadPyTorch(model, less, { inputShape: [12, 12, 3] }), { instanceOf: ArgumentError, message: /7\.bias/ });
  t.deepEqual([...model.layers[5].parameters()[0].data], before);
});

test('counts of batches are written in 64 bits, as PyTorch has them, and real numbers in another element type on request', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'half.safetensors');
    const model = new Sequential([new Linear(2, 3), new BatchNorm1d(3)]);
    await savePyTorch(model, path, { dtype: 'float16' });
    const bytes = readFileSync(path);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE())).toString()) as Record<string, { dtype: string }>;
    t.is(header['1.num_batches_tracked'].dtype, 'I64');
    t.is(header['0.weight'].dtype, 'F16');
    t.deepEqual((await loadPyTorch(model, path)).missing, []);
  });
});
