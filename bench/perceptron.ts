// nodegrad's multilayer perceptron in each way to train it: eager calls, a compiled step (awaited or not), whole epochs.

import {
  Adam,
  CrossEntropyLoss,
  compileStep,
  crossEntropy,
  DataLoader,
  Linear,
  type Optimizer,
  ReLU,
  Sequential,
  SGD,
  Tensor,
  TensorDataset,
} from '../lib/index.js';
import { allocateShared } from '../lib/native.js';
import { readFloats, readIntegers, readParameters } from './data.js';
import type { Work } from './protocol.js';
import type { EpochWork, MlpWork } from './types.js';

type Timed = Pick<Work, 'check' | 'run'>;
type Step = (x: Tensor, y: Tensor<'int32'>) => { loss: Tensor };

/** A perceptron with ReLU between its layers, its weights yet to be drawn. */
export function perceptron(layers: readonly number[]): Sequential {
  const modules: (Linear | ReLU)[] = [];
  for (let index = 0; index + 1 < layers.length; index++) {
    if (index > 0) modules.push(new ReLU());
    modules.push(new Linear(layers[index], layers[index + 1]));
  }
  return new Sequential(modules);
}

/** The step that all of its users write: forward, loss, backward, update. */
export function trainingStep(model: Sequential, optimizer: Optimizer): Step {
  return (x, y) => {
    const loss = crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return { loss };
  };
}

function prepared({ layers, optimizer: { kind, lr } }: MlpWork | EpochWork, folder: string): { model: Sequential; optimizer: Optimizer } {
  const model = perceptron(layers);
  const optimizer: Optimizer = kind === 'adam' ? new Adam(model, { lr }) : new SGD(model, { lr });
  readParameters(folder, model.parameters());
  return { model, optimizer };
}

/**
 * Steps one by one over the batches in turn, of which the first `checks` losses are compared. Variants: `eager`; `sync` and `await` replay a
 * compiled step, on this thread or on the driver's.
 */
export function stepping(
  body: Step,
  x: readonly Tensor[],
  y: readonly Tensor<'int32'>[],
  checks: number,
  variant: string,
  precision: 'float32' | 'bfloat16' = 'float32',
): Timed {
  const compiled = compileStep(body, { precision });
  let position = 0;
  const next = (): number => {
    const at = position;
    position = (position + 1) % x.length;
    return at;
  };
  if (variant === 'await') {
    const run = async (steps: number): Promise<number> => {
      let loss: Tensor | undefined;
      for (let index = 0; index < steps; index++) {
        const at = next();
        ({ loss } = await compiled(x[at], y[at]));
      }
      return loss?.item() ?? Number.NaN;
    };
    return {
      async check() {
        const losses: number[] = [];
        for (let index = 0; index < checks; index++) losses.push(await run(1));
        return losses;
      },
      async run(steps) {
        await run(steps);
      },
    };
  }
  const step = variant === 'sync' ? compiled.sync : body;
  const run = (steps: number): number => {
    let loss: Tensor | undefined;
    for (let index = 0; index < steps; index++) {
      const at = next();
      ({ loss } = step(x[at], y[at]));
    }
    return loss?.item() ?? Number.NaN;
  };
  return {
    check: () => Array.from({ length: checks }, () => run(1)),
    run(steps) {
      run(steps);
    },
  };
}

/** The perceptron's steps. */
export function mlp(work: MlpWork, folder: string, variant: string): Timed {
  const { layers, batch, batches } = work;
  const { model, optimizer } = prepared(work, folder);
  const inputs = readFloats(folder, 'inputs.bin');
  const targets = readIntegers(folder, 'targets.bin');
  const size = batch * layers[0];
  const x = Array.from({ length: batches }, (_, index) => Tensor.from(inputs.subarray(index * size, (index + 1) * size), [batch, layers[0]]));
  const y = Array.from({ length: batches }, (_, index) => Tensor.from(targets.subarray(index * batch, (index + 1) * batch), [batch]));
  return stepping(trainingStep(model, optimizer), x, y, 20, variant, work.precision);
}

/** A data set in shared memory, as nodegrad's own data sets are: batches are gathered by native code, from where the examples lie. */
export function sharedDataset(inputs: Float32Array, targets: Int32Array): TensorDataset {
  const [x, y] = [allocateShared(inputs.length, 'float32'), allocateShared(targets.length, 'int32')];
  x.set(inputs);
  y.set(targets);
  return new TensorDataset(Tensor.from(x, [targets.length, inputs.length / targets.length]), Tensor.from(y, [targets.length]));
}

/** Whole epochs in the order of the data; each gives the mean of its losses. Variants: `fit`, `observed` (fit that observes every tenth step), `many`. */
export function epochs(work: EpochWork, folder: string, variant: string): Timed {
  const { model, optimizer } = prepared(work, folder);
  const data = sharedDataset(readFloats(folder, 'inputs.bin'), readIntegers(folder, 'targets.bin'));
  const loss = new CrossEntropyLoss();
  const loader = new DataLoader(data, { batchSize: work.batch });
  const step = compileStep(trainingStep(model, optimizer));
  const callbacks = variant === 'observed' ? [{ onObserve: () => {} }] : [];
  const options = { loss, optimizer, batchSize: work.batch, shuffle: false, metrics: [], callbacks, progress: false, log: false } as const;
  const one = async (): Promise<number> => {
    if (variant !== 'many') return (await model.fit(data, options)).epochs[0].loss;
    const results = await step.many(loader);
    return results.reduce((sum, result) => sum + result.loss.item(), 0) / results.length;
  };
  return {
    check: async () => [await one()],
    async run(count) {
      for (let index = 0; index < count; index++) await one();
    },
  };
}
