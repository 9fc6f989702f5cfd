// A step that is refused leaves nothing behind, and its error says which index, at which row, and what is allowed.

import ava from 'ava';
import {
  Adam,
  BatchNorm1d,
  compileStep,
  crossEntropy,
  CrossEntropyLoss,
  DataLoader,
  type Dataset,
  Linear,
  MSELoss,
  NonFiniteError,
  Parameter,
  Sequential,
  setSeed,
  SGD,
  Tensor,
  TensorDataset,
  Uniform,
  zeros,
} from '../../lib/index.js';
import { askFirst } from '../../lib/program/passes/checks.js';
import { usesOf } from '../../lib/program/passes/list.js';
import { Lister } from '../program/passes/lists.js';

const test = ava.serial; // one of them sets NODEGRAD_FUSE

type Labels = Tensor<'int32'>;
type Step = (x: Tensor, first: Labels, second: Labels) => Tensor;
interface Run {
  model: Sequential;
  table: Parameter;
  step: Step;
  state(): unknown;
}

function build(make: (model: Sequential, table: Parameter) => Step): Run {
  setSeed(3);
  const model = new Sequential([new Linear(4, 3), new BatchNorm1d(3)]);
  const table = new Parameter([3, 3], { init: new Uniform() });
  const state = (): unknown => [
    ...[...model.stateDict()].map(([name, { data }]) => [name, [...data]] as const),
    ...model.parameters().map(({ grad }) => Array.from(grad?.data ?? [], (value) => value + 0)),
    [...table.data],
    Array.from(table.grad?.data ?? [], (value) => value + 0),
  ];
  state(); // draws the values while the seed is in force
  return { model, table, step: make(model, table), state };
}

/** Two losses, the second of which meets the bad labels, by the way that they take. */
const ways: Record<string, (model: Sequential, table: Parameter) => Step> = {
  'class indices': (model) => twoLosses(model, (scores, labels) => crossEntropy(scores, labels)),
  'class indices of bytes': (model) => twoLosses(model, (scores, labels) => crossEntropy(scores, labels.to('uint8').to('int32'))),
  'class indices in another shape': (model) =>
    twoLosses(model, (scores, labels) => crossEntropy(scores.reshape([2, 4, 3]), labels.reshape([2, 4]))),
  'rows by index': (model, table) => twoLosses(model, (scores, labels) => scores.add(table.gather(labels)).mean(), [table]),
  'rows by an index that is computed from an argument': (model, table) =>
    twoLosses(model, (scores, labels) => scores.add(table.gather(labels.to('float32').mul(1).to('int32'))).mean(), [table]),
};

function twoLosses(model: Sequential, loss: (scores: Tensor, labels: Labels) => Tensor, more: Parameter[] = []): Step {
  const optimizer = new SGD([...model.parameters(), ...more], { lr: 0.1 });
  return (x, first, second) => {
    loss(model.forward(x), first).backward();
    const last = loss(model.forward(x), second);
    last.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return last;
  };
}

const x = Tensor.from(
  Float32Array.from({ length: 32 }, (_, i) => Math.sin(i)),
  [8, 4],
);
const good: Labels = zeros([8], { dtype: 'int32' });
const bad: Labels = Tensor.from(Int32Array.of(0, 1, 2, 7, 0, 0, 0, 0));

for (const fused of [true, false]) {
  for (const [name, make] of Object.entries(ways)) {
    test(`a refused step leaves no gradient, statistic or parameter behind: ${name}${fused ? '' : ', not fused'} (fault R13)`, async (t) => {
      if (!fused) process.env['NODEGRAD_FUSE'] = '0';
      t.teardown(() => delete process.env['NODEGRAD_FUSE']);
      const [refused, clean] = [build(make), build(make)];
      const [one, two] = [compileStep(refused.step), compileStep(clean.step)];
      for (const step of [one, two]) step.sync(x, good, good);
      t.throws(() => one.sync(x, good, bad), { message: /index 7 at (row|position) \d/ });
      t.deepEqual(refused.state(), clean.state());
      await t.throwsAsync(one(x, bad, good), { message: /index 7 at (row|position) \d/ });
      t.deepEqual(refused.state(), clean.state());
      t.is(one.sync(x, good, good).item(), two.sync(x, good, good).item());
      t.deepEqual(refused.state(), clean.state());
    });
  }
}

test('a stream ends before the step that is refused, which leaves nothing behind (fault R13)', async (t) => {
  const make = (model: Sequential): Step => {
    const optimizer = new Adam(model);
    return (input, labels) => {
      const loss = crossEntropy(model.forward(input), labels);
      loss.backward();
      optimizer.step();
      optimizer.zeroGrad();
      return loss;
    };
  };
  const [stopped, single] = [build(make), build(make)];
  const inputs = Tensor.from(
    Float32Array.from({ length: 128 }, (_, i) => Math.cos(i)),
    [32, 4],
  );
  const labels = Int32Array.from({ length: 32 }, (_, i) => (i === 21 ? -1 : i % 3));
  // A class of its own: what is in memory is compared with its classes before a run.
  const data: Dataset = {
    name: 'made',
    length: 32,
    inputShape: [4],
    targetShape: [],
    batch: (rows) => ({
      inputs: inputs.slice(rows[0], rows[0] + rows.length),
      targets: Tensor.from(labels.slice(rows[0], rows[0] + rows.length)),
    }),
  };
  const step = compileStep((input: Tensor, target: Labels) => stopped.step(input, target, target));
  await t.throwsAsync(step.many(new DataLoader(data, { batchSize: 8 })), { message: /class index -1 at row 5 lies outside 0 … 2/ });
  for (const begin of [0, 8]) single.step(inputs.slice(begin, begin + 8), Tensor.from(labels.slice(begin, begin + 8)), good);
  t.deepEqual(stopped.state(), single.state());
});

