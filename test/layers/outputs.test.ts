// Proves lib/layers/outputs.ts: a model of one's own with an auxiliary output trains it with fit.

import test from 'ava';
import {
  ArgumentError,
  CrossEntropyLoss,
  type HasTrainingOutputs,
  Linear,
  multiplyAccumulates,
  type ScoredOutput,
  SGD,
  setSeed,
  type Tensor,
  TensorDataset,
  Model,
  fit,
} from '../../lib/index.js';
import { trainingOutputsOf } from '../../lib/layers/outputs.js';
import { f32, i32 } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

class TwoHeads extends Model implements HasTrainingOutputs {
  readonly body = new Linear(3, 4);
  readonly first = new Linear(4, 3);
  readonly second = new Linear(4, 3);
  constructor(readonly factors: readonly [number, number]) {
    super();
  }
  forward(x: Tensor): Tensor {
    return this.first.forward(this.body.forward(x));
  }
  trainingOutputs(x: Tensor): ScoredOutput[] {
    const inner = this.body.forward(x);
    return [this.first, this.second].map((head, i) => [head.forward(inner), this.factors[i]]);
  }
}

class Forgetful extends TwoHeads {
  override trainingOutputs(x: Tensor): ScoredOutput[] {
    return [[this.forward(x), 1]];
  }
}

const [images, labels] = [f32(new Seeded(1).uniform(24, -1, 1), [8, 3]), i32([0, 1, 2, 0, 1, 2, 0, 1])];
const data = new TensorDataset(images, labels);
const quiet = { loss: new CrossEntropyLoss(), progress: false, log: false, shuffle: false } as const;

for (const eager of [false, true]) {
  test.serial(`fit minimizes the sum of all outputs' losses by their factors${eager ? ', eagerly too' : ''}`, async (t) => {
    setSeed(3);
    const model = new TwoHeads([2, 0.5]);
    model.prepare();
    const before = [...model.namedParameters()].map(([path, parameter]) => [path, Float32Array.from(parameter.data)] as const);
    const [main, second] = model.trainingOutputs(images).map(([scores]) => quiet.loss.forward(scores, labels));
    main.mul(2).add(second.mul(0.5)).backward();
    const gradients = [...model.namedParameters().values()].map(({ grad }) => Float32Array.from((grad as Tensor).data));
    const history = await model.fit(data, { ...quiet, optimizer: new SGD(model, { lr: 1 }), eager });
    t.is(history.epochs[0].loss, main.item(), 'the loss of the prediction alone is reported');
    const after = [...model.namedParameters().values()];
    for (const [i, [path, start]] of before.entries()) {
      close(t, after[i].data, start.map((value, at) => value - gradients[i][at]), { absolute: 1e-6 }, path); // biome-ignore format: one line
    }
  });
}

test('what training alone needs counts in training alone, and a model without such outputs scores its forward pass', (t) => {
  const model = new TwoHeads([1, 1]);
  t.is(multiplyAccumulates(model, { inputShape: [3] }), 24);
  t.is(multiplyAccumulates(model, { inputShape: [3], training: true }), 36);
  const alone = new Linear(3, 2);
  const [[output, factor], ...others] = trainingOutputsOf(alone as never, images);
  identical(t, output as Tensor, alone.forward(images));
  t.deepEqual([factor, others.length], [1, 0]);
});

test('an output that nothing scores is found, and the error says where it could be scored', async (t) => {
  const model = new Forgetful([1, 1]);
  await t.throwsAsync(fit(model, data, { ...quiet, optimizer: new SGD(model, { lr: 1 }) }), {
    instanceOf: ArgumentError,
    message: /'second\.weight' gets no gradient.*trainingOutputs\(\)/,
  });
});
