// Schedules against PyTorch's rates of 30 epochs, and the schedule contract.
import test from 'ava';
import { ConstantLR, ExponentialLR, StepLR } from '../../lib/index.js';
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
