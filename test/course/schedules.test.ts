// Course section I: schedules of the learning rate.
import test from 'ava';
import {
  CosineRestarts,
  ExponentialDecay,
  InverseTimeDecay,
  Linear,
  PiecewiseConstant,
  type Schedule,
  SGD,
  StepDecay,
} from '../../lib/index.js';
import { f64, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';

/** The rates of an optimizer over epochs. */
function rates(lr: Schedule, epochs: number): number[] {
  const optimizer = new SGD(new Linear(1, 1), { lr });
  return Array.from({ length: epochs }, () => {
    const now = optimizer.lr;
    optimizer.nextEpoch();
    return now;
  });
}

test('[I01] exponential decay: a0 = 0.1 with k = 0.1 is 0.0367879 after 10 epochs', (t) => {
  const all = rates(new ExponentialDecay(0.1, { k: 0.1 }), 11);
  t.is(all[0], 0.1);
  close(t, [all[10]], [0.0367879], { absolute: 0.5e-7 });
});

test('[I02] 1/t decay: a0 = 0.1 with k = 0.1 is 0.05 after 10 epochs', (t) => {
  const all = rates(new InverseTimeDecay(0.1, { k: 0.1 }), 11);
  t.is(all[0], 0.1);
  t.is(all[10], 0.05);
});

test('[I03] step decay: a0 = 0.1 halved every 10 epochs', (t) => {
  const all = rates(new StepDecay(0.1, { every: 10, factor: 0.5 }), 26);
  close(t, [all[0], all[9], all[10], all[25]], [0.1, 0.1, 0.05, 0.025], { relative: 1e-15 });
});

test('step decay of published recipes: 0.05, 0.005 and 0.0005 at epochs 0, 30 and 60', (t) => {
  const all = rates(new StepDecay(0.05, { every: 30 }), 61);
  close(t, [all[0], all[29], all[30], all[60]], [0.05, 0.05, 0.005, 0.0005], { relative: 1e-14 });
});

test('[I05] a schedule by hand: 0.1 from epoch 0, 0.01 from epoch 30, 0.001 from epoch 60', (t) => {
  const all = rates(new PiecewiseConstant({ 0: 0.1, 30: 0.01, 60: 0.001 }), 90);
  t.deepEqual([0, 29, 30, 59, 60, 89].map((epoch) => all[epoch]), [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]); // biome-ignore format: one line
});

test('[I08] the schedule of snapshot ensembles returns to a0 at the start of each cycle', (t) => {
  const schedule = new CosineRestarts(0.1, { length: 10 });
  const all = rates(schedule, 31);
  t.deepEqual([0, 10, 20, 30].map((epoch) => all[epoch]), [0.1, 0.1, 0.1, 0.1]); // biome-ignore format: one line
  // Half a cosine in between: half the rate in the middle, the least before the restart.
  close(t, [all[5], all[9]], [0.05, 0.05 * (1 + Math.cos(0.9 * Math.PI))], { relative: 1e-13 });
  t.deepEqual([9, 19, 29].map((epoch) => schedule.endsCycle(epoch)), [true, true, true]); // biome-ignore format: one line
  t.false(schedule.endsCycle(10));
});

test('[I07] a rate too high explodes, one high bounces, a good one settles, one too low crawls', (t) => {
  // f = x²/2: each step multiplies x by 1 − lr.
  const after = (lr: number): number[] => {
    const x = leaf(f64([1]));
    const optimizer = new SGD([x] as never, { lr });
    return Array.from({ length: 20 }, () => {
      optimizer.zeroGrad();
      x.mul(x).sum().mul(0.5).backward();
      optimizer.step();
      return x.data[0];
    });
  };
  const last = (lr: number): number => Math.abs(after(lr)[19]);
  t.true(last(2.2) > 30, 'explodes');
  t.true(after(1.8).every((x, i) => Math.sign(x) === (i % 2 === 0 ? -1 : 1)) && last(1.8) > 1e-2, 'bounces');
  t.true(last(0.5) < 1e-5, 'settles');
  t.true(last(0.001) > 0.97, 'crawls');
});
