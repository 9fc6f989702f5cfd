// What a sitter must leave alone: data sets and layers that count, wide targets, rates of groups, epochs that were asked for.

import test from 'ava';
import {
  CrossEntropyLoss,
  Dropout,
  Embedding,
  Flatten,
  Layer,
  Linear,
  Loss,
  MSELoss,
  ReLU,
  SGD,
  Sequential,
  Sitter,
  Tensor,
  TensorDataset,
  explodedAt,
  ones,
  preflight,
  setSeed,
  tanh,
  tensor,
} from '../../lib/index.js';
import { defaultRandom } from '../../lib/seed.js';
import { gather, quick } from '../../lib/sitter/gather.js';
import { lookAt } from '../../lib/sitter/look.js';
import { randomsOf } from '../../lib/training/run-state.js';

const silent = { progress: false, log: false } as const;
const rows = 16;
const x = Tensor.from(
  Float32Array.from({ length: rows * 2 }, (_, i) => ((i * 7) % 11) / 5 - 1),
  [rows, 2],
);
const y = Tensor.from(
  Float32Array.from({ length: rows }, (_, i) => ((i * 3) % 5) / 2 - 1),
  [rows, 1],
);
const data = new TensorDataset(x, y);

test('a data set of a user that makes its batches is asked for those of the run alone', async (t) => {
  const asked = async (sitter: boolean): Promise<number[]> => {
    const lengths: number[] = [];
    const own = {
      name: 'own',
      length: rows,
      batch: (indices: Int32Array) => {
        lengths.push(indices.length);
        return data.batch(indices);
      },
    };
    setSeed(1);
    const model = new Linear(2, 1);
    await new Sequential([model]).fit(own as never, {
      loss: new MSELoss(),
      optimizer: new SGD(model, { lr: 0.01 }),
      batchSize: 8,
      sitter,
      ...silent,
    });
    return lengths;
  };
  t.deepEqual(await asked(true), await asked(false));
});

test('an eager run, whose layers may count in JavaScript, has a sitter when it asks for one', async (t) => {
  class Counting extends Layer {
    n = 0;
    forward(inputs: Tensor): Tensor {
      this.n += 1;
      return inputs.mul(1);
    }
  }
  const calls = async (sitter?: boolean): Promise<number> => {
    const counting = new Counting();
    const model = new Sequential([new Linear(2, 1), counting]);
    await model.fit(data, {
      loss: new MSELoss(),
      optimizer: new SGD(model, { lr: 0.01 }),
      batchSize: 8,
      eager: true,
      ...(sitter !== undefined && { sitter }),
      ...silent,
    });
    return counting.n;
  };
  t.is(await calls(), 2);
  t.true((await calls(true)) > 2);
});

test('targets of thousands of numbers are looked at in few rows, of which sixteen tell whether all are the same', async (t) => {
  const width = 8192;
  const wide = new TensorDataset(
    x,
    Tensor.from(
      Float32Array.from({ length: rows * width }, (_, i) => i % 7),
      [rows, width],
    ),
  );
  const model = new Linear(2, width);
  const { data: facts } = await gather({ model, loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.01 }) }, wide, undefined, {
    ...quick,
    numbers: 4 * width,
  });
  t.is(facts?.looked, 16);
  t.is(facts?.targets?.isConstant, false);
});

test('a look takes fewer examples where layers put out very much for one, and as many as a batch has where that fits', async (t) => {
  const looked = async (width: number, batchSize: number): Promise<number | undefined> => {
    const model = new Sequential([new Linear(2, width), new Linear(width, 1)]);
    const subject = { model, loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.01 }) };
    const many = new TensorDataset(Tensor.from(new Float32Array(128).fill(1), [64, 2]), Tensor.from(new Float32Array(64), [64, 1]));
    return (await gather(subject, many, undefined, quick, batchSize)).start?.examples;
  };
  t.is(await looked(100, 1), 64);
  t.is(await looked(2 ** 20, 1), 15); // 2²⁴ numbers at most
  t.is(await looked(2 ** 20, 40), 40);
});

test('a loss below zero is told about by no rule of the curve, and has not exploded while it falls', async (t) => {
  class Agreement extends Loss {
    forward(prediction: Tensor, target: Tensor): Tensor {
      return tanh(prediction).mul(target).mean().neg();
    }
  }
  t.is(explodedAt([-0.3, -0.35, 0.2]), -1);
  t.is(explodedAt([-0.3, -0.35, 0.4]), 2);
  setSeed(3);
  const model = new Linear(2, 1);
  const sitter = new Sitter();
  const optimizer = new SGD(model, { lr: 0.5 });
  const history = await new Sequential([model]).fit(data, { loss: new Agreement(), optimizer, epochs: 20, batchSize: 8, sitter, ...silent });
  t.is(history.stopped, null);
  t.true((history.last?.loss ?? 0) < 0);
  t.deepEqual(history.findings, []);
});

