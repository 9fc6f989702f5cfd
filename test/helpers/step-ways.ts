// A step run in all its ways, eager, sync, awaited and many at once: they agree in everything, or the compiled ones are refused.

import type { ExecutionContext } from 'ava';
import {
  type CompiledStep,
  DataLoader,
  ExponentialDecay,
  Linear,
  type Optimizer,
  SGD,
  Tensor,
  TensorDataset,
  compileStep,
  ones,
  setSeed,
  tensor,
} from '../../lib/index.js';
import { UnrecordableError } from '../../lib/recording.js';

export const ways = ['eager', 'sync', 'awaited', 'many'] as const;
export type Way = (typeof ways)[number];
export type Body = (x: Tensor) => unknown;

/** Runs a step some times in one way; `between` comes after each, but for many steps in one call, which have nothing between them. */
export async function steps(way: Way, body: Body, count: number, between: (i: number) => void = () => {}): Promise<void> {
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

export interface Bench {
  model: Linear;
  optimizer: Optimizer;
}

export function bench(make: (model: Linear) => Optimizer = (model) => new SGD(model, { lr: 0.1 })): Bench {
  setSeed(4);
  const model = new Linear(2, 1);
  const optimizer = make(model);
  optimizer.groups[0].options.lr = new ExponentialDecay(optimizer.lr, { factor: 0.5 });
  return { model, optimizer };
}

export const stateOf = ({ model, optimizer }: Bench): unknown => ({
  weights: model.parameters().map((parameter) => [...parameter.data]),
  gradients: model.parameters().map(({ grad }) => grad && [...grad.data]),
  trained: model.parameters().map(({ requiresGrad }) => requiresGrad),
  training: model.training,
  steps: optimizer.steps,
  counts: optimizer.stateDict().counts,
  rate: optimizer.lr,
  epoch: optimizer.epoch,
});

/** The step does in all ways what it does eagerly. */
export async function agrees(
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
export async function refuses(t: ExecutionContext, body: (bench: Bench) => Body, message: RegExp): Promise<void> {
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

export const loss = ({ model }: Bench, x: Tensor): Tensor => model.forward(x).sum();
