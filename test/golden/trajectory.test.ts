// Whole trainings against PyTorch: from the same weights and batches, 100 losses of SGD with momentum and of Adam.
import test from 'ava';
import { Adam, crossEntropy, Linear, ReLU, Sequential, SGD, Tensor } from '../../lib/index.js';
import { close } from '../helpers/close.js';
import { type GoldenArray, golden, largeNet, type Run, values } from '../helpers/golden.js';

type Real = 'float32' | 'float64';

/** Relative distance to PyTorch's losses that issue 1 allows after any of the 100 steps. */
const allowed = { float32: 1e-4, float64: 1e-9 } as const;

/** Linear layers with ReLU between them, filled with the given numbers ([in, out], as stored). */
function network(
  sizes: readonly number[],
  weights: readonly ArrayLike<number>[],
  biases: readonly ArrayLike<number>[],
  dtype: Real,
): { model: Sequential; linears: Linear[] } {
  const linears = weights.map((_, index) => new Linear(sizes[index], sizes[index + 1]));
  const model = new Sequential(linears.flatMap((layer, index) => (index === 0 ? [layer] : [new ReLU(), layer])));
  model.to(dtype);
  for (const [index, layer] of linears.entries()) {
    layer.weight.data.set(weights[index]);
    layer.bias?.data.set(biases[index]);
  }
  return { model, linears };
}

/** The losses of `steps` steps; batch s is `batches[s % batches.length]`. */
function losses(
  { optimizer, options }: Run,
  model: Sequential,
  batches: readonly { x: Tensor<never>; y: Tensor<'int32'> }[],
  steps: number,
): Float64Array {
  const walker = optimizer === 'SGD' ? new SGD(model, options) : new Adam(model, options);
  return Float64Array.from({ length: steps }, (_, step) => {
    const { x, y } = batches[step % batches.length];
    const loss = crossEntropy(model.forward(x as never), y);
    walker.zeroGrad();
    loss.backward();
    walker.step();
    return loss.item();
  });
}

function batched(inputs: Float64Array, labels: Int32Array, batch: number, dtype: Real): { x: Tensor<never>; y: Tensor<'int32'> }[] {
  const width = inputs.length / labels.length;
  const make = dtype === 'float32' ? Float32Array : Float64Array;
  return Array.from({ length: labels.length / batch }, (_, index) => {
    const rows = make.from(inputs.subarray(index * batch * width, (index + 1) * batch * width));
    return {
      x: Tensor.from(rows, [batch, width]) as never,
      y: Tensor.from(labels.slice(index * batch, (index + 1) * batch)) as Tensor<'int32'>,
    };
  });
}

const small = golden('mlp-small');
const large = golden('mlp-large');

for (const run of small.runs) {
  test(`the 20-16-12-5 net follows PyTorch for ${small.steps} steps of ${run.optimizer} in ${run.dtype}`, (t) => {
    const plain = (arrays: readonly GoldenArray[]) => arrays.map((array) => values(array, 'float64'));
    const { model, linears } = network(small.sizes, plain(small.weights), plain(small.biases), run.dtype);
    const batches = batched(values(small.inputs, 'float64'), values(small.labels, 'int32'), small.inputs.shape[1], run.dtype);
    const share = close(t, losses(run, model, batches, small.steps), values(run.losses, 'float64'), { relative: allowed[run.dtype] }, 'loss');
    t.log(`uses ${(100 * share).toPrecision(2)} % of the tolerance of ${allowed[run.dtype]}`);
    for (const [index, expected] of (run.finalParameters ?? []).entries()) {
      const found = index % 2 === 0 ? linears[index >> 1].weight : linears[index >> 1].bias;
      // Weights near zero carry the errors of what was added to them, and those are at most about 1.
      close(
        t,
        found as never,
        expected.shape.length === 2 ? { data: values(expected, 'float64'), shape: expected.shape } : values(expected, 'float64'),
        { absolute: 1e-9, relative: 1e-9 },
        `parameter ${index}`,
      );
    }
  });
}

for (const run of large.runs) {
  test(`the 784-64-10 net follows PyTorch for ${large.steps} steps of ${run.optimizer} in ${run.dtype}`, (t) => {
    const { inputs, labels, weights } = largeNet(large);
    const { model } = network(large.sizes, weights, [new Float64Array(large.sizes[1]), new Float64Array(large.sizes[2])], run.dtype);
    const share = close(
      t,
      losses(run, model, batched(inputs, labels, large.batch, run.dtype), large.steps),
      values(run.losses, 'float64'),
      { relative: allowed[run.dtype] },
      'loss',
    );
    t.log(`uses ${(100 * share).toPrecision(2)} % of the tolerance of ${allowed[run.dtype]}`);
  });
}
