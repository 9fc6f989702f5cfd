// Proves lib/cli/pretrained.ts as a user meets it: train goes on with weights from elsewhere or of its own, and leaves alone what it is told to.

import test from 'ava';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type AnyModel,
  type ChannelScaler,
  type ResNet,
  Sequential,
  Linear,
  cifarResnet,
  imagenetStatistics,
  load,
  savePyTorch,
  setSeed,
} from '../../lib/index.js';
import { runCommand } from '../helpers/command.js';
import { photographs } from '../helpers/photographs.js';

const words = ['train', '--data', 'photos', '--image-size', '12', '--model', 'cifar-resnet20', '--epochs', '1', '--batch-size', '8'];

/** Paths of what differs between two models. */
function changed(before: AnyModel, after: AnyModel): string[] {
  const state = after.stateDict();
  return [...before.stateDict()].flatMap(([path, value]) => (String(value.toArray()) === String(state.get(path)?.toArray()) ? [] : [path]));
}

/** A network for three classes whose norms have seen something. */
function trained(): ResNet {
  setSeed(5);
  const model = cifarResnet({ depth: 20, imageSize: 12, classes: 3 });
  for (const [path, value] of model.namedBuffers()) if (path.endsWith('runningMean')) (value.data as Float32Array).fill(0.25);
  return model;
}

test('weights of PyTorch get a new head, the scale that they were trained with, and are left alone where --freeze says', async (t) => {
  const folder = await photographs(t);
  const before = trained();
  await savePyTorch(before, join(folder, 'three.safetensors'));
  const head = await runCommand(folder, [...words, '--weights', 'three.safetensors', '--freeze', 'body', '--run-dir', 'head']);
  t.is(head.code, 0, head.error);
  t.regex(head.out, /weights +three\.safetensors: \d+ tensors, 'fc' is new; 130 parameters in training\n/);
  t.regex(head.out, /optimizer +adam, learning rate 0\.001, schedule linear, batches of 8/);
  const saved = (await load(join(folder, 'head/model.safetensors'))) as ResNet;
  t.deepEqual(changed(before, saved), ['fc.weight', 'fc.bias']);
  t.true(saved.layer1.frozen && !saved.fc.frozen, 'the file says what is frozen');
  t.deepEqual((saved.preprocessing as ChannelScaler).given, imagenetStatistics);
  const asked = await runCommand(folder, ['predict', 'head/model.safetensors', 'photos/red/3.jpg']);
  t.regex(asked.out, /photos\/red\/3\.jpg,(red|green),0\.\d+\n/, asked.error);

  const wider = await runCommand(folder, [
    ...words,
    '--weights',
    'head/model.safetensors',
    '--freeze',
    'conv1,layer1,norms',
    '--run-dir',
    'all',
  ]);
  t.is(wider.code, 0, wider.error);
  t.regex(wider.out, /weights +head\/model\.safetensors: \d+ tensors; [\d,]+ parameters in training\n(.*\n)*.*learning rate 0\.0001/);
  const after = await load(join(folder, 'all/model.safetensors'));
  const moved = changed(saved, after);
  t.true(moved.includes('layer2.0.conv1.weight') && moved.includes('fc.weight'));
  t.deepEqual(
    moved.filter((path) => /^conv1|^layer1|running|bn\d/.test(path)),
    [],
  );
  t.deepEqual((after.preprocessing as ChannelScaler).given, imagenetStatistics, 'the scale goes on');
});

test('without --model the weights say which it is, and where another one is named the message does', async (t) => {
  const folder = await photographs(t, 3);
  await savePyTorch(trained(), join(folder, 'three.safetensors'));
  const own = trained();
  own.classNames = ['a', 'b', 'c'];
  await own.save(join(folder, 'own.safetensors'));
  const bare = words.filter((word) => word !== '--model' && word !== 'cifar-resnet20');
  for (const file of ['three.safetensors', 'own.safetensors']) {
    const { code, out, error } = await runCommand(folder, [...bare, '--weights', file, '--freeze', 'body', '--run-dir', file.slice(0, 3)]);
    t.is(code, 0, error);
    t.regex(out, /model +cifar-resnet20: .*\n.*'fc' is new/);
    const other = await runCommand(folder, [...bare, '--weights', file, '--model', 'cifar-resnet32']);
    t.regex(other.error, /does not fit --model cifar-resnet32: .*missing.*\. It holds a cifar-resnet20: --model cifar-resnet20 \[/);
    t.notRegex(other.error, /strict/);
  }
  await new Sequential([new Linear(3, 2)]).save(join(folder, 'other.safetensors'));
  const unknown = await runCommand(folder, [...bare, '--weights', 'other.safetensors']);
  t.regex(unknown.error, /which model the weights of other\.safetensors are for is not known: say it with --model <name>/);
});

test('a layer that --freeze misspells is named before anything is decoded', async (t) => {
  const folder = await photographs(t, 2);
  await savePyTorch(trained(), join(folder, 'three.safetensors'));
  writeFileSync(join(folder, 'photos', 'red', '0.jpg'), 'damaged');
  const { error } = await runCommand(folder, [...words, '--weights', 'three.safetensors', '--freeze', 'stem']);
  t.regex(error, /--freeze stem: the model has no such layer/);
});

test('weights that do not fit are refused before anything is trained, with what would', async (t) => {
  const folder = await photographs(t, 3);
  await savePyTorch(trained(), join(folder, 'three.safetensors'));
  await savePyTorch(cifarResnet({ depth: 20, imageSize: 12, channels: 1 }), join(folder, 'grey.safetensors'));
  await new Sequential([new Linear(3, 2)]).save(join(folder, 'other.safetensors'));
  writeFileSync(join(folder, 'resnet.pth'), Buffer.from('PK\u0003\u0004 archive/data.pkl'));
  for (const [given, message] of [
    [['--freeze', 'body'], /--freeze keeps layers as they are, and needs trained ones: --weights <file>/],
    [['--weights', 'three.safetensors', '--freeze', 'stem'], /--freeze stem: the model has no such layer, but conv1, bn1, layer1/],
    [['--weights', 'grey.safetensors'], /"conv1\.weight" of grey\.safetensors has another shape than that of --model cifar-resnet20/],
    [['--weights', 'other.safetensors'], /missing.*conv1\.weight/],
    [['--weights', 'three.safetensors', '--model', 'cifar-resnet32'], /missing.*layer1\.3/],
    [['--weights', 'resnet.pth'], /resnet\.pth.*save_file/],
    [['--weights', 'gone.safetensors'], /gone\.safetensors/],
  ] as const) {
    const { code, error } = await runCommand(folder, [...words, ...given]);
    t.is(code, 1, given.join(' '));
    t.regex(error, message);
  }
});
