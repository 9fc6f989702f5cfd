// L-BFGS, BFGS and Newton: PyTorch's walk, quadratics, Rosenbrock's valley, what they remember and what they refuse.
import test from 'ava';
import {
  ArgumentError,
  BFGS,
  compileStep,
  CrossEntropyLoss,
  LBFGS,
  Linear,
  log,
  mseLoss,
  Newton,
  type Optimizer,
  Sequential,
  StepDecay,
  type Tensor,
  TensorDataset,
  tensor,
} from '../../lib/index.js';
import { f32, f64, i32, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';
import { golden, Lcg } from '../helpers/golden.js';

type Double = Tensor<'float64'>;

/** f = ½wᵀAw − bᵀw + Σw⁴/4 of test/golden/optimizers.py. */
function course(): { w: Double; loss: () => Double } {
  const lcg = new Lcg(7);
  const take = (n: number, shape: number[]): Double =>
    f64(
      Array.from({ length: n }, () => lcg.next() - 0.5),
      shape,
    );
  const c = take(36, [6, 6]);
  const half = f64(Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 0.5 : 0)), [6, 6]); // biome-ignore format: one line
  const a = c.matmul(c, { transposeB: true }).div(6).add(half);
  const b = take(6, [6]);
  const w = leaf(f64([1, -1, 2, -2, 0.5, 0]));
  const loss = () => {
    const row = w.reshape([1, 6]);
    const square = row.matmul(a).mul(row).sum().mul(0.5);
    return square.sub(w.mul(b).sum()).add(w.pow(4).sum().mul(0.25)) as Double;
  };
  return { w, loss };
}

const closureOf = (loss: () => Double) => (): Double => {
  const value = loss();
  value.backward();
  return value;
};

for (const { options, losses, points, calls } of golden('optimizer-runs').lbfgs) {
  test(`L-BFGS walks as PyTorch's: ${JSON.stringify(options)}`, (t) => {
    const { w, loss } = course();
    const { history, maxIterations, lineSearch } = options;
    const optimizer = new LBFGS([w] as never, { history, maxIterations, lineSearch: lineSearch === null ? 'none' : 'strongWolfe' });
    let count = 0;
    const closure = (): Double => {
      count += 1;
      return closureOf(loss)();
    };
    for (const [step, wanted] of losses.entries()) {
      close(t, [optimizer.step(closure).item()], [wanted], { absolute: 1e-8 }, `loss of step ${step + 1}`);
      close(t, w, points[step], { absolute: 1e-8 }, `place after step ${step + 1}`);
    }
    t.is(count, calls, 'evaluations');
    t.is(optimizer.steps, losses.length);
  });
}

const rosenbrock = (w: Double): Double => {
  const [x, y] = [w.slice(0, 1), w.slice(1, 2)];
  return y.sub(x.mul(x)).pow(2).mul(100).add(x.neg().add(1).pow(2)).sum() as Double;
};

test("Rosenbrock's valley is walked to its end by L-BFGS and BFGS, float32 parameters included", (t) => {
  for (const make of [LBFGS, BFGS]) {
    const w = leaf(f64([-1.2, 1]));
    const optimizer = new make([w] as never, { maxIterations: 60, maxEvaluations: 200, toleranceChange: 1e-16 });
    optimizer.step(closureOf(() => rosenbrock(w)));
    close(t, w, [1, 1], { absolute: 1e-6 }, make.name);
    const narrow = leaf(f32([-1.2, 1]) as never) as unknown as Tensor;
    new make([narrow] as never, { maxIterations: 60, maxEvaluations: 200, toleranceChange: 1e-16 }).step(
      closureOf(() => rosenbrock(narrow as never)),
    );
    close(t, narrow as never, [1, 1], { absolute: 2e-2 }, `${make.name} in float32`);
  }
});

test('Newton goes downhill at a saddle, and takes the share of its step that lr says', (t) => {
  const w = leaf(f64([1, 0.5]));
  const saddle = () => w.mul(w).mul(f64([1, -1])).sum() as Double; // biome-ignore format: one line
  const newton = new Newton([w] as never);
  const before = newton.step(closureOf(saddle)).item();
  t.true(saddle().item() < before);
  const bowl = leaf(f64([4]));
  const half = new Newton([bowl] as never, { lr: new StepDecay(0.5, { every: 1, factor: 0.5, per: 'step' }) });
  half.step(closureOf(() => bowl.mul(bowl).sum() as Double));
  close(t, bowl, [2], { absolute: 1e-9 });
  half.step(closureOf(() => bowl.mul(bowl).sum() as Double));
  close(t, bowl, [1.5], { absolute: 1e-9 });
  const damped = leaf(f64([4]));
  new Newton([damped] as never, { damping: 2 }).step(closureOf(() => damped.mul(damped).sum() as Double));
  close(t, damped, [2], { absolute: 1e-9 });
});

