// Schedules that rise, run one after the other, or wait: the contract, and PyTorch's values.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import {
  ArgumentError,
  CosineDecay,
  CosineRestarts,
  CrossEntropyLoss,
  Linear,
  LinearWarmup,
  OneCycle,
  ReduceOnPlateau,
  ReLU,
  type Schedule,
  Sequential,
  SequentialSchedule,
  SGD,
  StepDecay,
  setSeed,
  Tensor,
  TensorDataset,
  TriangularCycle,
} from '../../lib/index.js';
import { scheduleContract } from '../contracts/schedule.js';
import { i32 } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { golden } from '../helpers/golden.js';
import { Seeded } from '../helpers/seeded.js';

const cases = golden('optimizer-runs').schedules;
const linear = { length: 20, initial: 0.02, shape: 'linear' } as const;

const makers: Record<string, (per: 'epoch' | 'step') => Schedule> = {
  CosineAnnealingLR: (per) => new CosineDecay(0.1, { length: 12, final: 0.01, per }),
  CosineAnnealingWarmRestarts: (per) => new CosineRestarts(0.1, { length: 4, growth: 2, final: 0.001, per }),
  OneCycleLR: (per) => new OneCycle(0.5, { length: 20, per }),
  'OneCycleLR linear': (per) => new OneCycle(0.5, { ...linear, per }),
  CyclicLR: (per) => new TriangularCycle(0.001, { high: 0.1, rise: 4, fall: 6, shrink: 0.5, per }),
  LinearLR: (per) => new LinearWarmup(0.1, { length: 5, initial: 0.025, per }),
  SequentialLR: (per) =>
    new SequentialSchedule([new LinearWarmup(0.1, { length: 5, initial: 0.025, per }), new StepDecay(0.1, { every: 3, factor: 0.5, per })], {
      milestones: [5],
    }),
};

for (const { name, values, scores } of cases.filter((one) => one.scores === undefined)) {
  test(`${name} of PyTorch has the values of ours, by the epoch and by the step`, (t) => {
    t.is(scores, undefined);
    for (const per of ['epoch', 'step'] as const) scheduleContract(t, { create: () => makers[name](per), values });
  });
}

test('one cycle turns momentum the other way round, as PyTorch does', (t) => {
  for (const [name, shape] of [
    ['OneCycleLR', 'cosine'],
    ['OneCycleLR linear', 'linear'],
  ] as const) {
    const { momenta = [] } = cases.find((one) => one.name === name) ?? {};
    t.is(momenta.length, 20);
    const momentum = new OneCycle(0.85, { length: 20, initial: 0.95, final: 0.95, shape });
    close(t, momenta.map((_, at) => momentum.at(at)), momenta, { relative: 1e-14 }); // biome-ignore format: one line
  }
});

const plateaus = cases.filter((one) => one.scores !== undefined);
const options = [
  { patience: 2, factor: 0.5 },
  { patience: 1, factor: 0.1, cooldown: 2, minimum: 1e-3 },
];

for (const [i, { values, scores }] of plateaus.entries()) {
  test(`ReduceLROnPlateau of PyTorch cuts where ours does: ${JSON.stringify(options[i])}`, (t) => {
    t.true(new Set(values).size > 1);
    scheduleContract(t, { create: () => new ReduceOnPlateau(0.1, options[i]), values, scores });
  });
}

test('a plateau may be one of rising scores, and hears nothing where no score is given', (t) => {
  const rising = new ReduceOnPlateau(1, { mode: 'max', patience: 0, factor: 0.5 });
  const optimizer = new SGD(new Linear(1, 1), { lr: rising, momentum: rising });
  for (const score of [0.5, 0.6, 0.6]) optimizer.nextEpoch(score);
  t.is(optimizer.lr, 0.5, 'shared by two options, it hears each score once');
  optimizer.nextEpoch();
  t.is(optimizer.lr, 0.5);
  t.throws(() => optimizer.nextEpoch('0.1' as never), { instanceOf: ArgumentError, message: /score/ });
  const { value, best } = rising.stateDict();
  t.throws(() => rising.loadStateDict({ value: -1, best, waited: 0, cooling: 0 }), { instanceOf: ArgumentError });
  t.is(rising.stateDict()['value'], value);
});

