// A schedule times a factor: the contract, what it passes on, and what is refused.
import test from 'ava';
import { ArgumentError, Linear, ReduceOnPlateau, SGD, ScaledSchedule, StepDecay } from '../../lib/index.js';
import { scheduleContract } from '../contracts/schedule.js';

test('a scaled schedule keeps the contract, by the epoch, by the step and by scores', (t) => {
  for (const per of ['epoch', 'step'] as const)
    scheduleContract(t, {
      create: () => new ScaledSchedule(new StepDecay(0.4, { every: 2, factor: 0.5, per }), { factor: 0.25 }),
      values: [0.1, 0.1, 0.05, 0.05, 0.025],
    });
  const plateau = (): ScaledSchedule => new ScaledSchedule(new ReduceOnPlateau(1, { patience: 0, factor: 0.5 }), { factor: 0.1 });
  scheduleContract(t, { create: plateau, values: [0.1, 0.1, 0.05, 0.025, 0.0125, 0.00625], scores: [1, 1, 1, 1, 1, 1] });
});

test('the state of an optimizer scales the schedule of another as it was scaled', (t) => {
  const model = new Linear(1, 1);
  const make = (lr: StepDecay | ScaledSchedule): SGD => new SGD(model, { lr });
  const plain = (): StepDecay => new StepDecay(0.4, { every: 1, factor: 0.5 });
  const scaled = make(new ScaledSchedule(plain(), { factor: 0.25 }));
  scaled.nextEpoch();
  for (const to of [make(plain()), make(new ScaledSchedule(plain(), { factor: 3 }))]) {
    to.loadStateDict(scaled.stateDict());
    t.is(to.lr, 0.05);
  }
  t.throws(() => new SGD(model, { lr: 0.4 }).loadStateDict(scaled.stateDict()), { instanceOf: ArgumentError, message: /ScaledSchedule/ });
  t.throws(() => make(new ScaledSchedule(new ReduceOnPlateau(1), { factor: 1 }) as never).loadStateDict(scaled.stateDict()), {
    instanceOf: ArgumentError,
    message: /StepDecay.*ReduceOnPlateau/,
  });
  t.throws(() => new ScaledSchedule(0.1 as never, { factor: 1 }), { instanceOf: ArgumentError, message: /`schedule`/ });
  t.throws(() => new ScaledSchedule(plain(), { factor: -1 }), { instanceOf: ArgumentError, message: /options\.factor/ });
});
