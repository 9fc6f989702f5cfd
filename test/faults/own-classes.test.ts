// What users of other libraries write once they have classes of their own: layers, schedules and callbacks do what they say, or are refused.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { warningsOf } from '../helpers/warnings.js';
import { says } from '../helpers/words.js';

const silent = { progress: false, log: false } as const;
const { tensor, ones } = lib;
const indices = (...values: number[]): lib.Tensor<'int32'> => lib.Tensor.from(Int32Array.from(values));

// ---- layers that come back as they were ----

test('a registered layer comes back as itself: an inherited fromConfig and a forgotten config are refused', async (t) => {
  class Doubled extends lib.Linear {
    override forward<D extends lib.FloatDType>(x: lib.Tensor<D>): lib.Tensor<D> {
      return super.forward(x).mul(2) as lib.Tensor<D>;
    }
  }
  await says(t, () => lib.registerLayer(Doubled, 'Doubled'), "'Doubled'", 'fromConfig() of Linear', 'new Doubled');
  class Deep extends lib.Sequential {}
  await says(t, () => lib.registerLayer(Deep, 'Deep'), "'Deep'", 'fromConfig() of Sequential');
  class Forgetful extends lib.Layer {
    constructor(readonly factor = 1) {
      super();
    }
    forward(x: lib.Tensor): lib.Tensor {
      return x.mul(this.factor);
    }
    static fromConfig(config: { factor: number }): Forgetful {
      return new Forgetful(config.factor);
    }
  }
  await says(t, () => lib.registerLayer(Forgetful, 'Forgetful'), "'Forgetful'", 'no config()', 'add the method config()');
  // A refused class is not registered: mended, it takes the name.
  class Mended extends Forgetful {
    override config(): unknown {
      return { factor: this.factor };
    }
    static override fromConfig(config: { factor: number }): Mended {
      return new Mended(config.factor);
    }
  }
  lib.registerLayer(Mended, 'Forgetful');
  const copy = new lib.Sequential([new Mended(10)]).clone();
  t.true(copy.layers[0] instanceof Mended);
  t.deepEqual(copy.forward(ones([1])).toArray(), [10]);
});

test('a family of layers may share one fromConfig that makes what it is called on, and one that makes another class is found', async (t) => {
  class Family extends lib.Layer {
    constructor(readonly factor: number) {
      super();
    }
    forward(x: lib.Tensor): lib.Tensor {
      return x.mul(this.factor);
    }
    override config(): unknown {
      return { factor: this.factor };
    }
    static fromConfig(this: new (factor: number) => Family, config: { factor: number }): Family {
      return new this(config.factor);
    }
  }
  class Member extends Family {}
  lib.registerLayer(Family as never, 'Family');
  lib.registerLayer(Member as never, 'Member');
  t.is(new Member(3).clone().constructor, Member);
  class Stranger extends Family {
    static override fromConfig(): Family {
      return new Family(1);
    }
  }
  lib.registerLayer(Stranger as never, 'Stranger');
  await says(t, () => new Stranger(3).clone(), "'Stranger'", 'must return a new Stranger', 'Family');
});

test('a model that its config does not describe is not copied in part', async (t) => {
  class Grown extends lib.Layer {
    [name: string]: unknown;
    readonly first = new lib.Linear(2, 2);
    forward(x: lib.Tensor): lib.Tensor {
      return this.first.forward(x);
    }
    static fromConfig(): Grown {
      return new Grown();
    }
  }
  lib.registerLayer(Grown, 'Grown');
  const grown = new Grown();
  grown.head = new lib.Linear(2, 3, { bias: false });
  await says(t, () => grown.clone(), 'cannot be copied', "'head.weight'", 'where it has [2, 3]');
});

// ---- schedules that do not begin at 1 ----

class WarmUp extends lib.Schedule {
  constructor(readonly epochs = 4) {
    super();
  }
  at(epoch: number): number {
    return Math.min(1, (epoch + 1) / this.epochs);
  }
}

