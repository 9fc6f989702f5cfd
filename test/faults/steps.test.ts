// A compiled step gives the numbers of the eager one, or says what of it cannot be recorded; and backward() uses the values of its forward pass.

import test, { type ExecutionContext } from 'ava';
import {
  Accuracy,
  Adam,
  BatchNorm1d,
  Buffer,
  type CompiledStep,
  Constant,
  DataLoader,
  Dropout,
  ExponentialLR,
  Layer,
  Linear,
  type Optimizer,
  Parameter,
  ReLU,
  Random,
  SGD,
  Sequential,
  StepLR,
  Tensor,
  TensorDataset,
  Zeros,
  clipGradNorm,
  compileStep,
  dropout,
  ones,
  setConvolution,
  setSeed,
  tensor,
} from '../../lib/index.js';
import { UnrecordableError } from '../../lib/recording.js';

const ways = ['eager', 'sync', 'awaited', 'many'] as const;
type Way = (typeof ways)[number];
type Body = (x: Tensor) => unknown;

/** Runs a step some times in one way; `between` comes after each, but for many steps in one call, which have nothing between them. */
async function steps(way: Way, body: Body, count: number, between: (i: number) => void = () => {}): Promise<void> {
  const x = tensor([[1, 2]]);
  const step = compileStep(body) as unknown as CompiledStep<[Tensor, Tensor], unknown>;
  if (way === 'many') {
    const rows = Tensor.from(
      Float32Array.from({ length: 2 * count }, (_, i) => (i % 2) + 1),
      [count, 2],
    );
    await step.many(new DataLoader(new TensorDataset(rows, ones([count, 1])), { batchSize: 1 }));
    return;
  }
  for (let i = 0; i < count; i++) {
    if (way === 'eager') body(x);
    else if (way === 'sync') step.sync(x, x);
    else await step(x, x);
    between(i);
  }
}

interface Bench {
  model: Linear;
  optimizer: Optimizer;
  schedule: ExponentialLR;
}

function bench(make: (model: Linear) => Optimizer = (model) => new SGD(model, { lr: 0.1 })): Bench {
  setSeed(4);
  const model = new Linear(2, 1);
  const optimizer = make(model);
  return { model, optimizer, schedule: new ExponentialLR(optimizer, { gamma: 0.5 }) };
}

const stateOf = ({ model, optimizer, schedule }: Bench): unknown => ({
  weights: model.parameters().map((parameter) => [...parameter.data]),
  gradients: model.parameters().map(({ grad }) => grad && [...grad.data]),
  trained: model.parameters().map(({ requiresGrad }) => requiresGrad),
  training: model.training,
  steps: optimizer.steps,
  counts: optimizer.stateDict().counts,
  rate: optimizer.lr,
  epoch: schedule.epoch,
});

/** The step does in all ways what it does eagerly. */
async function agrees(
  t: ExecutionContext,
  body: (bench: Bench) => Body,
  between?: (bench: Bench, i: number) => void,
  make?: (model: Linear) => Optimizer,
): Promise<void> {
  const run = async (way: Way): Promise<unknown> => {
    const one = bench(make);
    await steps(way, body(one), 4, (i) => between?.(one, i));
    return stateOf(one);
  };
  const eager = await run('eager');
  for (const way of ways.slice(1, between === undefined ? 4 : 3)) t.deepEqual(await run(way), eager, way);
}

/** The step is refused in all ways, and everything is as it was. */
async function refuses(t: ExecutionContext, body: (bench: Bench) => Body, message: RegExp): Promise<void> {
  for (const way of ways.slice(1)) {
    const one = bench();
    const { model, optimizer } = one;
    model.forward(tensor([[1, 2]]));
    const [before, tape] = [stateOf(one), model.forward(tensor([[1, 2]])).sum()];
    const error = await t.throwsAsync(steps(way, body(one), 1), { instanceOf: UnrecordableError }, way);
    t.regex(error?.message ?? '', message, way);
    t.deepEqual(stateOf(one), before, `${way}: something was left behind`);
    tape.backward(); // nothing was updated in between
    optimizer.step();
  }
}

const loss = ({ model }: Bench, x: Tensor): Tensor => model.forward(x).sum();

// ---- gradients that are set to null, or to a tensor ----

