// Memory of an optimizer's state: how much there is, and what is refused where it is gone; test/distributed/optimizer-sharding.test.ts shares it out.

import test from 'ava';
import { Adam, ArgumentError, SGD } from '../../lib/index.js';
import { identical } from '../helpers/close.js';
import { loss, makeModel, points } from '../helpers/training.js';

const { inputs, targets } = points(8).batch(Int32Array.from({ length: 8 }, (_, i) => i));
const sizes = [2 * 16, 16, 16 * 4, 4]; // of the parameters

function trained(steps: number): { model: ReturnType<typeof makeModel>; optimizer: Adam; step: () => void } {
  const model = makeModel();
  const optimizer = new Adam(model, { lr: 0.01 });
  const step = (): void => {
    optimizer.zeroGrad();
    loss.forward(model.forward(inputs), targets).backward();
    optimizer.step();
  };
  for (let i = 0; i < steps; i++) step();
  return { model, optimizer, step };
}

test('stateBytes counts the state of the parameters that an optimizer has, from its first step on', (t) => {
  t.is(trained(0).optimizer.stateBytes, 0);
  t.is(trained(1).optimizer.stateBytes, 2 * 4 * sizes.reduce((sum, size) => sum + size));
  const model = makeModel();
  const head = new SGD(model.layers[2], { lr: 0.1, momentum: 0.9 });
  loss.forward(model.forward(inputs), targets).backward();
  head.step();
  t.is(head.stateBytes, 4 * (16 * 4 + 4));
  head.stateDict();
  t.is(new SGD(model, { lr: 0.1 }).stateBytes, 0);
});

test('who has lost the state takes no step and tells no state, until one is loaded', (t) => {
  const { optimizer: whole } = trained(3);
  const { model, optimizer, step } = trained(3);
  optimizer.stateMemory.expect();
  optimizer.stateMemory.end(true);
  for (const refused of [() => optimizer.step(), () => optimizer.stateDict()])
    t.regex(t.throws(refused, { instanceOf: ArgumentError })?.message ?? '', /lost when their run failed: give it one by loadStateDict/);
  t.is(optimizer.steps, 3);
  optimizer.loadStateDict(whole.stateDict());
  step();
  const { model: wanted } = trained(4);
  for (const [path, { data }] of wanted.stateDict()) identical(t, model.stateDict().get(path)?.data as never, data as never);
});

test('an optimizer without state has none to lose', (t) => {
  const model = makeModel();
  const optimizer = new SGD(model, { lr: 0.1 });
  optimizer.stateMemory.expect();
  optimizer.stateMemory.end(true);
  loss.forward(model.forward(inputs), targets).backward();
  optimizer.step();
  t.is(optimizer.steps, 1);
});
