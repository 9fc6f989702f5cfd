// Stochastic depth and drop-path in compiled steps: what is left out does not run, forward or backward.

import test from 'ava';
import {
  type AnyLayer,
  ArgumentError,
  BatchNorm,
  cifarResnet,
  compileStep,
  crossEntropy,
  fractalnet,
  CrossEntropyLoss,
  Layer,
  Linear,
  Random,
  relu,
  ResidualBlock,
  setSeed,
  SGD,
  type Tensor,
  TensorDataset,
  Model,
  fit,
} from '../../lib/index.js';
import { drawBit } from '../../lib/ops/random.js';
import { gather } from '../../lib/ops/shape.js';
import { choose } from '../../lib/ops/sometimes.js';
import { stepPrograms } from '../../lib/program/step.js';
import { f32, i32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

const steps = 40;
const x = f32(new Seeded(1).uniform(4 * 8 * 8 * 3), [4, 8, 8, 3]);
const y = i32([0, 1, 2, 0]);

function trained(create: () => AnyLayer) {
  setSeed(9);
  const model = create();
  model.prepare();
  const optimizer = new SGD(model, { lr: 0.05, momentum: 0.9 });
  const body = (images: Tensor, labels: Tensor<'int32'>): Tensor => {
    const loss = crossEntropy(model.forward(images) as Tensor, labels);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  };
  return { model, body };
}

/** How often each batch norm has seen a batch: it counts by an instruction of its own, which its block's bit guards. */
function batchesSeen(model: AnyLayer): Map<string, number> {
  const norms = [...model.namedLayers()].filter(([, layer]) => layer instanceof BatchNorm);
  return new Map(norms.map(([path, layer]) => [path, ((layer as BatchNorm).numBatchesTracked as Tensor<'int32'>).data[0]]));
}

const nets: Readonly<Record<string, { create: () => Layer; always: number }>> = {
  // The first convolution and its weight gradient.
  '[M22, F11] stochastic depth': { create: () => cifarResnet({ depth: 14, width: 4, imageSize: 8, dropPath: 0.7 }), always: 2 },
  '[M24] local drop-path': {
    create: () => fractalnet({ columns: 3, widths: [4, 6], imageSize: 8, dropPath: 0.5, globalDropPath: 0 }),
    always: 0,
  },
  '[M24] global drop-path': { create: () => fractalnet({ columns: 3, widths: [4, 6], imageSize: 8, globalDropPath: 1 }), always: 0 },
};

for (const [name, { create, always }] of Object.entries(nets)) {
  test(`${name}: every convolution of a part that may be left out is guarded, and runs in the steps that take the part`, (t) => {
    const [eager, compiled] = [trained(create), trained(create)];
    const step = compileStep(compiled.body);
    const { recording } = stepPrograms(step).find([x, y] as never);
    const convolutions = recording.instructions.filter(({ op }) => op.name.startsWith('conv2d'));
    t.true(convolutions.length > 20);
    const free = convolutions.filter(({ guard }) => guard === undefined);
    t.is(free.length, always, free.map(({ op }) => op.name).join(', '));
    t.true(convolutions.every(({ guard }) => guard === undefined || guard.when === 1));
    for (let i = 0; i < steps; i++) identical(t, step.sync(x, y), eager.body(x, y), `loss of step ${i}`);
    const seen = batchesSeen(compiled.model);
    t.deepEqual(seen, batchesSeen(eager.model), 'batch norms that ran');
    const sometimes = [...seen.values()].filter((count) => count > 0 && count < steps);
    t.true(sometimes.length > seen.size / 2, `${sometimes.length} of ${seen.size} batch norms ran in some steps and not in others`);
  });
}

/** A block that nobody survives: it looks for a row that is not there. */
class Trap extends ResidualBlock {
  readonly downsample = null;
  readonly #rows: Tensor<'int32'> = i32([99]);
  protected residual(input: Tensor): Tensor {
    return gather(input, this.#rows);
  }
}

test('[M22] the instructions of a block that a step skips do not run: one that would fail does not', (t) => {
  const sizes = { inChannels: 3, channels: 3, outChannels: 3 };
  const run = (dropPath: number): Tensor => {
    const trap = new Trap({ ...sizes, dropPath });
    return compileStep((input: Tensor) => trap.forward(input)).sync(x.slice(0, 1));
  };
  identical(t, run(1).data, x.slice(0, 1).data.map((value) => Math.max(0, value)), 'what is left is relu(x)'); // biome-ignore format: one line
  t.throws(() => run(2 ** -30), { message: /gather/ });
});

const images = f32(new Seeded(2).uniform(12 * 8 * 8 * 3), [12, 8, 8, 3]);
const data = new TensorDataset(images, i32([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]));
const quiet = { progress: false, log: false, loss: new CrossEntropyLoss(), epochs: 2, batchSize: 4 } as const;

const trainable: Readonly<Record<string, () => AnyLayer>> = {
  '[M22, F11] stochastic depth': () => cifarResnet({ depth: 8, width: 4, imageSize: 8, dropPath: 0.7 }),
  '[M24] drop-path': () => fractalnet({ columns: 3, widths: [4, 4], imageSize: 8 }),
};

for (const [name, create] of Object.entries(trainable)) {
  test.serial(`${name}: fit trains it, compiled and eagerly to the same bits`, async (t) => {
    const runs: Float32Array[][] = [];
    for (const eager of [false, true]) {
      setSeed(4);
      const model = create();
      await fit(model, data, { ...quiet, optimizer: new SGD(model, { lr: 0.05, momentum: 0.9 }), eager });
      runs.push(model.parameters().map((parameter) => Float32Array.from(parameter.data)));
    }
    for (const [i, values] of runs[0].entries()) identical(t, values, runs[1][i]);
  });
}

test('fit still finds a parameter of a part that may be skipped when the optimizer lacks it, and one that nothing depends on', async (t) => {
  class Sometimes extends Layer {
    readonly inner = new Linear(2, 2);
    readonly forgotten = new Linear(2, 2);
    forward(input: Tensor): Tensor {
      return choose(input, drawBit(new Random(1), 0.5), (z) => relu(this.inner.forward(z)), (z) => z); // biome-ignore format: one line
    }
  }
  class Net extends Model {
    readonly first = new Linear(3, 2);
    readonly middle = new Sometimes();
    readonly last = new Linear(2, 3);
    forward(input: Tensor): Tensor {
      return this.last.forward(this.middle.forward(this.first.forward(input)));
    }
  }
  const rows = new TensorDataset(f32(new Seeded(3).uniform(24), [8, 3]), i32([0, 1, 2, 0, 1, 2, 0, 1]));
  const model = new Net();
  const unused = model.fit(rows, { ...quiet, optimizer: new SGD(model, { lr: 0.1 }) });
  await t.throwsAsync(unused, { instanceOf: ArgumentError, message: /'middle\.forgotten\.weight' gets no gradient/ });
  model.middle.forgotten.freeze();
  const partial = model.fit(rows, { ...quiet, optimizer: new SGD(model.last, { lr: 0.1 }) });
  await t.throwsAsync(partial, { instanceOf: ArgumentError, message: /does not update parameter '(middle\.inner|first)\.(weight|bias)'/ });
});
