// What every optimizer must do, whatever its rule. Each optimizer's own test calls this with its expectations.
import type { ExecutionContext } from 'ava';
import {
  ArgumentError,
  CrossEntropyLoss,
  Linear,
  NodegradError,
  type Optimizer,
  ReLU,
  Sequential,
  setSeed,
  type Tensor,
} from '../../lib/index.js';
import { f32, f64, i32, leaf } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';
import { golden, values } from '../helpers/golden.js';
import type { OptimizerRow } from '../helpers/optimizers.js';
import { Seeded } from '../helpers/seeded.js';
import { unitRoundoff } from '../helpers/special.js';

type Double = Tensor<'float64'>;

/** What an optimizer's test expects of it: see test/helpers/optimizers.ts. */
export type OptimizerExpectations = Pick<OptimizerRow, 'name' | 'create' | 'options' | 'refuses' | 'formula'>;

type Make = (target: unknown, options: unknown) => Optimizer;

/** Runs every check. Assertions stop at the first failure; its message begins with the check's name. */
export async function optimizerContract(t: ExecutionContext, expectations: OptimizerExpectations): Promise<void> {
  goldenTrajectories(t, expectations);
  followsFormula(t, expectations);
  resumes(t, expectations);
  groups(t, expectations);
  zeroing(t, expectations);
  await closures(t, expectations);
  frozen(t, expectations);
  rateChanges(t, expectations);
  refusals(t, expectations);
}

const maker = ({ create }: OptimizerExpectations) => create as unknown as Make;

/** Puts exactly `gradient` into the parameter's gradient: the loss is their inner product. */
function pull(parameter: Tensor<never>, gradient: ArrayLike<number>): void {
  const p = parameter as unknown as Double;
  const g = (p.dtype as string) === 'float32' ? (f32(gradient, p.shape) as unknown as Double) : f64(gradient, p.shape);
  p.mul(g).sum().backward();
}

function goldenTrajectories(t: ExecutionContext, expectations: OptimizerExpectations): void {
  const file = golden('optimizers');
  const cases = file.cases.filter((one) => one.optimizer === expectations.name);
  const long = golden('optimizer-runs').runs.filter((one) => one.optimizer === expectations.name);
  t.true(cases.length + long.length > 0 || expectations.formula !== undefined, 'a golden file has cases of this optimizer, or a formula');
  const [start, gradients] = [values(file.start, 'float64'), values(file.gradients, 'float64')];
  const width = start.length;
  for (const one of cases) {
    const trajectory = values(one.trajectory, 'float64');
    for (const dtype of ['float64', 'float32'] as const) {
      const parameter = leaf((dtype === 'float64' ? f64 : (f32 as unknown as typeof f64))(start));
      const optimizer = maker(expectations)([parameter], { ...one.options, lr: file.rates[0] });
      for (let step = 0; step < file.rates.length; step++) {
        optimizer.lr = file.rates[step];
        pull(parameter as never, gradients.subarray(step * width, (step + 1) * width));
        optimizer.step();
        optimizer.zeroGrad();
        // A step makes at most 16 roundings relative to |w| and to the distance walked so far; state errors do not grow (decays below 1).
        const walked = start.map((from, index) => {
          let sum = Math.abs(from);
          for (let s = 0; s <= step; s++)
            sum += Math.abs(trajectory[s * width + index] - (s === 0 ? from : trajectory[(s - 1) * width + index]));
          return sum * 16 * (step + 1) * unitRoundoff[dtype];
        });
        close(
          t,
          parameter,
          trajectory.subarray(step * width, (step + 1) * width),
          { absolute: walked },
          `${one.optimizer} ${JSON.stringify(one.options)} in ${dtype}, step ${step + 1}`,
        );
      }
    }
  }
}

function followsFormula(t: ExecutionContext, { create, options, formula }: OptimizerExpectations): void {
  if (formula === undefined) return;
  const random = new Seeded(12);
  const start = random.uniform(5, -2, 2);
  const parameter = leaf(f64(start));
  const optimizer = (create as unknown as Make)([parameter], options);
  const walks = Array.from(start, () => formula(options as never));
  const wanted = [...start];
  for (let step = 0; step < 500; step++) {
    const gradients = random.uniform(5, -1, 1).map((noise, i) => noise + wanted[i]);
    for (const [i, walk] of walks.entries()) wanted[i] = walk(wanted[i], gradients[i]);
    pull(parameter as never, gradients);
    optimizer.step();
    optimizer.zeroGrad();
  }
  close(t, parameter, wanted, { absolute: 1e-8 }, 'the formula, 500 steps');
}

