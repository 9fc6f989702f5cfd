// Trains every net of fuse.test.ts eagerly, as recorded and fused, and prints digests of all memory that is left, under one environment.

import { createHash } from 'node:crypto';
import type { FloatDType, TypedArray } from '../../lib/dtype.js';
import {
  Adam,
  AdamW,
  clipGradNorm,
  compileStep,
  Conv2d,
  crossEntropy,
  Dropout,
  exp,
  Linear,
  mseLoss,
  Normal,
  type Optimizer,
  Parameter,
  relu,
  ReLU,
  Sequential,
  SGD,
  setSeed,
  Sigmoid,
  sigmoid,
  Tanh,
  Tensor,
  tanh,
} from '../../lib/index.js';
import { linear } from '../../lib/ops/matmul.js';

/** Digests by mode, and the pages that describe() prints. */
export interface Trained {
  digests: Record<Mode | 'eager, special' | 'fused, special', Record<string, string>>;
  pages: Record<'recorded' | 'fused', string>;
}

type Mode = 'eager' | 'recorded' | 'fused';

interface Made {
  parameters: Parameter<FloatDType>[];
  optimizer: Optimizer;
  body: (x: Tensor, y: Tensor<'int32'>) => Tensor | Tensor[];
}

interface Case {
  batch: number;
  features?: number;
  dtype?: FloatDType;
  make: () => Made;
}

const parametersOf = (model: Sequential): Parameter<FloatDType>[] => model.parameters() as Parameter<FloatDType>[];

type Loss = (logits: Tensor, y: Tensor<'int32'>) => Tensor;
const mean: Loss = (logits, y) => crossEntropy(logits, y);

/** A step of a model: forward, loss, backward, update, with the zeroing before or after. */
function training(
  model: Sequential,
  optimizer: Optimizer,
  { loss = mean, zeroFirst = false }: { loss?: Loss; zeroFirst?: boolean } = {},
): Made {
  return {
    parameters: parametersOf(model),
    optimizer,
    body: (x, y) => {
      if (zeroFirst) optimizer.zeroGrad();
      const value = loss(model.forward(x), y);
      value.backward();
      optimizer.step();
      if (!zeroFirst) optimizer.zeroGrad();
      return value;
    },
  };
}

const mlp = (Activation: typeof ReLU | typeof Tanh | typeof Sigmoid): Sequential =>
  new Sequential([new Linear(12, 33), new Activation(), new Linear(33, 20), new Activation(), new Linear(20, 5)]);