test('the error of an index out of range names it, its row and what is allowed, in the same words eager and compiled (faults R20, F31)', async (t) => {
  const scores = zeros([8, 3]);
  const table = zeros([3, 2]);
  const cases: [(labels: Labels) => Tensor, RegExp][] = [
    [(labels) => crossEntropy(scores, labels), /^\[crossEntropy\] class index 7 at row 3 lies outside 0 … 2: indices count from 0$/],
    [
      (labels) => crossEntropy(scores, labels.to('uint8')),
      /^\[crossEntropy\] class index 7 at row 3 lies outside 0 … 2: indices count from 0$/,
    ],
    [(labels) => table.gather(labels), /^\[gather\] row index 7 at position 3 lies outside 0 … 2: indices count from 0$/],
  ];
  for (const [call, message] of cases) {
    const step = compileStep(call);
    const errors = [
      t.throws(() => call(bad), { message, code: 'ERR_ARGUMENT' }),
      t.throws(() => step.sync(bad), { message, code: 'ERR_ARGUMENT' }),
      await t.throwsAsync(step(bad), { message, code: 'ERR_ARGUMENT' }),
    ];
    const fields = { name: 'IndexError', value: 7, position: 3, minimum: 0, maximum: 2 };
    for (const error of errors) t.like(error, fields);
  }
});

for (const eager of [false, true]) {
  test(`a batch that fit refuses moves no statistic: a label out of range, a loss that is not finite (fault R13), eager: ${eager}`, async (t) => {
    const options = { batchSize: 8, epochs: 1, shuffle: false, eager, log: false, progress: false } as const;
    const inputs = Tensor.from(
      Float32Array.from({ length: 64 }, (_, i) => Math.sin(i)),
      [16, 4],
    );
    const labels = Int32Array.from({ length: 16 }, (_, i) => (i === 12 ? 3 : i % 3));
    const runs: [unknown, () => Promise<unknown>, Sequential, Sequential][] = [];
    const models = (): [Sequential, Sequential] => [build(() => () => x).model, build(() => () => x).model];
    {
      const [stopped, single] = models();
      const fit = (model: Sequential, rows: number): Promise<unknown> => {
        // A set that makes its batches itself: of one in memory all labels are looked at before training.
        const set = new TensorDataset(inputs.slice(0, rows), Tensor.from(labels.slice(0, rows)));
        const data = { name: set.name, length: rows, inputShape: [4], targetShape: [], batch: (indices: Int32Array) => set.batch(indices) };
        return model.fit(data, { ...options, loss: new CrossEntropyLoss(), optimizer: new SGD(model, { lr: 0.1 }) });
      };
      runs.push([{ message: /class index 3/ }, () => fit(stopped, 16), stopped, single]);
      await fit(single, 8);
    }
    // A value that is not finite itself, and one that only the loss makes so.
    for (const value of [Number.NaN, 1e30]) {
      const [stopped, single] = models();
      const targets = Tensor.from(
        Float32Array.from({ length: 48 }, (_, i) => (i === 47 ? value : 0)),
        [16, 3],
      );
      const fit = (model: Sequential, rows: number): Promise<unknown> =>
        model.fit(new TensorDataset(inputs.slice(0, rows), targets.slice(0, rows)), {
          ...options,
          loss: new MSELoss(),
          optimizer: new SGD(model, { lr: 0.1 }),
        });
      runs.push([{ instanceOf: NonFiniteError }, () => fit(stopped, 16), stopped, single]);
      await fit(single, 8);
    }
    for (const [expected, fit, stopped, single] of runs) {
      await t.throwsAsync(fit(), expected as never);
      for (const [name, { data }] of single.stateDict()) t.deepEqual([...(stopped.stateDict().get(name) as Tensor).data], [...data], name);
    }
  });
}

test('what a check looks at is made first where it comes from arguments alone, and nothing else is moved', (t) => {
  const l = new Lister();
  const [labels, w] = [l.input(4), l.external(12)];
  const [cast, scores, losses, difference, computed] = [l.temporary(4), l.temporary(12), l.temporary(4), l.temporary(12), l.temporary(4)];
  l.run('fill', [w], [], [], [0])
    .run('copy_strided', [scores], [w], [0, 1, 12, 1])
    .run('cast', [cast], [labels])
    .run('cross_entropy', [losses, difference], [scores, cast], [4, 3], [0])
    .run('cast', [computed], [losses])
    .run('gather_rows', [l.temporary(4)], [scores, computed], [12, 1]);
  const { instructions, prelude } = askFirst(l.list());
  t.deepEqual(
    instructions.map(({ op, early }) => [op.name, early === true]),
    [
      ['cast', false],
      ['fill', false],
      ['copy_strided', false],
      ['cross_entropy', true],
      ['cast', false],
      ['gather_rows', false],
    ],
  );
  t.is(prelude, 1);
});

test('a check of computed indices does not move behind a write that stays, nor such a write before it (fault R13)', (t) => {
  const l = new Lister();
  const [x4, w] = [l.input(4), l.external(4)];
  const [computed, first] = [l.temporary(4), l.temporary(4)];
  l.run('copy_strided', [computed], [w], [0, 1, 4, 1])
    .run('gather_rows', [first], [x4, computed], [4, 1])
    .run('accumulate', [l.external(4)], [x4])
    .run('exp', [l.temporary(4)], [x4]);
  const uses = usesOf(l.list());
  t.true(uses.mayMove(1, 2), 'up to it');
  t.false(uses.mayMove(1, 3));
  t.false(uses.mayMove(2, 1));
  t.false(uses.mayMove(2, 0));
  t.true(uses.mayMove(3, 0), 'a temporary may');
});