test('gradients set to null inside of a compiled step are null in every step, not only in the recorded one (fault F10)', async (t) => {
  await agrees(t, (one) => (x) => {
    for (const parameter of one.model.parameters()) parameter.grad = null;
    loss(one, x).backward();
    one.optimizer.step();
  });
});

test('a step may end with gradients set to null, or set some of them (faults F10, F11)', async (t) => {
  await agrees(t, (one) => (x) => {
    loss(one, x).backward();
    one.optimizer.step();
    for (const parameter of one.model.parameters()) parameter.grad = null;
  });
  await agrees(t, (one) => (x) => {
    loss(one, x).backward();
    one.model.weight.grad = null;
    one.optimizer.step();
  });
  await agrees(t, (one) => (x) => {
    loss(one, x).backward();
    one.optimizer.step();
    one.optimizer.zeroGrad({ setToNull: true });
  });
});

test('gradients set to null between two compiled steps are null for the next one, and for an update outside of it (fault F11)', async (t) => {
  const clear = ({ model }: Bench): void => {
    for (const parameter of model.parameters()) parameter.grad = null;
  };
  await agrees(
    t,
    (one) => (x) => loss(one, x).backward(),
    (one) => {
      one.optimizer.step();
      clear(one);
    },
  );
  await agrees(
    t,
    (one) => (x) => loss(one, x).backward(),
    (one, i) => {
      if (i % 2 === 1) one.model.weight.grad = null;
      one.optimizer.step();
    },
  );
  await agrees(t, (one) => () => one.optimizer.step() ?? null, (one, i) => {
    if (i === 0) loss(one, tensor([[3, 1]])).backward();
    if (i === 1) one.model.weight.grad = null;
  });
});

test('a gradient set to a tensor inside of a compiled step is that tensor in every step (fault F10)', async (t) => {
  await agrees(t, (one) => (x) => {
    loss(one, x).backward();
    const { weight, bias } = one.model;
    weight.grad = (weight.grad as unknown as Tensor).mul(0.5) as never;
    (bias as unknown as Parameter).grad = tensor([3]) as never;
    one.optimizer.step();
  });
});

test('whether a gradient is there may decide what a step does: it is recorded anew when that changes (fault F10)', async (t) => {
  await agrees(t, (one) => (x) => {
    if (one.model.weight.grad === null) one.model.freeze();
    else one.model.unfreeze();
    one.model.bias?.grad === null ? loss(one, x.mul(2)).detach() : null;
    one.model.unfreeze();
    loss(one, x).backward();
    one.optimizer.step();
  });
});

test('an update that is recorded before any gradient moves nothing, decay and counts included (fault F11)', async (t) => {
  const decaying = (model: Linear): Optimizer => new Adam(model, { lr: 0.1, weightDecay: 0.5 });
  await agrees(t, (one) => () => one.optimizer.step() ?? null, (one, i) => {
    if (i === 1) loss(one, tensor([[3, 1]])).backward();
  }, decaying);
});

test('a parameter without a gradient is left alone by momentum and decay; one that a step does not reach has a gradient of zeros (fault F19)', (t) => {
  const run = (clear: (optimizer: Optimizer) => void): number[] => {
    const [a, b] = [1, 1].map((value) => new Parameter([1], { init: new Constant(value) }));
    const model = Object.assign(new Sequential([]), { a, b });
    const optimizer = new SGD(model, { lr: 0.1, momentum: 0.5 });
    a.add(b).sum().backward();
    optimizer.step();
    clear(optimizer);
    a.sum().backward();
    optimizer.step();
    return [a.item(), b.item()].map((value) => Math.round(value * 1e4) / 1e4);
  };
  t.deepEqual(run((optimizer) => optimizer.zeroGrad()), [0.75, 0.85]);
  t.deepEqual(run((optimizer) => optimizer.zeroGrad({ setToNull: true })), [0.75, 0.9]);
  t.throws(() => run((optimizer) => optimizer.zeroGrad({ setToNul: true } as never)), { message: /setToNul/ });
});

// ---- rates, modes, what is trained ----

