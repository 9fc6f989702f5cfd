// What a user's own code takes from outside (numbers, tensors, counts) has its value of now in fit, evaluate and predict, or is refused.

import test from 'ava';
import { buildModel, modelNames } from '../../lib/cli/models.js';
import * as nodegrad from '../../lib/index.js';
import {
  type AnyTensor,
  Callback,
  Dropout,
  type FitOptions,
  Layer,
  Linear,
  Loss,
  MSELoss,
  Metric,
  Optimizer,
  SGD,
  Sequential,
  type Tensor,
  TensorDataset,
  dropout,
  ones,
  setSeed,
  tensor,
  zeros,
  fit,
} from '../../lib/index.js';
import { isBuiltIn } from '../../lib/names.js';
import { UnrecordableError } from '../../lib/recording.js';

const data = new TensorDataset(ones([8, 1]), zeros([8, 1]));
const quiet = { progress: false, log: false } as const;

class Mean extends Loss {
  forward(prediction: Tensor): Tensor {
    return prediction.mean();
  }
}

function line(): Linear {
  const model = new Linear(1, 1, { bias: false });
  model.weight.data[0] = 1;
  return model;
}

type Run = (more: Partial<FitOptions> & Pick<FitOptions, 'eager'>) => Promise<number>;

/** Eager and compiled training end with the same bits, and with `expected` within the rounding of a few float32 additions. */
async function agree(t: { is(a: number, b: number): void; true(a: boolean): void }, expected: number, run: Run): Promise<void> {
  const [eager, compiled] = [await run({ eager: true }), await run({})];
  t.is(compiled, eager);
  t.true(Math.abs(eager - expected) < 1e-6);
}

class Weighted extends Loss {
  beta = 1;
  forward(prediction: Tensor): Tensor {
    return prediction.mean().mul(this.beta);
  }
}

test('a number of an own loss that a callback changes after each epoch has its new value in fit', (t) =>
  agree(t, 1 - 0.1 * (1 + 2 + 4 + 8), async (more) => {
    const [model, loss] = [line(), new Weighted()];
    const callbacks = [{ onEpochEnd: () => void (loss.beta *= 2) }];
    await fit(model, data, { loss, optimizer: new SGD(model, { lr: 0.1 }), batchSize: 8, epochs: 4, callbacks, ...quiet, ...more });
    return model.weight.item();
  }));

test('a number that onBatchEnd changes has its new value in the next batch', (t) =>
  agree(t, 1 - 0.1 * (1 + 2 + 3 + 4), async (more) => {
    const [model, loss] = [line(), new Weighted()];
    const callbacks = [{ onBatchEnd: () => void (loss.beta += 1) }];
    await fit(model, data, { loss, optimizer: new SGD(model, { lr: 0.1 }), batchSize: 2, callbacks, ...quiet, ...more });
    return model.weight.item();
  }));

test('a number in a closure, with no callback at all, has its value of the beginning of each epoch', (t) =>
  agree(t, 1 - 0.1 * (1 + 1 + 3 + 3), async (more) => {
    const model = line();
    let epochs = 0;
    let beta = 1;
    class Closed extends Loss {
      forward(prediction: Tensor): Tensor {
        return prediction.mean().mul(beta);
      }
    }
    class Own extends Metric {
      readonly name = 'own';
      update(): void {}
      result(): number {
        return 0;
      }
      reset(): void {
        epochs += 1;
        if (epochs > 2) beta = 3;
      }
    }
    const optimizer = new SGD(model, { lr: 0.1 });
    await fit(model, data, { loss: new Closed(), optimizer, metrics: [new Own()], batchSize: 8, epochs: 4, ...quiet, ...more });
    return model.weight.item();
  }));

test('values of a plain tensor that a callback changes through data are read in the next epoch', (t) =>
  agree(t, 1 - 0.1 * (1 + 2 + 4 + 8), async (more) => {
    const [model, beta] = [line(), tensor([1])];
    class ByTensor extends Loss {
      forward(prediction: Tensor): Tensor {
        return prediction.mean().mul(beta).sum();
      }
    }
    const callbacks = [{ onEpochEnd: () => void (beta.data[0] *= 2) }];
    const optimizer = new SGD(model, { lr: 0.1 });
    await fit(model, data, { loss: new ByTensor(), optimizer, batchSize: 8, epochs: 4, callbacks, ...quiet, ...more });
    return model.weight.item();
  }));

class Temperature extends Layer {
  t = 1;
  forward(x: Tensor): Tensor {
    return this.t > 3 ? x.mul(-this.t) : x.mul(this.t);
  }
}

test('a field of an own layer that a callback sets, and a branch on it, are those of now, in observed steps, too', (t) =>
  agree(t, 1 - 0.1 * (1 + 2 + 3 - 4), async (more) => {
    const [inner, layer] = [line(), new Temperature()];
    const model = new Sequential([inner, layer]);
    const callbacks = [{ onEpochBegin: (run: { epoch: number }) => void (layer.t = run.epoch), onObserve() {} }];
    const optimizer = new SGD(model, { lr: 0.1 });
    await model.fit(data, { loss: new Mean(), optimizer, batchSize: 8, epochs: 4, callbacks, ...quiet, ...more });
    return inner.weight.item();
  }));

