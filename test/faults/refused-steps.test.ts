// What a compiled step cannot record is refused, with the way out, and leaves everything as it was.

import test from 'ava';
import {
  Accuracy,
  Buffer,
  DataLoader,
  Linear,
  Random,
  SGD,
  Sequential,
  type Tensor,
  TensorDataset,
  compileStep,
  dropout,
  ones,
  setSeed,
  tensor,
  predict,
  fit,
} from '../../lib/index.js';
import { UnrecordableError } from '../../lib/recording.js';
import { type Bench, type Body, bench, loss, refuses, stateOf, steps, ways } from '../helpers/step-ways.js';

// ---- what cannot be recorded ----

const refused: [what: string, body: (bench: Bench) => Body, message: RegExp][] = [
  ['optimizer.lr is set', (one) => () => void (one.optimizer.lr = 0.5), /option of an optimizer \(`lr`\) was set.*schedule/s],
  ['an option of a group is set', (one) => () => void (one.optimizer.groups[0].options.lr = 2), /option of an optimizer \(`lr`\)/],
  ['optimizer.lr is read', (one) => () => ({ rate: one.optimizer.lr }), /`optimizer.lr` was read/],
  ['optimizer.steps is read', (one) => () => ({ steps: one.optimizer.steps }), /`optimizer.steps` was read.*argument/],
  ['an option of a group is read', (one) => () => ({ rate: one.optimizer.groups[0].options.lr }), /`lr`\) was read/],
  ['optimizer.epoch is read', (one) => () => ({ epoch: one.optimizer.epoch }), /`optimizer.epoch` was read/],
  ['a score ends an epoch', (one) => () => one.optimizer.nextEpoch(0.5), /a score was given/],
  ['an optimizer is loaded', (one) => () => one.optimizer.loadStateDict({} as never), /state of an optimizer was loaded/],
  ['an optimizer is saved', (one) => () => void one.optimizer.stateDict(), /state of an optimizer was taken/],
  ['an optimizer is made', (one) => () => void new SGD(one.model, { lr: 1 }), /an optimizer was made/],
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
  [
    'a model is saved',
    (one) =>
      (
        (model) => () =>
          void model.toBytes()
      )(new Sequential([one.model])),
    /a model was saved/,
  ],
  ['a model predicts', (one) => (x) => void predict(one.model, x), /predict\(\) was called/],
  ['a model is fitted', (one) => () => void fit(one.model, {} as never, {} as never), /fit\(\) was called/],
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
      one.optimizer.nextEpoch();
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
  t.throws(() => (kept as unknown as Tensor).item === undefined || (kept as unknown as Tensor).toArray(), {
    message: /kept from the recording/,
  });
  t.throws(() => compileStep((x: Tensor) => x.add(kept as unknown as Tensor)).sync(ones([2])), { message: /another recording/ });
  t.throws(() => compileStep((x: Tensor) => new Map([['x', x]])).sync(ones([2])), { message: /the step's result/ });
});
