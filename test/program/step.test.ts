// Step programs give the numbers of eager steps, bit for bit, and refuse what cannot be recorded.

import test from 'ava';
import {
  Adam,
  AdamW,
  ArgumentError,
  BusyError,
  compileStep,
  Constant,
  crossEntropy,
  Dropout,
  Linear,
  IndexError,
  ones,
  type Optimizer,
  Parameter,
  relu,
  ReLU,
  Sequential,
  SGD,
  setSeed,
  StepDecay,
  Tensor,
  tensor,
  zeros,
} from '../../lib/index.js';

function batches(count: number): [Tensor, Tensor<'int32'>][] {
  return Array.from({ length: count }, (_, i) => [
    Tensor.from(
      Float32Array.from({ length: 8 * 12 }, (_v, j) => ((j * 37 + i * 11) % 23) / 23 - 0.5),
      [8, 12],
    ),
    Tensor.from(Int32Array.from({ length: 8 }, (_v, j) => (j * 3 + i) % 5)),
  ]);
}

type MakeOptimizer = (model: Sequential) => Optimizer;

function build(make: MakeOptimizer) {
  setSeed(3);
  const model = new Sequential([new Linear(12, 16), new ReLU(), new Dropout(0.25), new Linear(16, 5)]);
  const optimizer = make(model);
  const body = (x: Tensor, y: Tensor<'int32'>) => {
    const logits = model.forward(x);
    const loss = crossEntropy(logits, y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return { loss, best: logits.argmax(-1) };
  };
  optimizer.groups[0].options.lr = new StepDecay(optimizer.lr, { every: 1, factor: 0.5 });
  return { model, optimizer, body };
}

const weightsOf = (model: Sequential): number[] => model.parameters().flatMap((parameter) => [...parameter.data]);

const optimizers: Record<string, MakeOptimizer> = {
  'SGD with Nesterov momentum': (model) => new SGD(model, { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 1e-3 }),
  Adam: (model) => new Adam(model, { lr: 1e-2 }),
  AdamW: (model) => new AdamW(model, { lr: 1e-2 }),
};

for (const [name, make] of Object.entries(optimizers)) {
  test(`eager, sync and awaited steps of ${name} end with the same bits, dropout and a falling learning rate included`, async (t) => {
    const data = batches(7);
    const run = async (mode: 'eager' | 'sync' | 'async') => {
      const { model, optimizer, body } = build(make);
      const step = compileStep(body);
      const losses: number[] = [];
      const best: number[][] = [];
      for (let i = 0; i < 60; i++) {
        const [x, y] = data[i % data.length];
        const out = mode === 'eager' ? body(x, y) : mode === 'sync' ? step.sync(x, y) : await step(x, y);
        losses.push(out.loss.item());
        best.push([...out.best.data]);
        if (i % 20 === 19) optimizer.nextEpoch();
      }
      step.dispose();
      return { losses, best, weights: weightsOf(model) };
    };
    const eager = await run('eager');
    t.deepEqual(await run('sync'), eager);
    t.deepEqual(await run('async'), eager);
    t.true(new Set(eager.losses).size > 50, 'weights move and masks change');
  });
}

test('steps that are not awaited run in the order of their calls', async (t) => {
  const data = batches(30);
  const one = build(optimizers['Adam']);
  for (const [x, y] of data) one.body(x, y);
  const two = build(optimizers['Adam']);
  const step = compileStep(two.body);
  await Promise.all(data.map(([x, y]) => step(x, y)));
  t.deepEqual(weightsOf(two.model), weightsOf(one.model));
});

test('accumulation and update may be two steps: gradients persist between them', (t) => {
  const data = batches(4);
  const train = (compiled: boolean): number[] => {
    setSeed(5);
    const model = new Sequential([new Linear(12, 5)]);
    const optimizer = new SGD(model, { lr: 0.1 });
    const add = (x: Tensor, y: Tensor<'int32'>) => {
      const loss = crossEntropy(model.forward(x), y);
      loss.backward();
      return loss;
    };
    const update = () => {
      optimizer.step();
      optimizer.zeroGrad();
    };
    const [addStep, updateStep] = [compileStep(add), compileStep(update)];
    for (let round = 0; round < 3; round++) {
      for (const [x, y] of data) compiled ? addStep.sync(x, y) : add(x, y);
      compiled ? updateStep.sync() : update();
    }
    return weightsOf(model);
  };
  t.deepEqual(train(true), train(false));
});

test('a step that begins with zeroGrad() clears what the step before it left', (t) => {
  const [[x, y]] = batches(1);
  const train = (compiled: boolean): number[] => {
    setSeed(3);
    const model = new Sequential([new Linear(12, 5)]);
    const optimizer = new SGD(model, { lr: 0.1 });
    const body = (inputs: Tensor, labels: Tensor<'int32'>): void => {
      optimizer.zeroGrad();
      crossEntropy(model.forward(inputs), labels).backward();
      optimizer.step();
    };
    const step = compileStep(body);
    for (let i = 0; i < 4; i++) compiled ? step.sync(x, y) : body(x, y);
    return weightsOf(model);
  };
  t.deepEqual(train(true), train(false));
});

test('an update that was recorded before there were gradients is recorded anew when there are', (t) => {
  const weight = new Parameter([2], { init: new Constant(1) });
  const optimizer = new SGD([weight], { lr: 0.5 });
  const update = compileStep(() => optimizer.step());
  update.sync();
  t.deepEqual([...weight.data], [1, 1]);
  weight
    .mul(tensor([1, 2]))
    .sum()
    .backward();
  update.sync();
  t.deepEqual([...weight.data], [0.5, 0]);
});

test('a parameter that was frozen for some steps keeps its own count of steps in a recorded program', (t) => {
  const [[x, y]] = batches(1);
  const train = (compiled: boolean): number[] => {
    const { model, body } = build(optimizers['Adam']);
    const step = compileStep(body);
    for (let i = 0; i < 20; i++) {
      model.parameters()[1].requiresGrad = i < 5 || i > 9;
      if (compiled) step.sync(x, y);
      else body(x, y);
    }
    return weightsOf(model);
  };
  t.deepEqual(train(true), train(false));
});

test('a new shape, mode or set of trainable parameters is recorded anew, and an old one is found again', (t) => {
  let recordings = 0;
  const model = new Sequential([new Linear(3, 4), new Dropout(0.5)]);
  const step = compileStep((x: Tensor) => {
    recordings++;
    return model.forward(x).sum();
  });
  step.sync(ones([2, 3]));
  step.sync(ones([2, 3]));
  t.is(recordings, 1);
  step.sync(ones([5, 3]));
  t.is(recordings, 2);
  model.eval();
  t.is(
    step.sync(ones([2, 3])).item(),
    model
      .forward(ones([2, 3]))
      .sum()
      .item(),
  );
  t.is(recordings, 3);
  model.train();
  step.sync(ones([2, 3]));
  t.is(recordings, 3);
  model.freeze();
  step.sync(ones([2, 3]));
  t.is(recordings, 4);
});

test('numbers are rank-0 inputs, and results come back in the shape they were returned in', (t) => {
  const step = compileStep((x: Tensor, scale: number | Tensor) => ({ list: [x.mul(scale as Tensor)], text: 'kept' }));
  const first = step.sync(tensor([1, 2]), 3);
  const second = step.sync(tensor([1, 2]), 5);
  t.deepEqual([first.list[0].toArray(), second.list[0].toArray(), first.text], [[3, 6], [5, 10], 'kept']);
});

test('reading a value while recording is an error that says what to do', (t) => {
  const step = compileStep((x: Tensor) => (x.sum().item() > 0 ? x : x.neg()));
  t.throws(() => step.sync(ones([2])), { instanceOf: ArgumentError, message: /while the step is being recorded.*where\(\)/ });
  t.throws(() => compileStep((async (x: Tensor) => x) as never).sync(ones([2]) as never), {
    instanceOf: ArgumentError,
    message: /synchronous/,
  });
  t.throws(() => compileStep(3 as never), { instanceOf: ArgumentError });
  t.throws(() => step.sync('x' as never), { instanceOf: ArgumentError });
});

test('plain tensors are frozen when the step is recorded, and cannot be updated', (t) => {
  const bias = tensor([1, 1]);
  const step = compileStep((x: Tensor) => x.add(bias));
  t.deepEqual(step.sync(tensor([1, 2])).toArray(), [2, 3]);
  bias.data[0] = 100;
  t.deepEqual(step.sync(tensor([1, 2])).toArray(), [2, 3]);
  const weight = tensor([1, 1]);
  weight.requiresGrad = true;
  weight.grad = zeros([2]);
  const optimizer = new SGD([weight], { lr: 1 });
  t.throws(() => compileStep(() => optimizer.step()).sync(), { instanceOf: ArgumentError, message: /Parameter/ });
});

test('a label out of range refuses the step and changes no weight; the next step works', async (t) => {
  const { model, body } = build(optimizers['Adam']);
  const step = compileStep(body);
  const [[x, y]] = batches(1);
  await step(x, y);
  const before = weightsOf(model);
  const bad = Tensor.from(Int32Array.from({ length: 8 }, () => 5));
  await t.throwsAsync(step(x, bad), { instanceOf: IndexError, message: /crossEntropy.*class index 5 at row 0/ });
  t.throws(() => step.sync(x, bad), { instanceOf: IndexError });
  t.deepEqual(weightsOf(model), before);
  await step(x, y);
  t.notDeepEqual(weightsOf(model), before);
});

test('at most 64 steps wait, and sync() does not overtake them', async (t) => {
  const weight = new Parameter([400, 400], { init: new Constant(1) });
  const step = compileStep((x: Tensor) => relu(x.matmul(weight)).sum());
  const x = ones([400, 400]);
  const waiting = Array.from({ length: 64 }, () => step(x));
  await t.throwsAsync(step(x), { instanceOf: BusyError });
  t.throws(() => step.sync(x), { instanceOf: BusyError });
  const sums = await Promise.all(waiting);
  t.true(sums.every((sum) => sum.item() === sums[0].item()));
});

test('a disposed step frees its memory, finishes what is in flight, and records anew', async (t) => {
  const step = compileStep((x: Tensor) => x.mul(2));
  const last = step(ones([3]));
  step.dispose();
  t.deepEqual((await last).toArray(), [2, 2, 2]);
  t.deepEqual((await step(ones([3]))).toArray(), [2, 2, 2]);
  step[Symbol.dispose]();
});

test('describe() prints the instructions, and an arena smaller than the tensors side by side', (t) => {
  const { body } = build(optimizers['Adam']);
  const text = compileStep(body).describe(...batches(1)[0]);
  t.regex(text, /^\d+ instructions for \d+ recorded ones, 2 inputs, 2 values that change/);
  t.regex(text, /matmul \+ bias \+ relu +8×12·12×16 .* = matmul \+ bias \+ relu$/m);
  t.regex(text, /\badam\b/);
  const [, arena, side] = text.match(/arena ([\d.]+) KiB for tensors of ([\d.]+) KiB/) as string[];
  t.true(Number(arena) < Number(side));
});

test('programs of one step share their memory, and each finds its own values in it', async (t) => {
  const { model, body } = build(optimizers['Adam']);
  const eager = build(optimizers['Adam']);
  const step = compileStep(body);
  const rows = (x: Tensor, n: number): Tensor => x.slice(0, n);
  const losses: number[] = [];
  const expected: number[] = [];
  // The largest first, so that the others fit into its memory; queued together, on the driver and on this thread.
  const data = batches(6);
  const pending = data.map(([x, y], i) => step(rows(x, 8 - i), y.slice(0, 8 - i)));
  for (const result of await Promise.all(pending)) losses.push(result.loss.item());
  for (const [i, [x, y]] of data.entries()) losses.push(step.sync(rows(x, i + 1), y.slice(0, i + 1)).loss.item());
  for (const [i, [x, y]] of data.entries()) expected.push(eager.body(rows(x, 8 - i), y.slice(0, 8 - i)).loss.item());
  for (const [i, [x, y]] of data.entries()) expected.push(eager.body(rows(x, i + 1), y.slice(0, i + 1)).loss.item());
  t.deepEqual(losses, expected);
  t.deepEqual(weightsOf(model), weightsOf(eager.model));
});

test('short steps leave the event loop its turns, fail alone, and settle in the order of their calls', async (t) => {
  const step = compileStep((x: Tensor, row: Tensor<'int32'>) => x.gather(row).mul(2));
  const x = tensor([1, 2, 3]);
  const row = (i: number): Tensor<'int32'> => Tensor.from(Int32Array.of(i));
  await step(x, row(0));
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 1);
  // Far more steps than ten turns take, also where others have the cores.
  let steps = 0;
  for (; turns <= 10 && steps < 10_000; steps++) t.is((await step(x, row(steps % 3))).item(), 2 * ((steps % 3) + 1));
  clearInterval(timer);
  t.true(turns > 10, `${turns} turns in ${steps} steps`);
  for (let i = 0; i < 20; i++) await t.throwsAsync(step(x, row(7)), { instanceOf: IndexError, message: /gather/ });
  t.is((await step(x, row(1))).item(), 4);
  const settled: number[] = [];
  const many = Array.from({ length: 2000 }, (_, i) =>
    step(x, row(i % 3)).then(
      () => settled.push(i),
      (error: unknown) => {
        t.true(error instanceof BusyError);
      },
    ),
  );
  await Promise.all(many);
  t.deepEqual(
    settled,
    [...settled].sort((a, b) => a - b),
  );
  t.true(settled.length >= 64);
});