test('a field of a built-in layer that a callback sets is that of now', async (t) => {
  const run = async (eager: boolean): Promise<number[]> => {
    setSeed(3);
    const layer = new Dropout(0.5);
    const model = new Sequential([new Linear(1, 8), layer, new Linear(8, 1)]);
    const callbacks = [{ onEpochEnd: () => void ((layer as { p: number }).p = 0.1) }];
    const optimizer = new SGD(model, { lr: 0.1 });
    await model.fit(data, { loss: new MSELoss(), optimizer, batchSize: 4, epochs: 3, callbacks, eager, ...quiet });
    return model.parameters().flatMap((parameter) => [...parameter.data]);
  };
  t.deepEqual(await run(false), await run(true));
});

// ---- what changes from call to call ----

let drawn = 1;

/** Draws numbers by JavaScript, of which nobody hears. */
class Noise extends Layer {
  forward(x: Tensor): Tensor {
    drawn = (drawn * 16807) % 2147483647;
    return x.add(drawn / 2147483647);
  }
}

class Counting extends Layer {
  calls = 0;
  forward(x: Tensor): Tensor {
    this.calls += 1;
    return this.calls > 1000 ? x.mul(0) : x;
  }
}

test('numbers drawn by JavaScript, and counts of calls, are refused by fit with the way out, and trained with eagerly', async (t) => {
  for (const [layer, words] of [
    [new Noise(), /Math\.random\(\).*Buffer.*fit\(\{ eager: true \}\)/],
    [new Counting(), /`calls` of layer '1'.*fit\(\{ eager: true \}\)/],
  ] as const) {
    const model = new Sequential([line(), layer]);
    const options = { loss: new Mean(), optimizer: new SGD(model, { lr: 0.1 }), batchSize: 4, ...quiet };
    const before = [...model.parameters()[0].data];
    const error = await t.throwsAsync(model.fit(data, options), { instanceOf: UnrecordableError });
    t.regex(error.message, words);
    t.deepEqual([...model.parameters()[0].data], before);
    await t.notThrowsAsync(model.fit(data, { ...options, eager: true }));
  }
});

test('what an own layer keeps at first use, and masks drawn from its stream, are no such thing', async (t) => {
  class Lazy extends Layer {
    readonly masks = this.stream('masks');
    width = 0;
    half: Tensor | null = null;
    forward(x: Tensor): Tensor {
      this.width = x.shape[1];
      this.half ??= tensor([0.5]);
      return dropout(x, 0.5, { random: this.masks }).mul(this.half);
    }
  }
  const run = async (eager: boolean): Promise<number> => {
    setSeed(5);
    const inner = line();
    const model = new Sequential([inner, new Lazy()]);
    await model.fit(data, { loss: new Mean(), optimizer: new SGD(model, { lr: 0.1 }), batchSize: 3, epochs: 3, eager, ...quiet });
    return inner.weight.item();
  };
  t.is(await run(false), await run(true));
});

test('predict and evaluate of a layer that draws numbers by JavaScript draw them for every batch', async (t) => {
  const model = new Sequential([line(), new Noise()]);
  const rows = await model.predict(ones([2048, 1]), { batchSize: 256 });
  t.is(new Set(rows.data).size, 8);
  const seen = new Set<number>();
  class Spread extends Metric {
    readonly name = 'spread';
    update(prediction: AnyTensor): void {
      seen.add(prediction.data[0]);
    }
    result(): number {
      return seen.size;
    }
    reset(): void {}
  }
  await model.evaluate(new TensorDataset(ones([2048, 1]), zeros([2048, 1])), { loss: new Mean(), metrics: [new Spread()] });
  t.is(seen.size, 8);
});

// ---- what it costs ----

/** How often a built-in layer's forward runs in a fit of 3 epochs. */
async function calls(more: Partial<FitOptions>): Promise<number> {
  const model = line();
  let count = 0;
  const { prototype } = Linear;
  const { forward } = prototype;
  prototype.forward = function (x) {
    count += 1;
    return forward.call(this, x) as typeof x;
  };
  try {
    await fit(model, data, {
      loss: new MSELoss(),
      optimizer: new SGD(model, { lr: 0 }),
      batchSize: 8,
      epochs: 3,
      sitter: false,
      ...quiet,
      ...more,
    });
  } finally {
    prototype.forward = forward;
  }
  return count;
}

test.serial('nothing is recorded again where everything is of nodegrad, and once an epoch beside a callback of a user', async (t) => {
  const once = await calls({});
  t.is(await calls({ epochs: 9 }), once);
  t.is(await calls({ callbacks: [{ onEpochEnd() {}, onSteps() {} }] }), once + 2);
});

test('what stands in the models of nodegrad is known to be of nodegrad, and a class made from it is not', (t) => {
  for (const name of modelNames) {
    const model = buildModel(name, name.startsWith('lenet') ? [28, 28, 1] : [224, 224, 3], 10, [8]);
    for (const [path, layer] of model.namedLayers()) t.true(isBuiltIn(layer), `${layer.constructor.name} at ${path} of ${name}`);
  }
  for (const [name, type] of Object.entries<unknown>(nodegrad)) {
    if (typeof type !== 'function' || ![Layer, Loss, Metric, Optimizer, Callback].some((base) => type.prototype instanceof base)) continue;
    t.true(isBuiltIn(Object.create(type.prototype as object) as object), name);
  }
  class Mine extends Linear {}
  const patched = line();
  patched.forward = (x) => x;
  for (const thing of [new Mine(1, 1), patched, {}, Object.create(null) as object]) t.false(isBuiltIn(thing));
});
