// backward() uses the values of its forward pass: what was updated in place since then is refused by name.

import test from 'ava';
import { BatchNorm1d, Linear, ReLU, SGD, Sequential, type Tensor, clipGradNorm, compileStep, ones, setSeed, tensor } from '../../lib/index.js';

const chain = (): Sequential => {
  setSeed(1);
  return new Sequential([new Linear(2, 3), new ReLU(), new Linear(3, 1)]);
};

const updates: [what: string, update: (model: Sequential) => void][] = [
  ['an optimizer', (model) => void new SGD(model, { lr: 0.5 }).step()],
  ['loadStateDict()', (model) => void model.loadStateDict(model.stateDict())],
  ['a compiled step', (model) => void compileStep(() => new SgdOnce(model).step()).sync()],
  ['a conversion', (model) => void model.to('float64')],
];
class SgdOnce {
  static optimizers = new WeakMap<object, SGD>();
  constructor(private readonly model: Sequential) {}
  step(): void {
    SgdOnce.optimizers.get(this.model)?.step();
  }
}

for (const [what, update] of updates) {
  test(`backward() refuses weights that ${what} has changed since the forward pass, and names them (fault F09)`, (t) => {
    const model = chain();
    const [a, b] = [tensor([[1, 2]]), tensor([[2, 1]])].map((x) => model.forward(x).sum());
    SgdOnce.optimizers.set(model, new SGD(model, { lr: 0.5 }));
    a.backward();
    update(model);
    t.throws(() => b.backward(), {
      message:
        /^backward\(\) of operation 'matmul' in layer '2' needs parameter '2\.weight' of shape \[3, 1\].*before the update.*forward pass again/s,
    });
  });
}

test('the same is refused while a step is recorded, and nothing is left behind (fault F09)', (t) => {
  const model = chain();
  const optimizer = new SGD(model, { lr: 0.5 });
  const step = compileStep((x: Tensor) => {
    const [a, b] = [model.forward(x).sum(), model.forward(x.mul(2)).sum()];
    a.backward();
    optimizer.step();
    b.backward();
  });
  t.throws(() => step.sync(tensor([[1, 2]])), { message: /needs parameter '2\.weight'/ });
  t.true(model.parameters().every(({ grad }) => grad === null));
  const loss = model.forward(tensor([[1, 2]])).sum();
  t.throws(() => step.describe(tensor([[1, 2]])), { message: /needs parameter/ });
  loss.backward();
  t.pass('a recording that failed has updated nothing');
});

test('only values that the gradient needs count: biases, weights of a first layer, sums, and what was made after the update (fault F09)', (t) => {
  const model = chain();
  const optimizer = new SGD(model, { lr: 0.5 });
  const first = (model.layers[0] as Linear).forward(tensor([[1, 2]])).sum();
  const summed = model.layers[0] && (model.layers[0] as Linear).weight.add(1).sum();
  model
    .forward(tensor([[2, 1]]))
    .sum()
    .backward();
  optimizer.step();
  first.backward();
  summed.backward();
  const after = model.forward(tensor([[2, 1]])).sum();
  optimizer.zeroGrad();
  after.backward();
  t.pass();
});

test('views of what was updated count as it, and so do running statistics and gradients (fault F09)', (t) => {
  const model = new Linear(2, 2);
  const optimizer = new SGD(model, { lr: 0.5 });
  const x = ones([2, 2]);
  x.requiresGrad = true;
  const view = model.weight.detach();
  const viaView = x.mul(view).sum();
  model
    .forward(ones([2, 2]))
    .sum()
    .backward();
  const viaGradient = x.mul(model.weight.grad as unknown as Tensor).sum();
  optimizer.step();
  t.throws(() => viaView.backward(), { message: /operation 'mul' needs a tensor of shape \[2, 2\]/ });
  optimizer.zeroGrad();
  t.throws(() => viaGradient.backward(), { message: /operation 'mul'/ });
  const norm = new BatchNorm1d(2);
  const evaluated = norm.eval().forward(x).sum();
  norm.train().forward(ones([4, 2]));
  t.throws(() => evaluated.backward(), { message: /batch_norm/ });
  const clipped = x.mul(model.weight.grad as unknown as Tensor).sum();
  clipGradNorm(model, 1);
  t.throws(() => clipped.backward(), { message: /operation 'mul'/ });
});

test('a plain leaf that its optimizer has updated is refused too; writing through data is nobody’s business (fault F09)', (t) => {
  const w = tensor([1, 2]);
  w.requiresGrad = true;
  const optimizer = new SGD([w], { lr: 0.5 });
  const [a, b, c] = [w.mul(w).sum(), w.mul(w).sum(), w.mul(3).sum()];
  a.backward();
  optimizer.step();
  t.throws(() => b.backward(), { message: /operation 'mul' needs a tensor/ });
  c.backward();
  const d = w.mul(w).sum();
  w.data.set([3, 4]);
  d.backward();
});
