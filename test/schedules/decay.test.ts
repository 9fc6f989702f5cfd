// Schedules that fall: the contract, PyTorch's values, and what is refused.
import test from 'ava';
import {
  ArgumentError,
  ExponentialDecay,
  InverseTimeDecay,
  MultiStepDecay,
  PiecewiseConstant,
  PolynomialDecay,
  type Schedule,
  SGD,
  StepDecay,
  Linear,
} from '../../lib/index.js';
import { scheduleContract } from '../contracts/schedule.js';
import { golden } from '../helpers/golden.js';

for (const { schedule, lr, options, values } of golden('schedules').cases) {
  const { stepSize, gamma } = options;
  test(`${schedule} of PyTorch with ${JSON.stringify(options)} is StepDecay or ExponentialDecay`, (t) =>
    scheduleContract(t, {
      create: () =>
        schedule === 'StepLR' ? new StepDecay(lr, { every: stepSize as number, factor: gamma }) : new ExponentialDecay(lr, { factor: gamma }),
      values,
    }));
}

test('every falling schedule keeps the contract, by the epoch and by the step', (t) => {
  for (const per of ['epoch', 'step'] as const) {
    // torch.optim.lr_scheduler.MultiStepLR(o, [2, 5, 5], 0.2): a milestone that stands twice cuts twice
    const cuts = [0.1, 0.1, 0.02, 0.02, 0.02, 0.0008, 0.0008, 0.0008];
    scheduleContract(t, { create: () => new MultiStepDecay(0.1, { milestones: [2, 5, 5], factor: 0.2, per }), values: cuts });
    const line = [0.4, 0.3, 0.2, 0.1, 0, 0, 0]; // PolynomialLR(o, 4, 1.0)
    scheduleContract(t, { create: () => new PolynomialDecay(0.4, { length: 4, per }), values: line });
    const square = [0.4, 0.225, 0.1, 0.025, 0, 0, 0]; // PolynomialLR(o, 4, 2.0)
    scheduleContract(t, { create: () => new PolynomialDecay(0.4, { length: 4, power: 2, per }), values: square });
    scheduleContract(t, { create: () => new PolynomialDecay(0.4, { length: 4, final: 0.2, per }), values: [0.4, 0.35, 0.3, 0.25, 0.2, 0.2] });
    scheduleContract(t, { create: () => new InverseTimeDecay(1, { k: 1, per }), values: [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5] });
    scheduleContract(t, { create: () => new PiecewiseConstant({ 2: 0.01, 0: 0.1, 4: 1 }, { per }), values: [0.1, 0.1, 0.01, 0.01, 1, 1] });
    scheduleContract(t, { create: () => new ExponentialDecay(1, { factor: 0, per }), values: [1, 0, 0] });
  }
});

test('wrong numbers are refused by name', (t) => {
  const wrong: [() => unknown, RegExp][] = [
    ...[undefined, 3, [3, 2], [-1], [1.5], ['1']].map((milestones): [() => unknown, RegExp] => [
      () => new MultiStepDecay(0.1, { milestones: milestones as never }),
      /options\.milestones/,
    ]),
    [() => new MultiStepDecay(0.1, { milestones: [1], factor: -1 }), /options\.factor/],
    [() => new PolynomialDecay(0.1, { length: 0 }), /options\.length/],
    [() => new PolynomialDecay(0.1, { length: 4, power: 0.5 }), /options\.power/],
    [() => new StepDecay(0.1, { every: 0 }), /options\.every/],
    [() => new StepDecay(NaN, { every: 1 }), /initial/],
    [() => new StepDecay(0.1, { every: 1, per: 'batch' as never }), /options\.per/],
    [() => new ExponentialDecay(0.1, {}), /`k` or `factor`/],
    [() => new ExponentialDecay(0.1, { k: 0.1, factor: 0.9 }), /`k` or `factor`/],
    [() => new PiecewiseConstant({ 1: 0.1 }), /a value at 0/],
    [() => new PiecewiseConstant({ 0: 0.1, x: 1 } as never), /key 'x'/],
    [() => new PiecewiseConstant(0.1 as never), /table/],
  ];
  for (const [make, message] of wrong) t.throws(make, { instanceOf: ArgumentError, message });
});

test('momentum, betas and weight decay follow schedules, of groups too', (t) => {
  const half = () => new StepDecay(0.5, { every: 1, factor: 0.5, per: 'step' });
  const model = new Linear(1, 1);
  const optimizer = new SGD([{ parameters: model, lr: half() }], { lr: 1, momentum: half(), weightDecay: half() });
  t.is(optimizer.lr, 0.5);
  // w = 1, g = 0: decay and velocity by hand, halved in each step.
  model.weight.data[0] = 1;
  let [w, v] = [1, 0];
  for (let step = 0; step < 4; step++) {
    const now = 0.5 ** (step + 1);
    const g = now * w;
    v = step === 0 ? g : now * v + g;
    w -= now * v;
    model.weight.mul(0).sum().backward();
    optimizer.step();
    t.true(Math.abs(model.weight.item() - w) < 1e-7, `step ${step + 1}`);
  }
});

test('a state says which schedule it was saved with, and nothing changes where another one stands', (t) => {
  const make = (lr: number | Schedule) => new SGD(new Linear(1, 1), { lr });
  const saved = make(new StepDecay(0.1, { every: 1 })).stateDict();
  t.like(saved.groups[0]['lr'], { schedule: 'StepDecay', initial: 0.1, every: 1, factor: 0.1, per: 'epoch', state: {} });
  for (const lr of [0.1, new ExponentialDecay(0.1, { k: 1 })]) {
    const other = make(lr);
    t.throws(() => other.loadStateDict(saved), { instanceOf: ArgumentError, message: /`lr` was saved with the schedule StepDecay/ });
    t.is(other.groups[0].options.lr, lr);
  }
  // A rate that was set by hand comes back as a rate.
  const byHand = make(new StepDecay(0.1, { every: 1 }));
  byHand.lr = 0.25;
  const back = make(new StepDecay(0.1, { every: 1 }));
  back.loadStateDict(byHand.stateDict());
  t.is(back.groups[0].options.lr, 0.25);
});