test('the first epoch runs at the first value of a schedule: in fit, eagerly, in compiled steps, and after a checkpoint', async (t) => {
  const rates = [0.25, 0.5, 0.75, 1, 1];
  const make = () => {
    const model = new lib.Linear(3, 1, { init: new lib.Constant(0.5) });
    return { model, optimizer: new lib.SGD(model, { lr: new WarmUp() }) };
  };
  const x = Float32Array.from({ length: 12 }, (_, i) => ((i * 7) % 11) / 20);
  const data = new lib.TensorDataset(lib.Tensor.from(x, [4, 3]), ones([4, 1]));
  const loss = new lib.MSELoss();
  const dir = mkdtempSync(join(tmpdir(), 'nodegrad-warm-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const settings = { loss, epochs: 5, batchSize: 4, ...silent };
  for (const eager of [false, true]) {
    const { model, optimizer } = make();
    const history = await lib.fit(model, data, { ...settings, optimizer, eager });
    t.deepEqual(
      history.epochs.map(({ lr }) => lr),
      rates,
    );
  }
  // One epoch more each time, each by a new process in spirit.
  for (let epochs = 1; epochs <= 5; epochs++) {
    const { model, optimizer } = make();
    const history = await lib.fit(model, data, { ...settings, optimizer, epochs, checkpoint: { dir }, resume: true });
    t.deepEqual(
      history.epochs.map(({ lr }) => lr),
      rates.slice(0, epochs),
    );
  }
  const weights: number[][] = [];
  for (const compiled of [false, true]) {
    const { model, optimizer } = make();
    const body = (): lib.Tensor => {
      optimizer.zeroGrad();
      const value = loss.forward(model.forward(data.inputs), data.targets);
      value.backward();
      optimizer.step();
      optimizer.nextEpoch();
      return value;
    };
    const step = compiled ? lib.compileStep(body) : body;
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) {
      await step();
      seen.push(optimizer.lr);
    }
    t.deepEqual(seen, rates.slice(1));
    weights.push([...model.weight.data]);
  }
  t.deepEqual(weights[0], weights[1]);
  // By hand: −0.25 of the gradient in the first step.
  const { model, optimizer } = make();
  model
    .forward(ones([1, 3]))
    .sum()
    .backward();
  optimizer.step();
  t.deepEqual([...model.weight.data], [0.25, 0.25, 0.25]);
});

test('a rate that is set takes the place of the schedule, and a schedule that of a rate', (t) => {
  const optimizer = new lib.SGD(new lib.Linear(3, 1), { lr: new WarmUp() });
  t.is(optimizer.lr, 0.25);
  optimizer.lr = 0.125;
  optimizer.nextEpoch();
  t.is(optimizer.lr, 0.125);
  optimizer.groups[0].options.lr = new WarmUp();
  t.is(optimizer.lr, 0.5);
});

test('what a schedule of one’s own gives is checked in the step that asks for it, and says which option it was', async (t) => {
  for (const bad of [Number.NaN, -1, '0.1']) {
    class Wrong extends lib.Schedule {
      at(step: number): number {
        return step < 2 ? 0.5 : (bad as number);
      }
    }
    const model = new lib.Linear(3, 1);
    const optimizer = new lib.SGD(model, { lr: new Wrong({ per: 'step' }) });
    const body = (): void => {
      optimizer.zeroGrad();
      model
        .forward(ones([1, 3]))
        .sum()
        .backward();
      optimizer.step();
    };
    const step = lib.compileStep(body);
    await step();
    await step();
    const before = [...model.weight.data];
    await t.throwsAsync(step(), { instanceOf: lib.ArgumentError, message: /`options\.lr`/ });
    t.deepEqual([[...model.weight.data], optimizer.steps], [before, 2]);
  }
});

// ---- callbacks ----

test('a misspelt event of a callback’s class is refused with the event that is meant, and its helpers are not', async (t) => {
  const model = new lib.Linear(3, 1);
  const fit = (callback: unknown): Promise<unknown> =>
    lib.fit(model, new lib.TensorDataset(ones([8, 3]), ones([8, 1])), {
      loss: new lib.MSELoss(),
      optimizer: new lib.SGD(model, { lr: 0.001 }),
      callbacks: [callback as lib.Callback],
      ...silent,
    });
  const none = (): void => {};
  const named = (name: string, more: object = {}): object => {
    class Own {}
    Object.defineProperty(Own.prototype, name, { value: none, configurable: true });
    return Object.assign(new Own(), more);
  };
  for (const name of ['onEpochEnds', 'on_epoch_end', 'onepochend', 'onEpochEn', 'onEpcohEnd', 'on_Epoch_End'])
    for (const more of [{}, { onTrainEnd: none }]) await says(t, () => fit(named(name, more)), `"${name}"`, "'onEpochEnd' is meant", 'known:');
  await says(
    t,
    () =>
      fit(
        new (class extends lib.Callback {
          onStep(): void {}
        })(),
      ),
    '"onStep"',
    "'onSteps' is meant",
  );
  await says(t, () => fit({ on_epoch_end: none, onTrainEnd: none }), "'onEpochEnd' is meant");
  // Events of other libraries that have another name here.
  for (const name of ['onEpochStart', 'on_train_batch_end', 'onBatchBegin', 'on_fit_start'])
    await says(t, () => fit(named(name, { onTrainEnd: none })), `"${name}"`, 'known:');
  // What would never be called.
  for (const deaf of [{}, new (class extends lib.Callback {})(), named('helper')]) await says(t, () => fit(deaf), 'has no event', 'known:');
  // Helpers, events by a parent class, fields, and getters that are nobody's business.
  class Parent {
    onEpochEnd(): void {}
    observe(): void {}
    onStop(): void {}
    onNewBest(): void {}
    epochEnd(): void {}
    get costly(): number {
      throw new Error('was read');
    }
  }
  class Child extends Parent {
    readonly onLoss = 3;
  }
  await t.notThrowsAsync(() => fit(new Child()) as Promise<unknown>);
});

// ---- missing labels ----

test('a missing label does not become class 0: NaN is refused where an integer is asked for, eagerly and in a compiled step', async (t) => {
  for (const dtype of ['int32', 'uint8'] as const) {
    await says(t, () => tensor([0, Number.NaN, 2]).to(dtype), '[to] NaN at position 1', dtype, 'where(');
    await says(
      t,
      () =>
        tensor(
          [
            [0, 1],
            [2, Number.NaN],
          ],
          { dtype: 'float64' },
        ).to(dtype),
      'position 3',
    );
    const step = lib.compileStep((x: lib.Tensor) => x.mul(1).to(dtype));
    t.deepEqual([...(await step(tensor([0, 1.9]))).data], [0, 1]);
    await says(t, () => step(tensor([0, Number.NaN])), '[to] NaN');
  }
  t.deepEqual([...tensor([1.9, -1.9, Infinity, 3e9]).to('int32').data], [1, -1, 2147483647, 2147483647]);
  const long = new Float32Array(100_003);
  long[100_002] = Number.NaN;
  await says(t, () => tensor(long).to('int32'), 'position 100002');
  const y = tensor([0, Number.NaN]);
  t.deepEqual([...lib.where(y.equal(y), y, 7).to('int32').data], [0, 7]);
});

// ---- validation ----

test('what does not fit in the validation data says so, before the first step, or where a set makes its own batches, after the epoch', async (t) => {
  const train = new lib.TensorDataset(ones([6, 4]), indices(0, 1, 2, 0, 1, 2), { name: 'flowers' });
  const odd: lib.AnyDataset[] = [
    new lib.TensorDataset(ones([6, 4]), indices(1, 2, 3, 1, 2, 3), { name: 'held out' }),
    new lib.TensorDataset(ones([6, 3]), indices(0, 1, 2, 0, 1, 2), { name: 'held out' }),
  ];
  for (const set of odd) {
    for (const [validation, eager, steps] of [
      [set, false, 0],
      [set, true, 1],
      [batchesOf(set), false, 1],
    ] as const) {
      const model = new lib.Sequential([new lib.Linear(4, 3)]);
      const optimizer = new lib.SGD(model, { lr: 0.1 });
      const options = { loss: new lib.CrossEntropyLoss(), optimizer, epochs: 3, eager, ...silent };
      await says(t, () => model.fit(train, { ...options, validation }), "the validation data 'held out' do not fit: ");
      t.is(optimizer.steps, steps);
    }
  }
});

/** A data set that makes its batches itself. */
function batchesOf(set: lib.AnyDataset): lib.AnyDataset {
  const { name, length, inputShape, targetShape } = set;
  return { name, length, inputShape, targetShape, batch: (rows: Int32Array) => set.batch(rows) } as lib.AnyDataset;
}

// ---- losses ----

class Squared extends lib.Loss {
  override forward<D extends lib.FloatDType>(prediction: lib.Tensor<D>, target: lib.Tensor<D>): lib.Tensor<D> {
    return prediction.sub(target).pow(2).mean() as lib.Tensor<D>;
  }
}

/** Of all pairs of predictions, on purpose, and of each prediction beside its target. */
class Ranking extends Squared {
  override forward<D extends lib.FloatDType>(prediction: lib.Tensor<D>, target: lib.Tensor<D>): lib.Tensor<D> {
    return super.forward(prediction.reshape([-1]).sub(prediction).mean([1]) as lib.Tensor<D>, target) as lib.Tensor<D>;
  }
}

test.serial(
  'a loss that broadcasts predictions [n, 1] and targets [n] to [n, n] trains with a warning; one shape, and pairs on purpose, without',
  async (t) => {
    const model = new lib.Sequential([new lib.Linear(1, 1)]);
    const fit = (loss: lib.Loss, targets: lib.Tensor): Promise<string[]> =>
      warningsOf(() =>
        lib.fit(model, new lib.TensorDataset(tensor([[0], [1], [2]]), targets), {
          loss,
          optimizer: new lib.SGD(model, { lr: 0.1 }),
          epochs: 1,
          ...silent,
        }),
      );
    const said = await fit(new Squared(), tensor([1, 2, 3]));
    t.is(said.length, 1);
    t.regex(
      said[0],
      /^NODEGRAD_BROADCAST: the loss makes \[3, 3\] of predictions \[3, 1\] and targets \[3\]: every prediction meets every target/,
    );
    t.deepEqual(await fit(new Squared(), tensor([[1], [2], [3]])), []);
    t.deepEqual(await fit(new Ranking(), tensor([1, 2, 3])), []);
  },
);