test('schedule.step() inside of a compiled step lowers the rate in every step, at its place among the updates (fault F12)', async (t) => {
  for (const make of [undefined, (model: Linear) => new Adam(model, { lr: 0.1 })]) {
    await agrees(t, (one) => (x) => {
      one.optimizer.zeroGrad();
      loss(one, x).backward();
      one.optimizer.step();
      one.schedule.step();
    }, undefined, make);
    await agrees(t, (one) => (x) => {
      one.schedule.step();
      loss(one, x).backward();
      one.optimizer.step();
      one.schedule.step();
      loss(one, x).backward();
      one.optimizer.step();
      one.optimizer.zeroGrad();
    }, undefined, make);
  }
});

test('two updates in one step count as two, for each parameter by itself (fault F12)', async (t) => {
  await agrees(t, (one) => (x) => {
    loss(one, x).backward();
    one.optimizer.step();
    one.model.bias?.grad && (one.model.bias.grad = null);
    one.optimizer.step();
  }, undefined, (model) => new Adam(model, { lr: 0.1 }));
});

test('a step may freeze, thaw and change modes on its way, and leaves them as it does eagerly (fault F12)', async (t) => {
  await agrees(t, (one) => (x) => {
    one.model.freeze();
    one.model.weight.requiresGrad = true;
    loss(one, x).backward();
    one.optimizer.step();
    one.model.unfreeze();
    loss(one, x).backward();
    one.optimizer.step();
    one.optimizer.zeroGrad();
    one.model.eval();
  });
  const train = (compiled: boolean): unknown => {
    setSeed(2);
    const model = new Sequential([new Linear(2, 8), new Dropout(0.5), new BatchNorm1d(8)]);
    const body = (x: Tensor): Tensor => {
      const before = model.eval().forward(x).detach();
      return model.train().forward(x).add(before).detach();
    };
    const step = compileStep(body);
    const outputs = [0, 1, 2].map((i) => {
      if (i === 1) model.eval();
      return (compiled ? step.sync(ones([3, 2])) : body(ones([3, 2]))).toArray();
    });
    return [outputs, model.training];
  };
  t.deepEqual(train(true), train(false));
});

test('a choice of algorithms made between two steps counts for the next one (fault F12)', (t) => {
  const model = new (class extends Layer {
    forward(x: Tensor): Tensor {
      return x;
    }
  })();
  let recordings = 0;
  const step = compileStep((x: Tensor) => {
    recordings += 1;
    return model.forward(x);
  });
  step.sync(ones([1]));
  setConvolution('im2col');
  step.sync(ones([1]));
  t.is(recordings, 1, 'a step without convolutions does not care');
  setConvolution('auto');
});

test.serial('setSeed() between two steps restarts the generator that a recorded step draws from (fault F12)', async (t) => {
  const draw = async (way: Way): Promise<unknown[]> => {
    const seen: unknown[] = [];
    setSeed(1);
    const body = (x: Tensor): Tensor => dropout(x, 0.5);
    const step = compileStep(body);
    for (let i = 0; i < 4; i++) {
      if (i === 2) setSeed(1);
      const y = way === 'eager' ? body(ones([16])) : way === 'sync' ? step.sync(ones([16])) : await step(ones([16]));
      seen.push(y.toArray());
    }
    return seen;
  };
  const eager = await draw('eager');
  t.deepEqual(eager.slice(2), eager.slice(0, 2));
  for (const way of ['sync', 'awaited'] as const) t.deepEqual(await draw(way), eager);
});

// ---- what cannot be recorded ----

