// How many epochs the same small net takes to a training error of 25 %, with ReLU, with tanh and with sigmoid, which takes long: `node
// examples/relu-and-tanh.ts`. Krizhevsky et al. 2012 found six times as many for tanh as for ReLU, on CIFAR-10 with a larger net. [A14]
// `node examples/relu-and-tanh.ts 2000 30` takes 2000 images, and at most 30 epochs. It looks for CIFAR-10 in $NODEGRAD_DATA/cifar10 alone.

import { Conv2d, CrossEntropyLoss, type EpochRecord, Flatten, type Layer, Linear, MaxPool2d, type TrainingRun } from 'nodegrad';
import { ReLU, SGD, Sequential, Sigmoid, Tanh, datasets, setSeed, subset } from 'nodegrad';

const [images, most] = [Number(process.argv[2] ?? 50_000), Number(process.argv[3] ?? 60)];
const { train } = await datasets.cifar10();
// Evenly from the whole set: files may hold one class after the other.
const data = subset(
  train,
  Array.from({ length: images }, (_, i) => Math.floor((i * train.length) / images)),
);

/** Three convolutions and two linear layers; first weights suit the activation behind them. */
function net(activation: () => Layer): Sequential {
  const stage = (from: number, to: number) => [new Conv2d(from, to, 3, { padding: 'same' }), activation(), new MaxPool2d(2)];
  return new Sequential([
    ...stage(3, 32),
    ...stage(32, 64),
    ...stage(64, 64),
    new Flatten(),
    new Linear(1024, 128),
    activation(),
    new Linear(128, 10),
  ]);
}

/** The first epoch whose training error is 25 % at most. */
async function epochsOf(name: string, activation: () => Layer): Promise<number> {
  setSeed(1);
  const model = net(activation);
  const watch = {
    onEpochEnd: ({ epoch, loss, metrics }: EpochRecord, run: TrainingRun) => {
      console.log(`${name}, epoch ${epoch}: loss ${loss.toFixed(3)}, accuracy ${metrics.accuracy.toFixed(3)}`);
      if (metrics.accuracy >= 0.75) run.stop('the training error is 25 %');
    },
  };
  const optimizer = new SGD(model, { lr: 0.02, momentum: 0.9 });
  const loss = new CrossEntropyLoss();
  const history = await model.fit(data, { loss, optimizer, epochs: most, batchSize: 128, callbacks: [watch], progress: false, log: false });
  return history.stopped === null ? Number.POSITIVE_INFINITY : history.epochs.length;
}

const relu = await epochsOf('relu', () => new ReLU());
const tanh = await epochsOf('tanh', () => new Tanh());
const sigmoid = await epochsOf('sigmoid', () => new Sigmoid());
console.log(
  `epochs to a training error of 25 %: ReLU ${relu}, tanh ${tanh}, sigmoid ${sigmoid}; tanh takes ${(tanh / relu).toFixed(1)} times as many as ReLU`,
);