const cases: Record<string, Case> = {
  'an MLP with ReLU and Adam': {
    batch: 32,
    make: () => {
      const model = mlp(ReLU);
      return training(model, new Adam(model, { lr: 1e-2 }));
    },
  },
  'an MLP with tanh and SGD, zeros first': {
    batch: 7,
    make: () => {
      const model = mlp(Tanh);
      return training(model, new SGD(model, { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-3 }), { zeroFirst: true });
    },
  },
  'an MLP with sigmoid and AdamW, one example': {
    batch: 1,
    make: () => {
      const model = mlp(Sigmoid);
      return training(model, new AdamW(model, { lr: 1e-2 }));
    },
  },
  'dropout and label smoothing': {
    batch: 31,
    make: () => {
      const model = new Sequential([
        new Linear(12, 40),
        new ReLU(),
        new Dropout(0.3),
        new Linear(40, 24),
        new Tanh(),
        new Dropout(0.5),
        new Linear(24, 5),
      ]);
      return training(model, new Adam(model, { lr: 1e-2 }), { loss: (logits, y) => crossEntropy(logits, y, { labelSmoothing: 0.1 }) });
    },
  },
  'mean squared error': {
    batch: 9,
    make: () => {
      const model = mlp(Tanh);
      const target = Tensor.from(
        Float32Array.from({ length: 45 }, (_, i) => (i % 7) / 7),
        [9, 5],
      );
      return training(model, new SGD(model, { lr: 0.05, momentum: 0.9 }), { loss: (logits) => mseLoss(logits, target) });
    },
  },
  'summed losses of probabilities': {
    batch: 6,
    make: () => {
      const model = mlp(ReLU);
      const target = Tensor.from(
        Float32Array.from({ length: 30 }, (_, i) => (i % 5 === 0 ? 1 : 0)),
        [6, 5],
      );
      return training(model, new SGD(model, { lr: 0.01 }), { loss: (logits) => crossEntropy(logits, target, { reduction: 'sum' }) });
    },
  },
  'float64, and more rows than one block of a column sum': {
    batch: 700,
    dtype: 'float64',
    make: () => {
      const make = (shape: number[]): Parameter<'float64'> => new Parameter(shape, { init: new Normal({ std: 0.3 }), dtype: 'float64' });
      const parameters = [make([12, 17]), make([17]), make([17, 5]), make([5])];
      const [w1, b1, w2, b2] = parameters;
      const optimizer = new Adam(parameters, { lr: 1e-2 });
      return {
        parameters,
        optimizer,
        body: (x, y) => {
          optimizer.zeroGrad();
          const loss = crossEntropy(linear(tanh(linear(x as never as Tensor<'float64'>, w1, b1)), w2, b2), y);
          loss.backward();
          optimizer.step();
          return loss as never as Tensor;
        },
      };
    },
  },
  'gradients clipped by their norm': {
    batch: 8,
    make: () => {
      const model = mlp(Tanh);
      const optimizer = new Adam(model, { lr: 1e-2 });
      return {
        parameters: parametersOf(model),
        optimizer,
        body: (x, y) => {
          const loss = crossEntropy(model.forward(x), y);
          loss.backward();
          const norm = clipGradNorm(model, 0.5);
          optimizer.step();
          optimizer.zeroGrad();
          return [loss, norm as never as Tensor];
        },
      };
    },
  },
  'two micro-batches a step': {
    batch: 8,
    make: () => {
      const model = mlp(ReLU);
      const optimizer = new SGD(model, { lr: 0.1 });
      return {
        parameters: parametersOf(model),
        optimizer,
        body: (x, y) => {
          optimizer.zeroGrad();
          const losses = [x, x.mul(0.5)].map((part) => {
            const loss = crossEntropy(model.forward(part), y).mul(0.5);
            loss.backward();
            return loss;
          });
          optimizer.step();
          return losses;
        },
      };
    },
  },
  'gradients that nobody clears': {
    batch: 5,
    make: () => {
      const model = mlp(Sigmoid);
      const optimizer = new Adam(model, { lr: 1e-3 });
      return {
        parameters: parametersOf(model),
        optimizer,
        body: (x, y) => {
          const loss = crossEntropy(model.forward(x), y);
          loss.backward();
          optimizer.step();
          return loss;
        },
      };
    },
  },
  'a frozen layer between two': {
    batch: 10,
    make: () => {
      const layers = [new Linear(12, 9), new ReLU(), new Linear(9, 11), new ReLU(), new Linear(11, 5)];
      const model = new Sequential(layers);
      model.prepare();
      const optimizer = new SGD(model, { lr: 0.1, momentum: 0.5 });
      layers[2].freeze();
      return training(model, optimizer);
    },
  },
  'a frozen layer and zeros first': {
    batch: 10,
    make: () => {
      const layers = [new Linear(12, 9), new ReLU(), new Linear(9, 11), new ReLU(), new Linear(11, 5)];
      const model = new Sequential(layers);
      model.prepare();
      const optimizer = new Adam(model, { lr: 0.01 });
      layers[2].freeze();
      return training(model, optimizer, { zeroFirst: true });
    },
  },
  'a tied weight, products without bias, and a bias that is added': {
    batch: 11,
    make: () => {
      const w = new Parameter([12, 12], { init: new Normal({ std: 0.3 }) });
      const out = new Parameter([12, 5], { init: new Normal({ std: 0.3 }) });
      const b = new Parameter([12], { init: new Normal({ std: 0.3 }) });
      const optimizer = new Adam([w, out, b], { lr: 1e-2 });
      return {
        parameters: [w, out, b],
        optimizer,
        body: (x, y) => {
          optimizer.zeroGrad();
          const hidden = relu(x.matmul(w).add(b));
          const loss = crossEntropy(sigmoid(hidden.matmul(w).add(b)).matmul(out), y);
          loss.backward();
          optimizer.step();
          return [loss, hidden.sum()];
        },
      };
    },
  },
  'elementwise chains with broadcast rows, columns and numbers': {
    batch: 13,
    make: () => {
      const scale = new Parameter([12], { init: new Normal({ std: 1 }) });
      const shift = new Parameter([1], { init: new Normal({ std: 1 }) });
      const out = new Parameter([12, 5], { init: new Normal({ std: 0.3 }) });
      const optimizer = new SGD([scale, shift, out], { lr: 0.02 });
      return {
        parameters: [scale, shift, out],
        optimizer,
        body: (x, y) => {
          const size = x.abs().mean(1, { keepDims: true });
          const h = tanh(x.mul(scale).add(shift).div(size.add(0.1)).clip(-1.5, 1.5))
            .mul(2)
            .sub(x);
          const loss = crossEntropy(h.matmul(out), y).add(exp(h).mean().mul(0.01));
          loss.backward();
          optimizer.step();
          optimizer.zeroGrad();
          return loss;
        },
      };
    },
  },
  'convolutions with a shortcut': {
    batch: 5,
    features: 60,
    make: () => {
      const [first, second, third] = [new Conv2d(3, 16, 3, { padding: 1 }), new Conv2d(16, 16, 3, { padding: 1 }), new Conv2d(16, 16, 1)];
      const head = new Linear(16 * 20, 5);
      const model = new Sequential([first, second, third, head]);
      const optimizer = new SGD(model, { lr: 0.05, momentum: 0.9 });
      return {
        parameters: parametersOf(model),
        optimizer,
        body: (x, y) => {
          const images = relu(first.forward(x.reshape([5, 5, 4, 3])));
          const inner = tanh(third.forward(relu(second.forward(images))));
          const loss = crossEntropy(head.forward(relu(inner.add(images)).reshape([5, 320])), y);
          loss.backward();
          optimizer.step();
          optimizer.zeroGrad();
          return loss;
        },
      };
    },
  },
};

