// Small programs for tests of the sitter: one that is healthy, and what makes it sick in one known way.

import {
  Adam,
  CrossEntropyLoss,
  type FitOptions,
  Layer,
  Linear,
  ReLU,
  Sequential,
  Tensor,
  TensorDataset,
  setSeed,
  softmax,
} from '../../lib/index.js';
import { Seeded } from './seeded.js';
import { quiet } from './training.js';

/** A softmax as a layer of a user's own. */
export class Softmax extends Layer {
  forward(x: Tensor): Tensor {
    return softmax(x);
  }
  override config(): unknown {
    return {};
  }
}

/** About normal: the sum of twelve uniform numbers. */
export function normals(random: Seeded, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => random.uniform(12, -0.5, 0.5).reduce((sum, one) => sum + one, 0));
}

/** Clouds of points in ten dimensions, one a class, with labels as class indices. */
export function clouds(count: number, classes = 4, scale = 1, seed = 1): { x: Float32Array; labels: Int32Array } {
  const centres = normals(new Seeded(99), classes * 10);
  const random = new Seeded(seed);
  const labels = Int32Array.from({ length: count }, () => random.integer(classes));
  const noise = normals(random, count * 10);
  const x = noise.map((value, i) => scale * (value + 1.5 * centres[labels[Math.floor(i / 10)] * 10 + (i % 10)]));
  return { x, labels };
}

/** As a data set. */
export function cloudSet(count: number, { classes = 4, scale = 1, seed = 1 } = {}): TensorDataset {
  const { x, labels } = clouds(count, classes, scale, seed);
  return new TensorDataset(Tensor.from(x, [count, 10]), Tensor.from(labels), { name: 'clouds' });
}

/** The same with targets of 0 and 1 in a column. */
export function binarySet(count: number, seed = 1): TensorDataset<'float32', 'float32'> {
  const { x, labels } = clouds(count, 2, 1, seed);
  return new TensorDataset(Tensor.from(x, [count, 10]), Tensor.from(Float32Array.from(labels), [count, 1]));
}

/** A program: everything that fit takes. */
export interface Program extends Omit<FitOptions, 'optimizer'> {
  readonly model: Sequential;
  readonly data: ConstructorParameters<typeof Object>[0];
  readonly optimizer: (model: Sequential) => FitOptions['optimizer'];
}

/** Two hidden layers, and what is to follow them. */
export function net(outputs = 4, end: readonly Layer[] = [], init?: ConstructorParameters<typeof Linear>[2]): Sequential {
  setSeed(1);
  return new Sequential([new Linear(10, 32, init), new ReLU(), new Linear(32, 32, init), new ReLU(), new Linear(32, outputs, init), ...end]);
}

/** The healthy program, with some of it changed. */
export function program(changed: Partial<Program> = {}): Program {
  return {
    ...quiet,
    model: net(),
    data: cloudSet(600),
    validation: cloudSet(200, { seed: 2 }),
    loss: new CrossEntropyLoss(),
    optimizer: (model) => new Adam(model, { lr: 3e-3 }),
    epochs: 5,
    ...changed,
  };
}
