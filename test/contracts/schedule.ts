// What every learning-rate schedule must do. Each schedule's own test calls this with the rates it promises.
import type { ExecutionContext } from 'ava';
import { Linear, type Optimizer, type Schedule, SGD } from '../../lib/index.js';
import { close } from '../helpers/close.js';

/** The rates that a schedule promises, from the given starting rate, for consecutive epochs. */
export interface ScheduleExpectations {
  readonly create: (optimizer: Optimizer) => Schedule;
  readonly lr: number;
  readonly rates: readonly number[];
}

/** Runs every check. */
export function scheduleContract(t: ExecutionContext, { create, lr, rates }: ScheduleExpectations): void {
  const walk = (schedule: Schedule, optimizer: Optimizer, epochs: number) =>
    Array.from({ length: epochs }, () => {
      const now = optimizer.lr;
      schedule.step();
      return now;
    });
  const fresh = () => {
    const optimizer = new SGD(new Linear(2, 2), { lr });
    return { optimizer, schedule: create(optimizer) };
  };

  const straight = fresh();
  t.is(straight.optimizer.lr, rates[0], 'the first epoch runs at its own rate before any step');
  // A power taken by repeated multiplication makes one rounding an epoch, on either side.
  close(t, walk(straight.schedule, straight.optimizer, rates.length), rates, { relative: 2 * rates.length * 2 ** -53 }, 'rates');

  const half = Math.floor(rates.length / 2);
  const before = fresh();
  walk(before.schedule, before.optimizer, half);
  const after = fresh();
  after.schedule.loadStateDict(before.schedule.stateDict());
  close(
    t,
    walk(after.schedule, after.optimizer, rates.length - half),
    rates.slice(half),
    { relative: 2 * rates.length * 2 ** -53 },
    'rates after resuming',
  );
  const plain = JSON.parse(JSON.stringify(before.schedule.stateDict())) as unknown;
  t.deepEqual(plain, before.schedule.stateDict() as unknown, 'the state is plain JSON');
}