test('rows that are looked up are no layer: one linear layer behind an embedding is meant', async (t) => {
  const model = new Sequential([new Embedding(8, 16), new Flatten(), new Linear(48, 8)]);
  const words = new TensorDataset(
    Tensor.from(
      Int32Array.from({ length: rows * 3 }, (_, i) => (i * 5) % 8),
      [rows, 3],
    ),
    Tensor.from(Int32Array.from({ length: rows }, (_, i) => i % 8)),
  );
  const found = await preflight(model, words, { loss: new CrossEntropyLoss(), optimizer: new SGD(model, { lr: 0.1 }) });
  t.false(found.some(({ id }) => id === 'no-nonlinearity'));
});

test('a fix gives back the epoch that it takes, lowers each group by the same factor, and ends with the error where nothing helps', async (t) => {
  setSeed(2);
  const model = new Sequential([new Linear(2, 8), new Linear(8, 1)]);
  const [first, second] = model.layers as Linear[];
  const optimizer = new SGD([{ parameters: first.parameters(), lr: 3 }, { parameters: second.parameters(), lr: 0.3 }], { lr: 1 }); // biome-ignore format: one line
  const big = new TensorDataset(x, tensor(Array.from({ length: rows }, (_, i) => [i])));
  const history = await model.fit(big, { loss: new MSELoss(), optimizer, epochs: 3, batchSize: 4, sitter: 'fix', ...silent });
  t.true(history.fixes.length > 0);
  t.deepEqual(history.epochs.map(({ epoch }) => epoch), [1, 2, 3]); // biome-ignore format: one line
  const [a, b] = optimizer.groups.map(({ options }) => options.lr as number);
  t.true(a < 3 && Math.abs(a / b - 10) < 1e-9, `${a} and ${b}`);

  const huge = new TensorDataset(tensor(Array.from({ length: rows }, () => [3e38, 3e38])), y);
  const hopeless = new Sequential([new Linear(2, 1)]);
  const never = hopeless.fit(huge, { loss: new MSELoss(), optimizer: new SGD(hopeless, { lr: 0.1 }), epochs: 3, sitter: 'fix', ...silent });
  await t.throwsAsync(never, { code: 'ERR_NON_FINITE' });
});

test('one sitter serves several runs, and what it found before an explosion does not keep it from ending the run', async (t) => {
  const sitter = new Sitter();
  for (const validation of [data, undefined]) {
    setSeed(4);
    const model = new Sequential([new Linear(2, 1)]);
    const optimizer = new SGD(model, { lr: 10 });
    const history = await model.fit(data, { loss: new MSELoss(), optimizer, epochs: 5, batchSize: 8, validation, sitter, ...silent });
    t.is(history.stopped, 'the loss exploded');
    t.is(sitter.findings.at(-1)?.id, 'learning-rate-too-high');
    t.is(history.findings.length, sitter.findings.length);
  }
});

test.serial('between the parts of a look the event loop has a turn, and sees modes, gradients and generators as they were', async (t) => {
  setSeed(5);
  const model = new Sequential([new Linear(4, 8), new Dropout(0.5), new ReLU(), new Linear(8, 3)]);
  const [inputs, targets] = [ones([6, 4]), tensor([0, 1, 2, 0, 1, 2], { dtype: 'int32' })];
  const loss = new CrossEntropyLoss();
  const subject = { model, loss, optimizer: new SGD(model, { lr: 0.1 }) };
  const looked = async (): Promise<unknown> => await lookAt(subject, [inputs, targets, undefined]);
  for (const hasGradients of [false, true]) {
    if (hasGradients) loss.forward(model.forward(inputs), targets).backward();
    model.eval();
    const state = (): unknown => ({
      modes: [...model.namedLayers().values()].map(({ training }) => training),
      gradients: model.parameters().map(({ grad }) => grad && [...grad.data]),
      generators: [defaultRandom(), ...randomsOf(model).values()].map((random) => random.state),
    });
    const before = state();
    const alone = await looked();
    const seen: unknown[] = [];
    let isDone = false;
    const watch = (): void => {
      seen.push(state());
      if (!isDone) setImmediate(watch);
    };
    setImmediate(watch);
    t.deepEqual(await looked(), alone);
    isDone = true;
    t.true(seen.length >= 3);
    for (const one of seen) t.deepEqual(one, before);
  }
});
