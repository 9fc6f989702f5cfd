// Schedules against PyTorch's rates of 30 epochs, and the schedule contract.
import test from 'ava';
import { ArgumentError, ConstantLR, ExponentialLR, Linear, MultiStepLR, PolynomialLR, SGD, StepLR } from '../../lib/index.js';
import { scheduleContract } from '../contracts/schedule.js';
import { golden } from '../helpers/golden.js';

for (const { schedule, lr, options, values } of golden('schedules').cases) {
  test(`${schedule} with ${JSON.stringify(options)} gives PyTorch's rates`, (t) =>
    scheduleContract(t, {
      create: (optimizer) =>
        schedule === 'StepLR' ? new StepLR(optimizer, options as { stepSize: number; gamma: number }) : new ExponentialLR(optimizer, options),
      lr,
      rates: values,
    }));
}

test('ConstantLR keeps the schedule contract', (t) =>
  scheduleContract(t, { create: (optimizer) => new ConstantLR(optimizer), lr: 0.1, rates: new Array<number>(6).fill(0.1) }));

test("MultiStepLR gives PyTorch's rates, and cuts twice where a milestone stands twice", (t) => {
  const rates = [0.1, 0.1, 0.02, 0.02, 0.02, 0.0008, 0.0008, 0.0008]; // torch.optim.lr_scheduler.MultiStepLR(o, [2, 5, 5], 0.2)
  scheduleContract(t, { create: (optimizer) => new MultiStepLR(optimizer, { milestones: [2, 5, 5], gamma: 0.2 }), lr: 0.1, rates });
});

test("PolynomialLR gives PyTorch's rates, and 0 behind the last epoch", (t) => {
  const line = [0.4, 0.3, 0.2, 0.1, 0, 0, 0]; // torch.optim.lr_scheduler.PolynomialLR(o, 4, 1.0)
  scheduleContract(t, { create: (optimizer) => new PolynomialLR(optimizer, { epochs: 4 }), lr: 0.4, rates: line });
  const square = [0.4, 0.225, 0.1, 0.025, 0, 0, 0]; // torch.optim.lr_scheduler.PolynomialLR(o, 4, 2.0)
  scheduleContract(t, { create: (optimizer) => new PolynomialLR(optimizer, { epochs: 4, power: 2 }), lr: 0.4, rates: square });
});

test('wrong milestones, epochs and powers are refused', (t) => {
  const optimizer = new SGD(new Linear(2, 1), { lr: 0.1 });
  for (const milestones of [undefined, 3, [3, 2], [-1], [1.5], ['1']]) {
    t.throws(() => new MultiStepLR(optimizer, { milestones: milestones as never }), { instanceOf: ArgumentError, message: /milestones/ });
  }
  t.throws(() => new MultiStepLR(optimizer, { milestones: [1], gamma: -1 }), { instanceOf: ArgumentError });
  t.throws(() => new PolynomialLR(optimizer, { epochs: 0 }), { instanceOf: ArgumentError, message: /epochs/ });
  t.throws(() => new PolynomialLR(optimizer, { epochs: 4, power: 0.5 }), { instanceOf: ArgumentError, message: /power/ });
});
