// What every image classifier must do: its exact size, and, in a small version, what a layer must do when it is a whole network.

import type { ExecutionContext } from 'ava';
import {
  type AnyLayer,
  type AnyModel,
  type Model,
  BatchNorm,
  CrossEntropyLoss,
  type Layer,
  SGD,
  Tensor,
  compileStep,
  fromBytes,
  multiplyAccumulates,
  noGrad,
  setSeed,
  weightLayers,
} from '../../lib/index.js';
import { costsOf } from '../../lib/layers/costs.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

/** Exact figures of an architecture; what is left out is not compared. */
export interface Figures {
  readonly parameters: number;
  /** Running means and variances. */
  readonly buffers?: number;
  readonly macs?: number;
  readonly layers?: number;
  readonly inputShape?: readonly number[];
  /** Output shapes by path, without the batch. */
  readonly stages?: Readonly<Record<string, readonly number[]>>;
}

/** Running means and variances: what batch norms keep beside their parameters. */
export function bufferCount(model: AnyLayer): number {
  let count = 0;
  for (const layer of model.namedLayers().values()) if (layer instanceof BatchNorm) count += 2 * layer.features;
  return count;
}

/** Compares a model with its figures, without drawing a weight. */
export function figures(
  t: ExecutionContext,
  name: string,
  model: AnyLayer,
  { parameters, buffers, macs, layers, inputShape, stages }: Figures,
) {
  t.is(model.parameterCount(), parameters, `${name}: parameters`);
  if (buffers !== undefined) t.is(bufferCount(model), buffers, `${name}: buffers`);
  if (macs !== undefined) t.is(multiplyAccumulates(model, { inputShape }), macs, `${name}: multiply-accumulates`);
  if (layers !== undefined) t.is(weightLayers(model, { inputShape }), layers, `${name}: weight layers`);
  if (stages === undefined) return;
  const shape = inputShape ?? (model as unknown as { inputShape: readonly number[] }).inputShape;
  const costs = costsOf(model, shape);
  for (const [path, output] of Object.entries(stages)) t.deepEqual(costs.layers.get(path)?.output, [...output], `${name}: output of '${path}'`);
}

function images(n: number, shape: readonly number[], seed: number): Tensor {
  const size = shape.reduce((product, dimension) => product * dimension, n);
  return Tensor.from(Float32Array.from(new Seeded(seed).uniform(size, -1, 1)), [n, ...shape]);
}

/** A batch of one gives its bits in any batch, files bring the network back, and a compiled training step gives the bits of an eager one. */
export function imageModelContract(t: ExecutionContext, create: () => AnyModel, shape: readonly number[], classes: number): void {
  const make = (): Model => {
    setSeed(7);
    return create() as Model;
  };
  const model = make();
  const optimizer = new SGD(model, { lr: 0.01, momentum: 0.9 });
  const loss = new CrossEntropyLoss();
  const x = images(4, shape, 1);
  const y = Tensor.from(Int32Array.from({ length: 4 }, (_, i) => i % classes));
  const stepOf = (net: Layer, by: SGD) => (a: Tensor, b: Tensor<'int32'>) => {
    const value = loss.forward(net.forward(a), b);
    value.backward();
    by.step();
    by.zeroGrad();
    return value;
  };
  const eager = stepOf(model, optimizer);
  const twin = make();
  const compiled = compileStep(stepOf(twin, new SGD(twin, { lr: 0.01, momentum: 0.9 })) as never) as unknown as {
    sync(a: Tensor, b: Tensor<'int32'>): Tensor;
  };
  for (let step = 0; step < 3; step++) {
    const expected = eager(x, y);
    t.true(Number.isFinite(expected.item()), 'the loss is a number');
    identical(t, compiled.sync(x, y), expected, `step ${step}: a compiled step gives the loss of an eager one`);
  }
  const state = twin.stateDict();
  for (const [path, value] of model.stateDict()) identical(t, state.get(path) as Tensor, value, `compiled and eager: ${path}`);

  model.eval();
  const whole = noGrad(() => model.forward(x));
  t.deepEqual([...whole.shape], [4, classes], 'scores per class');
  for (let row = 0; row < 4; row++) {
    const alone = noGrad(() => model.forward(x.slice(row, row + 1)));
    identical(t, alone.data, whole.data.subarray(row * classes, (row + 1) * classes), `image ${row} alone gives the bits of the batch`);
  }
  const again = (fromBytes(model.toBytes()) as Model).eval();
  identical(
    t,
    noGrad(() => again.forward(x)),
    whole,
    'a saved network is the same network',
  );
  identical(
    t,
    noGrad(() => model.clone().forward(x)),
    whole,
    'a clone is the same network',
  );
}