test('what quasi-Newton methods remember is in their state: a resumed run has the bits of the uninterrupted one', (t) => {
  for (const make of [LBFGS, BFGS]) {
    const straight = course();
    const optimizer = new make([straight.w] as never, { maxIterations: 3 });
    optimizer.step(closureOf(straight.loss));
    const resumed = course();
    const other = new make([resumed.w] as never, { maxIterations: 3 });
    resumed.w.data.set(straight.w.data);
    const state = optimizer.stateDict();
    const { tensors, ...plain } = state;
    t.deepEqual(JSON.parse(JSON.stringify(plain)), plain);
    t.true(tensors.size > 2);
    other.loadStateDict({ ...(JSON.parse(JSON.stringify(plain)) as typeof plain), tensors });
    for (let step = 0; step < 2; step++) {
      t.is(other.step(closureOf(resumed.loss)).item(), optimizer.step(closureOf(straight.loss)).item());
      t.deepEqual([...resumed.w.data], [...straight.w.data]);
    }
    t.throws(() => other.loadStateDict({ ...state, memory: { pairs: 'x' } as never }), { instanceOf: ArgumentError, message: /state\.memory/ });
  }
});

test('a loss that is not finite shortens the step, and an error in the closure leaves the weights as they were', (t) => {
  const w = leaf(f64([1]));
  // 4w − log(w) has no value below 0, where the first step along the gradient leads.
  new LBFGS([w] as never, { lr: 10 }).step(closureOf(() => w.mul(4).sub(log(w)).sum() as Double));
  close(t, w, [0.25], { absolute: 1e-5 });
  const before = [...w.data];
  let calls = 0;
  const failing = (): Double => {
    if (calls++ === 1) throw new TypeError('from the user');
    return closureOf(() => w.mul(w).sum() as Double)();
  };
  const bfgs = new BFGS([w] as never);
  const memory = bfgs.stateDict();
  t.throws(() => bfgs.step(failing), { message: 'from the user' });
  t.deepEqual([...w.data], before);
  t.deepEqual([bfgs.stateDict().memory, bfgs.stateDict().tensors.size], [memory.memory, memory.tensors.size]);
});

test('frozen parameters stay, and those without a gradient have one of zero', (t) => {
  const model = new Linear(2, 1);
  (model.bias as unknown as Tensor).requiresGrad = false;
  const kept = model.bias?.data[0];
  const x = tensor([[1, 2], [3, 5]]); // biome-ignore format: one line
  const y = tensor([[1], [2]]);
  const optimizer = new LBFGS(model);
  for (let i = 0; i < 3; i++) optimizer.step(closureOf(() => mseLoss(model.forward(x), y) as never));
  t.is(model.bias?.data[0], kept);
  t.true(mseLoss(model.forward(x), y).item() < 1e-6);
});

test('they are refused where their closure cannot be called: without one, in compiled steps, in fit, over groups; and for large problems', async (t) => {
  const model = new Sequential([new Linear(2, 2)]);
  const makers: ((target: never) => Optimizer)[] = [
    (target) => new LBFGS(target) as unknown as Optimizer,
    (target) => new BFGS(target) as unknown as Optimizer,
    (target) => new Newton(target) as unknown as Optimizer,
  ];
  for (const make of makers) {
    const optimizer = make(model as never);
    t.throws(() => optimizer.step(), { instanceOf: ArgumentError, message: /closure/ });
    t.throws(() => optimizer.step(() => 'low'), { instanceOf: ArgumentError, message: /loss/ });
    t.throws(() => compileStep(() => void optimizer.step(() => 1)).sync(), { message: /several times/ });
    const [first, second] = [leaf(f64([1])), leaf(f64([1]))];
    const grouped = make([{ parameters: [first] }, { parameters: [second] }] as never);
    t.throws(() => grouped.step(() => 1), { instanceOf: ArgumentError, message: /one group/ });
  }
  const data = new TensorDataset(tensor([[1, 2]]), i32([1]));
  const fitted = model.fit(data, { loss: new CrossEntropyLoss(), optimizer: makers[0](model as never), log: false, progress: false });
  await t.throwsAsync(fitted, { message: /several times.*fit/ });
  for (const make of makers.slice(1)) t.throws(() => make(new Linear(70, 70) as never), { instanceOf: ArgumentError, message: /at most 4096/ });
  for (const options of [{ maxIterations: 0 }, { history: 0 }, { toleranceGradient: -1 }, { lineSearch: 'armijo' }, { lr: -1 }, { damping: 1 }])
    t.throws(() => new LBFGS(model, options as never), { instanceOf: ArgumentError, message: new RegExp(Object.keys(options)[0]) });
  t.throws(() => new Newton(model, { damping: -1 }), { instanceOf: ArgumentError, message: /options\.damping/ });
});
