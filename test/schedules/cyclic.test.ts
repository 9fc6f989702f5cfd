// Schedules that rise, run one after the other, or wait: the contract, and PyTorch's values.
import test from 'ava';
import {
  ArgumentError,
  CosineDecay,
  CosineRestarts,
  Linear,
  LinearWarmup,
  OneCycle,
  ReduceOnPlateau,
  type Schedule,
  SequentialSchedule,
  SGD,
  StepDecay,
  TriangularCycle,
} from '../../lib/index.js';
import { scheduleContract } from '../contracts/schedule.js';
import { close } from '../helpers/close.js';
import { golden } from '../helpers/golden.js';

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
