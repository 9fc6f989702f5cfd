// Proves lib/models/googlenet.ts: sizes, shapes and training of GoogLeNet in its three forms.

import test from 'ava';
import {
  ArgumentError,
  type AuxiliaryHead,
  CrossEntropyLoss,
  Linear,
  SGD,
  setSeed,
  Tensor,
  TensorDataset,
  googlenet,
  multiplyAccumulates,
} from '../../lib/index.js';
import { f32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';
import { figures, imageModelContract } from '../contracts/image-model.js';

test('[M09] GoogLeNet has 22 weight layers and the sizes of its forms', (t) => {
  const stages = {
    conv1: [112, 112, 64],
    'pools.0': [56, 56, 64],
    conv3: [56, 56, 192],
    'pools.1': [28, 28, 192],
    inception3a: [28, 28, 256],
    inception3b: [28, 28, 480],
    'pools.2': [14, 14, 480],
    inception4a: [14, 14, 512],
    inception4b: [14, 14, 512],
    inception4c: [14, 14, 512],
    inception4d: [14, 14, 528],
    inception4e: [14, 14, 832],
    'pools.3': [7, 7, 832],
    inception5a: [7, 7, 832],
    inception5b: [7, 7, 1024],
    avgpool: [1024],
    fc: [1000],
  };
  figures(t, 'paper', googlenet(), { parameters: 6_998_552, buffers: 0, macs: 1_582_671_872, layers: 22, stages });
  figures(t, 'paper with heads', googlenet({ auxiliary: true }), { parameters: 13_378_280 });
  const torchvision = { form: 'torchvision' } as const;
  const figuresOfTorchvision = { parameters: 6_624_904, buffers: 14_560, macs: 1_498_376_192, layers: 22, stages };
  figures(t, 'torchvision', googlenet(torchvision), figuresOfTorchvision);
  figures(t, 'torchvision with heads', googlenet({ ...torchvision, auxiliary: true }), { parameters: 13_004_888, buffers: 15_072 });
  const corrected = { parameters: 7_005_832, buffers: 14_560, macs: 1_582_671_872 };
  figures(t, 'batch norm, 5×5', googlenet({ form: 'batch-norm' }), corrected);
  figures(t, '10 classes', googlenet({ classes: 10 }), { parameters: 6_998_552 - 990 * 1025 });
  const heads = googlenet({ auxiliary: true });
  t.deepEqual([heads.aux1?.parameterCount(), heads.aux2?.parameterCount()], [3_188_840, 3_190_888]);
  const others = googlenet({ ...torchvision, auxiliary: true });
  t.deepEqual([others.aux1?.parameterCount(), others.aux2?.parameterCount()], [3_188_968, 3_191_016]);
  const withHeads = (model: ReturnType<typeof googlenet>): number =>
    multiplyAccumulates(model) +
    multiplyAccumulates(model.aux1 as AuxiliaryHead, { inputShape: [14, 14, 512] }) +
    multiplyAccumulates(model.aux2 as AuxiliaryHead, { inputShape: [14, 14, 528] });
  t.is(withHeads(heads), 1_591_044_096);
  t.is(multiplyAccumulates(heads, { training: true }), 1_591_044_096);
  t.is(withHeads(others), 1_506_748_416);
});

test('[M10, P41] the main path has one fully connected layer', (t) => {
  t.is([...googlenet().namedLayers().values()].filter((layer) => layer instanceof Linear).length, 1);
});

test('the auxiliary heads give scores, and gradients to what lies before them', (t) => {
  const model = googlenet({ auxiliary: true, width: 8, classes: 5, imageSize: 64 });
  const x = f32(new Seeded(3).uniform(2 * 64 * 64 * 3, -1, 1), [2, 64, 64, 3]);
  const target = Tensor.from(Int32Array.of(1, 4));
  const scores = model.heads(x);
  t.deepEqual(
    scores.map(({ shape }) => [...shape]),
    [
      [2, 5],
      [2, 5],
      [2, 5],
    ],
  );
  const [main, first, second] = scores.map((item) => new CrossEntropyLoss().forward(item, target));
  main.add(first.add(second).mul(0.3)).backward();
  for (const [path, parameter] of model.namedParameters()) t.not(parameter.grad, null, path);
});

test.serial('[M10, P41] fit trains the auxiliary heads with the main one, and reports the loss of the main one', async (t) => {
  const images = f32(new Seeded(3).uniform(4 * 32 * 32 * 3, -1, 1), [4, 32, 32, 3]);
  const labels = Tensor.from(Int32Array.of(1, 4, 0, 2));
  const make = () => {
    setSeed(6);
    const model = googlenet({ auxiliary: true, width: 8, classes: 5, imageSize: 32, dropout: 0, form: 'batch-norm' });
    model.prepare();
    return { model, optimizer: new SGD(model, { lr: 0.1 }) };
  };
  const own = make();
  own.model.train();
  const loss = new CrossEntropyLoss();
  const [main, first, second] = own.model.heads(images).map((scores) => loss.forward(scores, labels));
  main.add(first.mul(0.3)).add(second.mul(0.3)).backward();
  own.optimizer.step();
  const { model, optimizer } = make();
  const history = await model.fit(new TensorDataset(images, labels), { loss, optimizer, shuffle: false, progress: false, log: false });
  t.is(history.epochs[0].loss, main.item());
  const expected = own.model.namedParameters();
  for (const [path, parameter] of model.namedParameters()) identical(t, parameter, expected.get(path) as Tensor, path);
});

test('small GoogLeNets train alike in eager and compiled steps, and come back from files', (t) => {
  imageModelContract(t, () => googlenet({ width: 8, classes: 5, imageSize: 32 }), [32, 32, 3], 5);
  imageModelContract(t, () => googlenet({ form: 'torchvision', width: 8, classes: 5, imageSize: 32 }), [32, 32, 3], 5);
});

test('wrong options are refused', (t) => {
  t.throws(() => googlenet({ form: 'keras' } as never), { instanceOf: ArgumentError });
});
