// Course section I: learning-rate schedules.
import test from 'ava';
import { ConstantLR, ExponentialLR, Linear, MultiStepLR, type Schedule, SGD, StepLR } from '../../lib/index.js';
import { close } from '../helpers/close.js';

function rates(make: (optimizer: SGD) => Schedule, lr: number, epochs: number): number[] {
  const optimizer = new SGD(new Linear(1, 1), { lr });
  const schedule = make(optimizer);
  return Array.from({ length: epochs }, () => {
    const now = optimizer.lr;
    schedule.step();
    return now;
  });
}

test('[I01] exponential decay: a0 = 0.1 with k = 0.1 is 0.0367879 after 10 epochs', (t) => {
  // e^-0.1 to 17 digits: the schedule takes the factor, the course the exponent.
  const all = rates((optimizer) => new ExponentialLR(optimizer, { gamma: 0.9048374180359595 }), 0.1, 11);
  t.is(all[0], 0.1);
  close(t, [all[10]], [0.0367879], { absolute: 0.5e-7 });
});

test('[I03] step decay: a0 = 0.1 halved every 10 epochs', (t) => {
  const all = rates((optimizer) => new StepLR(optimizer, { stepSize: 10, gamma: 0.5 }), 0.1, 26);
  close(t, [all[0], all[9], all[10], all[25]], [0.1, 0.1, 0.05, 0.025], { relative: 1e-15 });
});

test('step decay of published recipes: 0.05, 0.005 and 0.0005 at epochs 0, 30 and 60', (t) => {
  const all = rates((optimizer) => new StepLR(optimizer, { stepSize: 30 }), 0.05, 61);
  close(t, [all[0], all[29], all[30], all[60]], [0.05, 0.05, 0.005, 0.0005], { relative: 1e-14 });
});

test('[I05] a schedule by hand: 0.1 from epoch 0, 0.01 from epoch 30, 0.001 from epoch 60', (t) => {
  const all = rates((optimizer) => new MultiStepLR(optimizer, { milestones: [30, 60] }), 0.1, 90);
  close(t, [0, 29, 30, 59, 60, 89].map((epoch) => all[epoch]), [0.1, 0.1, 0.01, 0.01, 0.001, 0.001], { relative: 1e-15 }); // biome-ignore format: one line
});

test('a constant schedule changes nothing', (t) => {
  t.deepEqual(
    rates((optimizer) => new ConstantLR(optimizer), 0.3, 5),
    [0.3, 0.3, 0.3, 0.3, 0.3],
  );
});
