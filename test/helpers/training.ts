// A small problem, a small model and quiet options for tests of training.
import { CrossEntropyLoss, Linear, ReLU, Sequential, setSeed, Tensor, TensorDataset } from '../../lib/index.js';
import { Seeded } from './seeded.js';

/** Neither progress nor log. */
export const quiet = { progress: false, log: false } as const;

/** The loss for {@link points}. */
export const loss = new CrossEntropyLoss();

/** Points in the plane, in classes by angle: learnable in a few steps. */
export function points(count: number, seed = 1): TensorDataset {
  const values = Float32Array.from(new Seeded(seed).uniform(count * 2));
  const labels = Int32Array.from({ length: count }, (_, i) => (values[2 * i] > 0 ? 1 : 0) + (values[2 * i + 1] > 0 ? 2 : 0));
  return new TensorDataset(Tensor.from(values, [count, 2]), Tensor.from(labels), { name: 'points', classes: 4 });
}

/** A net for {@link points}, with its first weights. */
export function makeModel(seed = 1): Sequential {
  setSeed(seed);
  const model = new Sequential([new Linear(2, 16), new ReLU(), new Linear(16, 4)]);
  model.prepare();
  return model;
}
