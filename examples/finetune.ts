// Fine-tuning: a ResNet-18 that has learned one thing learns another from a hundred images. `node examples/finetune.ts resnet18.safetensors` begins with weights
// of torchvision, saved in Python by `safetensors.torch.save_file(torchvision.models.resnet18(weights='DEFAULT').state_dict(), 'resnet18.safetensors')`. Without a
// file it makes one, from digits 0 to 4; the new task is to tell 5 to 9 apart. Ten seconds. `node examples/finetune.ts - 1`: one epoch of each.

import { existsSync } from 'node:fs';
import { Adam, BatchNorm2d, CrossEntropyLoss, type ResNet, Tensor, TensorDataset, concat, datasets } from 'nodegrad';
import { loadPyTorch, readSafetensors, resnet18, savePyTorch, setSeed } from 'nodegrad';

const [, , given = '-', times = '4'] = process.argv;
const epochs = Number(times);
const loss = new CrossEntropyLoss();
const quiet = { loss, batchSize: 32, log: false, progress: false, sitter: false } as const;

/** Digits from `first` on, in three equal channels as photos have; their labels begin with 0. */
async function digits(first: number, train: number, test: number, seed: number) {
  const drawn = await datasets.digits({ train: 2 * train, test: 2 * test, imageSize: 32, seed }); // half of them are of the five wanted
  const part = ({ inputs, targets, length }: TensorDataset) => {
    const rows = Array.from({ length }, (_, i) => i).filter((i) => targets.data[i] >= first && targets.data[i] < first + 5);
    const grey = inputs.gather(rows);
    return new TensorDataset(concat([grey, grey, grey], -1), Tensor.from(Int32Array.from(rows, (i) => targets.data[i] - first)));
  };
  return { train: part(drawn.train), test: part(drawn.test) };
}

const accuracy = async (model: ResNet, data: TensorDataset): Promise<string> =>
  `${(100 * (await model.evaluate(data, { loss })).metrics.accuracy).toFixed(1)} %`;

let file = given;
if (file === '-') {
  file = 'pretrained.safetensors';
  if (!existsSync(file)) {
    setSeed(1);
    const { train, test } = await digits(0, 1000, 200, 0);
    const model = resnet18({ classes: 5, imageSize: 32 });
    await model.fit(train, { ...quiet, optimizer: new Adam(model, { lr: 1e-3 }), epochs });
    console.log(`pretrained: reads ${await accuracy(model, test)} of the digits 0 to 4`);
    await savePyTorch(model, file);
  }
}

const { train, test } = await digits(5, 100, 300, 7);
console.log(`the new task: 5 to 9, ${train.length} images to learn from`);

setSeed(2);
const fresh = resnet18({ classes: 5, imageSize: 32 });
await fresh.fit(train, { ...quiet, optimizer: new Adam(fresh, { lr: 1e-3 }), epochs: 3 * epochs });
console.log(`from first weights: ${await accuracy(fresh, test)}`);

// All weights but those of the head, which had other classes. Where these are of another number, { otherShapes: 'skip' } leaves the head out by itself, and reads
// the file by its name; here five classes follow on five, and its head would fit.
setSeed(2);
const { tensors } = await readSafetensors(file);
for (const name of ['fc.weight', 'fc.bias']) tensors.delete(name);
const model = resnet18({ classes: 5, imageSize: 32 });
await loadPyTorch(model, tensors, { strict: false });

// First the new head alone.
model.freeze();
model.fc.unfreeze();
await model.fit(train, { ...quiet, optimizer: new Adam(model, { lr: 1e-2 }), epochs: 2 * epochs });
console.log(`new head on frozen weights: ${await accuracy(model, test)}`);

// Then all of it at a small rate, but for batch norm: so few images would spoil its statistics, which are those of all that it has seen before.
model.unfreeze();
for (const [, layer] of model.namedLayers()) if (layer instanceof BatchNorm2d) layer.freeze();
await model.fit(train, { ...quiet, optimizer: new Adam(model, { lr: 3e-4 }), epochs: 3 * epochs });
console.log(`fine-tuned, normalization frozen: ${await accuracy(model, test)}`);
