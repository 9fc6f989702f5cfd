// What every schedule must do. Each schedule's own test calls this with the values it promises.
import type { ExecutionContext } from 'ava';
import { compileStep, Linear, ones, type Schedule, SGD } from '../../lib/index.js';
import { close } from '../helpers/close.js';

/** The values that a schedule promises, for t from 0. */
export interface ScheduleExpectations {
  readonly create: () => Schedule;
  readonly values: readonly number[];
  /** Scores of the epochs, for a schedule that listens. */
  readonly scores?: readonly number[];
}

/** Runs every check. */
export function scheduleContract(t: ExecutionContext, { create, values, scores }: ScheduleExpectations): void {
  // A power by repeated multiplication makes one rounding a factor, on either side; a cosine near its foot is a difference of large numbers.
  const near = { relative: 2 * values.length * 2 ** -53, absolute: 2 ** -50 * Math.max(...values.map(Math.abs)) };
  const fresh = () => {
    const model = new Linear(1, 1);
    return { model, optimizer: new SGD(model, { lr: create() }) };
  };
  // The rates of `count` epochs or steps.
  const walk = ({ model, optimizer }: ReturnType<typeof fresh>, count: number, compiled: boolean, from = 0): number[] => {
    const body = (): void => {
      optimizer.zeroGrad();
      model
        .forward(ones([1, 1]))
        .sum()
        .backward();
      optimizer.step();
      if (create().per === 'epoch' && scores === undefined) optimizer.nextEpoch();
    };
    const step = compiled ? compileStep(body) : null;
    const rates = Array.from({ length: count }, (_, i) => {
      const { lr } = optimizer;
      if (step === null) body();
      else step.sync();
      if (scores !== undefined) optimizer.nextEpoch(scores[from + i]);
      return lr;
    });
    step?.dispose();
    return rates;
  };

  if (scores === undefined) {
    const schedule = create();
    const all = values.map((_, at) => schedule.at(at));
    close(t, all, values, near, 'at(t)');
    t.deepEqual(
      values.map((_, at) => schedule.at(at)),
      all,
      'asking changes nothing',
    );
    for (const bad of [-1, 0.5, NaN, '1']) t.throws(() => schedule.at(bad as number), { code: 'ERR_ARGUMENT' }, `at(${bad}) is refused`);
  }
  const eager = walk(fresh(), values.length, false);
  close(t, eager, values, near, 'rates of an optimizer');
  t.deepEqual(walk(fresh(), values.length, true), eager, 'compiled steps have the rates of eager ones');

  const half = Math.floor(values.length / 2);
  const [before, after] = [fresh(), fresh()];
  walk(before, half, false);
  const { tensors, ...state } = before.optimizer.stateDict();
  const plain = JSON.parse(JSON.stringify(state)) as typeof state;
  t.deepEqual(plain, state, 'the state is plain JSON');
  after.optimizer.loadStateDict({ ...plain, tensors });
  close(t, walk(after, values.length - half, false, half), values.slice(half), near, 'rates after resuming');
}
