// Trains a small net in bfloat16 and prints the SHA-256 of its weights: arguments are the net (mlp, resnet, pooled, lstm or gru) and the precision.
import { createHash } from 'node:crypto';
import {
  type AnyLayer,
  Adam,
  AdaptiveAvgPool2d,
  AvgPool2d,
  Conv2d,
  Dropout,
  Flatten,
  GELU,
  GRU,
  GroupNorm,
  LSTM,
  LayerNorm,
  Linear,
  SGD,
  Sequential,
  Tanh,
  type StepPrecision,
  Tensor,
  cifarResnet,
  compileStep,
  crossEntropy,
  info,
  setSeed,
} from '../../lib/index.js';
import { Seeded } from '../helpers/seeded.js';

const [net, precision] = process.argv.slice(2) as [keyof typeof nets, StepPrecision];

const nets = {
  mlp: {
    shape: [40],
    make: () => new Sequential([new Flatten(), new Linear(40, 70), new Tanh(), new Dropout(0.2), new Linear(70, 10)]),
    steps: 40,
  },
  resnet: { shape: [16, 16, 3], make: () => cifarResnet({ depth: 8 }), steps: 3 },
  pooled: {
    shape: [13, 11, 3],
    make: () =>
      new Sequential([
        new Conv2d(3, 24, 3, { padding: 1 }),
        new GroupNorm(4, 24),
        new GELU(),
        new AvgPool2d(2),
        new Conv2d(24, 40, 3, { groups: 2 }),
        new GELU(),
        new AdaptiveAvgPool2d([2, 1]),
        new Flatten(),
        new LayerNorm(80),
        new Linear(80, 10),
      ]),
    steps: 8,
  },
  gru: { shape: [12, 20], make: () => new Sequential([new GRU(20, 24, { returns: 'last' }), new Linear(24, 10)]), steps: 12 },
  lstm: { shape: [12, 20], make: () => new Sequential([new LSTM(20, 24, { returns: 'last' }), new Linear(24, 10)]), steps: 12 },
};

setSeed(5);
const { shape, make, steps } = nets[net];
const model = make() as AnyLayer;
const optimizers = [new Adam(model, { lr: 0.002 }), new SGD(model, { lr: 0.01, momentum: 0.9 })];
const all = optimizers.map((optimizer) =>
  compileStep(
    (x: Tensor, y: Tensor<'int32'>) => {
      const loss = crossEntropy(model.forward(x) as Tensor, y);
      loss.backward();
      optimizer.step();
      optimizer.zeroGrad();
      return loss;
    },
    { precision },
  ),
);
const random = new Seeded(17);
const batch = 13;
const size = shape.reduce((a, b) => a * b, 1);
let loss = 0;
for (let step = 0; step < steps; step++) {
  const x = Tensor.from(Float32Array.from(random.uniform(batch * size, -1, 1)), [batch, ...shape]) as Tensor;
  const y = Tensor.from(Int32Array.from({ length: batch }, () => random.integer(10))) as unknown as Tensor<'int32'>;
  loss = all[step % 5 < 4 ? 0 : 1].sync(x, y).item();
}
const hash = createHash('sha256');
for (const [path, value] of model.stateDict()) hash.update(path).update(new Uint8Array(Float32Array.from(value.data).buffer));
const { isa, numThreads: threads } = info();
console.log(JSON.stringify({ hash: hash.digest('hex'), loss, isa, threads }));