/** A small net, its data, and one training step on it. */
function training(
  expectations: OptimizerExpectations,
  options: object = {},
): { model: Sequential; optimizer: Optimizer; step: (batch: number) => number } {
  setSeed(7);
  const model = new Sequential([new Linear(6, 5), new ReLU(), new Linear(5, 3)]);
  const optimizer = maker(expectations)(model, { ...expectations.options, ...options });
  const loss = new CrossEntropyLoss();
  return {
    model,
    optimizer,
    step(batch) {
      const random = new Seeded(1000 + batch);
      const x = f32(random.uniform(24), [4, 6]);
      const value = loss.forward(model.forward(x), i32(Array.from({ length: 4 }, () => random.integer(3))));
      optimizer.zeroGrad();
      value.backward();
      optimizer.step();
      return value.item();
    },
  };
}

const copyOf = (model: Sequential) => [...model.namedParameters()].map(([path, { data }]) => [path, Float32Array.from(data)] as const);

function sameWeights(t: ExecutionContext, actual: Sequential, expected: readonly (readonly [string, Float32Array])[], message: string): void {
  const found = copyOf(actual);
  for (const [index, [path, value]] of expected.entries()) identical(t, found[index][1], value, `${message}: ${path}`);
}

function resumes(t: ExecutionContext, expectations: OptimizerExpectations): void {
  const straight = training(expectations);
  for (let batch = 0; batch < 5; batch++) straight.step(batch);
  const [weights, state] = [straight.model.stateDict(), straight.optimizer.stateDict()];
  const resumed = training(expectations);
  resumed.step(99);
  resumed.model.loadStateDict(weights);
  resumed.optimizer.loadStateDict(state);
  for (let batch = 5; batch < 10; batch++) t.is(resumed.step(batch), straight.step(batch), `resuming: loss of step ${batch + 1}`);
  sameWeights(t, resumed.model, copyOf(straight.model), 'resuming from stateDict gives the bits of the uninterrupted run');

  const rate = resumed.optimizer.lr;
  const good = resumed.optimizer.stateDict();
  const groupsWith = (lr: unknown) => good.groups.map((group) => ({ ...group, lr }));
  for (const bad of [
    null,
    {},
    { ...good, kind: 'Other' },
    { ...good, step: -1 },
    { ...good, groups: [] },
    { ...good, groups: groupsWith(NaN) },
    { ...good, groups: groupsWith(7), tensors: new Map() },
  ]) {
    t.throws(() => resumed.optimizer.loadStateDict(bad as never), { instanceOf: NodegradError }, `resuming: ${JSON.stringify(bad)} is refused`);
    t.is(resumed.optimizer.lr, rate, 'resuming: a refused state changes nothing');
  }
}

function groups(t: ExecutionContext, expectations: OptimizerExpectations): void {
  const { lr } = expectations.options;
  const [fast, slow, alone] = [0, 1, 2].map(() => leaf(f64([1, -2, 3])));
  const both = maker(expectations)([{ parameters: [fast] }, { parameters: [slow], lr: lr / 4 }], expectations.options);
  const one = maker(expectations)([alone], { ...expectations.options, lr: lr / 4 });
  for (const gradient of [
    [1, 2, -1],
    [0.5, -1, 2],
  ]) {
    for (const parameter of [fast, slow, alone]) pull(parameter as never, gradient);
    for (const optimizer of [both, one]) {
      optimizer.step();
      optimizer.zeroGrad();
    }
  }
  identical(t, slow, alone, 'groups: a group with its own learning rate walks as if alone');
  t.notDeepEqual([...fast.data], [...slow.data], 'groups: the other group keeps the common rate');
}