const refused: [what: string, body: (bench: Bench) => Body, message: RegExp][] = [
  ['optimizer.lr is set', (one) => () => void (one.optimizer.lr = 0.5), /option of an optimizer \(`lr`\) was set.*schedule/s],
  ['an option of a group is set', (one) => () => void (one.optimizer.groups[0].options.lr *= 2), /option of an optimizer \(`lr`\)/],
  ['optimizer.lr is read', (one) => () => ({ rate: one.optimizer.lr }), /`lr`\) was read/],
  ['optimizer.steps is read', (one) => () => ({ steps: one.optimizer.steps }), /`optimizer.steps` was read.*argument/],
  ['schedule.epoch is read', (one) => () => ({ epoch: one.schedule.epoch }), /`schedule.epoch` was read/],
  ['an optimizer is loaded', (one) => () => one.optimizer.loadStateDict({} as never), /state of an optimizer was loaded/],
  ['an optimizer is saved', (one) => () => void one.optimizer.stateDict(), /state of an optimizer was taken/],
  ['a schedule is loaded', (one) => () => one.schedule.loadStateDict({} as never), /state of a schedule was loaded/],
  ['an optimizer is made', (one) => () => void new SGD(one.model, { lr: 1 }), /an optimizer was made/],
  ['a schedule is made', (one) => () => void new StepLR(one.optimizer, { stepSize: 1 }), /a schedule was made/],
  ['a parameter is made', () => () => void new Linear(2, 2), /a parameter was made/],
  ['a buffer is made', () => () => void new Buffer([2]), /a buffer was made/],
  ['a generator is made', () => () => void dropout(ones([2]), 0.5, { random: new Random(1) }), /a generator was made/],
  ['a parameter is written', (one) => () => void (one.model.weight.data[0] = 5), /memory of a parameter.*noGrad/s],
  ['a parameter is read', (one) => () => void one.model.weight.sum().add(one.model.bias?.item() as number), /memory of a parameter/],
  [
    'a gradient is written',
    (one) => (x) => {
      loss(one, x).backward();
      one.model.weight.grad?.data.fill(0);
    },
    /memory of a parameter, its gradient/,
  ],
  [
    'a refusal is caught',
    (one) => (x) => {
      loss(one, x).backward();
      try {
        one.optimizer.lr = 0.5;
      } catch {
        // goes on as if nothing had happened
      }
      one.optimizer.step();
    },
    /`lr`\) was set/,
  ],
  ['values are loaded', (one) => () => void one.model.loadStateDict(new Map()), /values were loaded/],
  ['a model is converted', (one) => () => void one.model.to('float64'), /a model was converted/],
  ['a model is copied', (one) => () => void one.model.clone(), /a model was copied/],
  ['a model is saved', (one) => () => void one.model.toBytes(), /a model was saved/],
  ['a model predicts', (one) => (x) => void one.model.predict(x), /predict\(\) was called/],
  ['a model is fitted', (one) => () => void one.model.fit({} as never, {} as never), /fit\(\) was called/],
  ['the seed is set', () => () => setSeed(1), /setSeed\(\) was called/],
  ['a number is drawn', () => (x) => x.mul(RANDOM.uniform()), /random number was drawn/],
  ['a metric is reset', () => () => new Accuracy().reset(), /a metric was reset/],
  ['a batch is fetched', () => () => void [...new DataLoader(new TensorDataset(ones([2, 2]), ones([2, 1]))).epoch(0)], /a batch was fetched/],
  [
    'a plain tensor is written',
    () => (x) => {
      PLAIN.data[0] += 1;
      return x.add(PLAIN);
    },
    /written through `data`/,
  ],
  [
    'a tensor is written after it was used',
    () => (x) => {
      const inner = tensor([1, 2]);
      const y = x.add(inner);
      inner.data[0] = 7;
      return y.add(inner);
    },
    /written through `data`/,
  ],
  ['a tape from outside is used', (one) => () => one.model.forward(TAPE).sum().mul(BEFORE).backward(), /ran before the step was recorded/],
  ['an argument is to require a gradient', () => (x) => void (x.requiresGrad = true), /arguments of a compiled step are copies.*detach/s],
  ['a plain leaf is trained', () => (x) => x.mul(LEAF).sum().backward(), /gradients of parameters only.*new Parameter/s],
  ['the gradient of a plain leaf is set', () => () => void (LEAF.grad = null), /new Parameter/],
];
const RANDOM = new Random(3);
const PLAIN = tensor([1, 2]);
const TAPE = tensor([[1, 2]]);
const LEAF = tensor([1, 2]);
LEAF.requiresGrad = true;
const BEFORE = LEAF.mul(2).sum();

for (const [what, body, message] of refused) {
  test(`a step is refused, and leaves nothing behind, where ${what} inside of it (${/lr|option|schedule/.test(what) ? 'fault F12' : 'faults F10, F12'})`, async (t) => {
    await refuses(t, body, message);
    t.deepEqual([...PLAIN.data].slice(1), [2]);
    PLAIN.data[0] = 1;
    t.is(LEAF.grad, null);
  });
}