const trial = (lr: Schedule, momentum?: Schedule) => {
  setSeed(8);
  const model = new Sequential([new Linear(3, 4), new ReLU(), new Linear(4, 2)]);
  const random = new Seeded(4);
  const x = Tensor.from(Float32Array.from(random.uniform(60)), [20, 3]);
  const data = new TensorDataset(x, i32(Array.from({ length: 20 }, () => random.integer(2))));
  const optimizer = new SGD(model, { lr, ...(momentum && { momentum }) });
  return { model, optimizer, data, options: { loss: new CrossEntropyLoss(), optimizer, batchSize: 5, log: false, progress: false } as const };
};
const weightsOf = (model: Sequential): number[] => model.parameters().flatMap(({ data }) => [...data]);

test('rates and momentum change from step to step inside of fit as they do in eager steps', async (t) => {
  const ends: number[][] = [];
  for (const eager of [true, false]) {
    const cycle = { length: 12, per: 'step' } as const;
    const { model, optimizer, data, options } = trial(new OneCycle(0.5, cycle), new OneCycle(0.85, { ...cycle, initial: 0.95, final: 0.95 }));
    await model.fit(data, { ...options, epochs: 3, eager });
    t.deepEqual([optimizer.steps, optimizer.epoch], [12, 3]);
    ends.push(weightsOf(model));
  }
  t.deepEqual(ends[0], ends[1]);
});

test('fit tells a plateau the validation loss, and a resumed run remembers what it has heard', async (t) => {
  const make = () => trial(new ReduceOnPlateau(0.5, { patience: 0, threshold: 0.5, factor: 0.5 }));
  const dir = mkdtempSync(join(tmpdir(), 'nodegrad-plateau-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const straight = make();
  const history = await straight.model.fit(straight.data, { ...straight.options, epochs: 6, validation: straight.data });
  t.deepEqual(history.epochs.map(({ lr }) => lr).slice(0, 3), [0.5, 0.5, 0.25]);
  for (const epochs of [2, 3, 6]) {
    const { model, data, options } = make();
    const part = await model.fit(data, { ...options, epochs, validation: data, checkpoint: { dir }, resume: true });
    t.deepEqual(part.epochs.map(({ lr }) => lr), history.epochs.map(({ lr }) => lr).slice(0, epochs)); // biome-ignore format: one line
    if (epochs === 6) t.deepEqual(weightsOf(model), weightsOf(straight.model));
  }
});

test('a cycle of cosines says where it ends', (t) => {
  const schedule = new CosineRestarts(0.1, { length: 2, growth: 3 });
  t.deepEqual(
    Array.from({ length: 27 }, (_, at) => at).filter((at) => schedule.endsCycle(at)),
    [1, 7, 25],
  );
});

test('schedules that do not fit together are refused', (t) => {
  const wrong: [() => unknown, RegExp][] = [
    [() => new SequentialSchedule([], { milestones: [] }), /at least one/],
    [() => new SequentialSchedule([0.1 as never], { milestones: [] }), /schedules\[0\]/],
    [() => new SequentialSchedule([makers['LinearLR']('step'), makers['LinearLR']('epoch')], { milestones: [3] }), /counts by the epoch/],
    [() => new SequentialSchedule([makers['LinearLR']('step')], { milestones: [3] }), /milestones/],
    [() => new OneCycle(1, { length: 1 }), /options\.length/],
    [() => new OneCycle(1, { length: 9, rise: 2 }), /options\.rise/],
    [() => new OneCycle(1, { length: 9, shape: 'round' as never }), /options\.shape/],
    [() => new TriangularCycle(0, { high: 1, rise: 0 }), /options\.rise/],
    [() => new CosineRestarts(1, { length: 3, growth: 1.5 }), /options\.growth/],
    [() => new LinearWarmup(1, {} as never), /options\.length/],
    [() => new ReduceOnPlateau(1, { patience: -1 }), /options\.patience/],
    [() => new ReduceOnPlateau(-1), /initial/],
  ];
  for (const [make, message] of wrong) t.throws(make, { instanceOf: ArgumentError, message });
});