function zeroing(t: ExecutionContext, expectations: OptimizerExpectations): void {
  const parameter = leaf(f64([1, 2]));
  const optimizer = maker(expectations)([parameter], expectations.options);
  pull(parameter as never, [3, 4]);
  pull(parameter as never, [3, 4]);
  t.deepEqual([...(parameter.grad as Double).data], [6, 8], 'zeroGrad: gradients add up until then');
  optimizer.zeroGrad();
  t.true(parameter.grad === null || parameter.grad.data.every((g: number) => g === 0), 'zeroGrad clears them');
  const before = [...parameter.data];
  pull(parameter as never, [3, 4]);
  t.deepEqual([...(parameter.grad as Double).data], [3, 4], 'zeroGrad: the next gradient starts afresh');
  t.deepEqual([...parameter.data], before, 'backward alone moves nothing');
}

async function closures(t: ExecutionContext, expectations: OptimizerExpectations): Promise<void> {
  const [plain, closed] = [leaf(f64([1, -2])), leaf(f64([1, -2]))];
  const first = maker(expectations)([plain], expectations.options);
  const second = maker(expectations)([closed], expectations.options);
  pull(plain as never, [0.5, 2]);
  t.falsy(first.step(), 'step() without a closure returns nothing');
  let calls = 0;
  const loss = second.step(() => {
    calls++;
    second.zeroGrad();
    const value = closed.mul(f64([0.5, 2])).sum();
    value.backward();
    return value as never;
  }) as unknown as Double | number;
  t.is(calls, 1, 'step(closure) calls it once');
  t.is(typeof loss === 'number' ? loss : loss.item(), -3.5, 'step(closure) returns its loss');
  identical(t, closed, plain, 'step(closure) walks as step() after backward');
}

function frozen(t: ExecutionContext, expectations: OptimizerExpectations): void {
  const { model, step } = training(expectations);
  step(0);
  const [first] = model.layers;
  first.freeze();
  const before = copyOf(model);
  step(1);
  step(2);
  for (const [index, [path, now]] of copyOf(model).entries()) {
    if (path.startsWith('0.')) identical(t, now, before[index][1], `frozen ${path} keeps its bits, decay and momentum included`);
    else t.notDeepEqual(now, before[index][1], `${path} is not frozen and moves`);
  }
  first.unfreeze();
  step(3);
  t.notDeepEqual(copyOf(model)[0][1], before[0][1], 'an unfrozen parameter moves again');
}

function rateChanges(t: ExecutionContext, expectations: OptimizerExpectations): void {
  const parameter = leaf(f64([1, 2]));
  const optimizer = maker(expectations)([parameter], expectations.options);
  t.is(optimizer.lr, expectations.options.lr, 'lr reads what was given');
  optimizer.lr = 0;
  pull(parameter as never, [1, 1]);
  optimizer.step();
  t.deepEqual([...parameter.data], [1, 2], 'with lr 0 nothing moves');
  optimizer.lr = 0.125;
  optimizer.step();
  t.true(parameter.data[0] < 1 && parameter.data[1] < 2, 'and with another it does');
  for (const bad of [NaN, Infinity, -1, '0.1', null])
    t.throws(() => (optimizer.lr = bad as number), { instanceOf: ArgumentError }, `lr ${bad} is refused`);
  t.is(optimizer.lr, 0.125, 'a refused lr changes nothing');
}

function refusals(t: ExecutionContext, expectations: OptimizerExpectations): void {
  const create = maker(expectations);
  const parameter = leaf(f64([1]));
  t.throws(
    () => create([parameter], { ...expectations.options, learningRate: 0.1 }),
    { instanceOf: ArgumentError, message: /learningRate/ },
    'an unknown option is refused by name',
  );
  for (const [options, says] of expectations.refuses) {
    t.throws(
      () => create([parameter], { ...expectations.options, ...options }),
      { instanceOf: NodegradError, message: says },
      JSON.stringify(options),
    );
  }
  t.throws(() => create([], expectations.options), { instanceOf: ArgumentError }, 'no parameters at all');
  t.throws(() => create([parameter, parameter], expectations.options), { instanceOf: ArgumentError }, 'a parameter twice');
  t.throws(() => create(undefined, expectations.options), { instanceOf: ArgumentError });
  t.throws(() => create([42], expectations.options), { instanceOf: ArgumentError });
}