test('a step that throws in the middle of its recording leaves everything as it was (fault F21)', async (t) => {
  for (const way of ways.slice(1)) {
    const one = bench();
    one.model.forward(ones([1, 2]));
    const before = stateOf(one);
    const body = (x: Tensor): void => {
      one.model.eval();
      loss(one, x).backward();
      one.model.freeze();
      one.optimizer.step();
      one.schedule.step();
      one.model.weight.grad = null;
      throw new TypeError('from the user');
    };
    await t.throwsAsync(steps(way, body, 1), { message: 'from the user' });
    t.deepEqual(stateOf(one), before);
  }
});

test('an optimizer over a plain leaf is refused in a compiled step, and works eagerly afterwards (fault F21)', (t) => {
  const w = tensor([1, 2]);
  w.requiresGrad = true;
  const optimizer = new SGD([w], { lr: 0.1 });
  const body = (): void => {
    w.mul(w).sum().backward();
    optimizer.step();
    optimizer.zeroGrad();
  };
  t.throws(() => compileStep(body).sync(), { instanceOf: UnrecordableError, message: /new Parameter/ });
  t.is(w.grad, null);
  body();
  t.deepEqual(w.toArray(), [Math.fround(1 - Math.fround(0.1) * 2), Math.fround(2 - Math.fround(0.1) * 4)]);
  t.throws(() => compileStep(() => optimizer.step()).sync(), { instanceOf: UnrecordableError, message: /new Parameter/ });
});

test('an argument that requires a gradient is refused before the step (fault F21)', (t) => {
  const x = ones([2]);
  x.requiresGrad = true;
  const step = compileStep((input: Tensor) => input.mul(2));
  t.throws(() => step.sync(x), { message: /`inputs\[0\]` requires a gradient.*detach/s });
  t.throws(() => step.sync(x.mul(2)), { message: /requires a gradient/ });
  t.deepEqual(step.sync(x.detach()).toArray(), [2, 2]);
});

test('the gradient of an argument is that of a detached copy inside of the step, in every step', (t) => {
  const body = (input: Tensor): Tensor => {
    const x = input.detach();
    x.requiresGrad = true;
    x.mul(x).sum().backward();
    return x.grad as Tensor;
  };
  const step = compileStep(body);
  for (let i = 1; i < 4; i++) t.deepEqual(step.sync(tensor([i])).toArray(), body(tensor([i])).toArray());
});

test('a tensor that was kept from a recording says so, and another recording refuses it', (t) => {
  let kept: Tensor | null = null;
  const step = compileStep((x: Tensor) => (kept = x.mul(2)));
  step.sync(ones([2]));
  t.throws(() => (kept as unknown as Tensor).item === undefined || (kept as unknown as Tensor).toArray(), { message: /kept from the recording/ });
  t.throws(() => compileStep((x: Tensor) => x.add(kept as unknown as Tensor)).sync(ones([2])), { message: /another recording/ });
  t.throws(() => compileStep((x: Tensor) => new Map([['x', x]])).sync(ones([2])), { message: /the step's result/ });
});

test('constants may be made and read inside of a step, by layers that keep what they make too', (t) => {
  class Scaled extends Layer {
    scale: Tensor | null = null;
    shift: Parameter | null = null;
    forward(x: Tensor): Tensor {
      this.shift ??= new Parameter([2], { init: new Zeros() });
      if (this.scale === null) {
        this.scale = tensor([1, 1]);
        this.scale.data[1] = 2;
      }
      return x.mul(this.scale).mul(this.scale.data[1]).add(this.shift);
    }
  }
  const layer = new Scaled();
  const step = compileStep((x: Tensor) => layer.forward(x).add(tensor([1, 1]).mul(PLAIN.data[1])));
  for (let i = 1; i < 4; i++) t.deepEqual(step.sync(tensor([i, i])).toArray(), [2 * i + 2, 4 * i + 2]);
});

// ---- values that change between forward and backward ----

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
      message: /^backward\(\) of operation 'linear' in layer '2' needs parameter '2\.weight' of shape \[3, 1\].*before the update.*forward pass again/s,
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
  model.forward(tensor([[2, 1]])).sum().backward();
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
  model.forward(ones([2, 2])).sum().backward();
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