/** A digest of all bits, with one NaN for all. */
function bits(data: TypedArray): string {
  const copy = data.slice();
  if (copy instanceof Float32Array || copy instanceof Float64Array)
    for (let i = 0; i < copy.length; i++) if (Number.isNaN(copy[i])) copy[i] = Number.NaN;
  return createHash('sha1')
    .update(new Uint8Array(copy.buffer, copy.byteOffset, copy.byteLength))
    .digest('hex')
    .slice(0, 12);
}

function input(one: Case, i: number, special: boolean): [Tensor, Tensor<'int32'>] {
  const features = one.features ?? 12;
  const size = one.batch * features;
  const value = (j: number): number => {
    if (special && j === 0) return [-0, Number.NaN, Number.POSITIVE_INFINITY, 1e30][i % 4];
    return j % 5 === 0 ? -0 : (((j * 37 + i * 11) % 23) / 23 - 0.5) * 2;
  };
  const values = Array.from({ length: size }, (_, j) => value(j));
  const x =
    one.dtype === 'float64'
      ? Tensor.from(Float64Array.from(values), [one.batch, features])
      : Tensor.from(Float32Array.from(values), [one.batch, features]);
  return [x as Tensor, Tensor.from(Int32Array.from({ length: one.batch }, (_, j) => (j * 3 + i) % 5))];
}

function train(one: Case, mode: Mode, special = false): { digest: Record<string, string>; page: string } {
  setSeed(7);
  const { parameters, optimizer, body } = one.make();
  process.env['NODEGRAD_FUSE'] = mode === 'recorded' ? '0' : '';
  const step = compileStep(body);
  const digest: Record<string, string> = {};
  let page = '';
  for (let i = 0; i < 20; i++) {
    const [x, y] = input(one, i, special && i > 15);
    if (i === 3 && mode !== 'eager') page = step.describe(x, y);
    const out = mode === 'eager' ? body(x, y) : step.sync(x, y);
    digest[`results of step ${i}`] = [out]
      .flat()
      .map((tensor) => bits(tensor.data))
      .join();
  }
  for (const [i, parameter] of parameters.entries()) {
    digest[`weights ${i}`] = bits(parameter.data);
    digest[`slab of weights ${i}`] = bits(parameter.place.slab.values);
    digest[`slab of gradients ${i}`] = bits(parameter.place.slab.gradients);
  }
  for (const [name, tensor] of optimizer.stateDict().tensors) digest[`state ${name}`] = bits(tensor.data as TypedArray);
  step.dispose();
  delete process.env['NODEGRAD_FUSE'];
  return { digest, page };
}

const trained: Record<string, Trained> = {};
for (const [name, one] of Object.entries(cases)) {
  const [eager, recorded, fused] = (['eager', 'recorded', 'fused'] as const).map((mode) => train(one, mode));
  const digests = {
    eager: eager.digest,
    recorded: recorded.digest,
    fused: fused.digest,
    'eager, special': train(one, 'eager', true).digest,
    'fused, special': train(one, 'fused', true).digest,
  };
  trained[name] = { digests, pages: { recorded: recorded.page, fused: fused.page } };
}
console.log(JSON.stringify(trained));
