// Every loss against PyTorch in float64: values and gradients, by inputs and by targets.
import test from 'ava';
import * as lib from '../../lib/index.js';
import { close } from '../helpers/close.js';
import { type GoldenArray, golden, type LossCase, values } from '../helpers/golden.js';
import { f64, i32, leaf } from '../helpers/build.js';

type Double = lib.Tensor<'float64'>;
type Call = (inputs: Double[], target: never, options: never) => Double;

const calls: Record<string, Call> = {
  mseLoss: ([x], y, o) => lib.mseLoss(x, y, o),
  l1Loss: ([x], y, o) => lib.l1Loss(x, y, o),
  huberLoss: ([x], y, o) => lib.huberLoss(x, y, o),
  smoothL1Loss: ([x], y, o) => lib.smoothL1Loss(x, y, o),
  binaryCrossEntropy: ([x], y, o) => lib.binaryCrossEntropy(x, y, o),
  hingeLoss: ([x], y, o) => lib.hingeLoss(x, y, o),
  crossEntropy: ([x], y, o) => lib.crossEntropy(x, y, o),
  nllLoss: ([x], y, o) => lib.nllLoss(x, y, o),
  multiclassHingeLoss: ([x], y, o) => lib.multiclassHingeLoss(x, y, o),
  klDivergence: ([x], y, o) => lib.klDivergence(x, y, o),
  cosineEmbeddingLoss: ([a, b], y, o) => lib.cosineEmbeddingLoss(a, b, y, o),
  tripletLoss: ([a, b, c], _, o) => lib.tripletLoss(a, b, c, o),
};

const double = (array: GoldenArray): Double => f64(values(array, 'float64'), array.shape);

function targetOf({ target }: LossCase): lib.Tensor<'int32'> | Double | null {
  if (target === null) return null;
  return target.dtype === 'int32' ? i32(values(target, 'int32'), target.shape) : double(target);
}

const { cases } = golden('losses');

for (const [name, call] of Object.entries(calls)) {
  test(`${name} has PyTorch's values and gradients in float64`, (t) => {
    const own = cases.filter((one) => one.function === name);
    t.true(own.length >= 3);
    for (const one of own) {
      const inputs = one.inputs.map((array) => leaf(double(array)));
      const target = targetOf(one);
      if (one.targetIsDifferentiated) leaf(target as Double);
      const value = call(inputs, target as never, one.options as never);
      close(t, value, double(one.value), { relative: 1e-9 }, one.name);
      value.mul(double(one.upstream)).sum().backward();
      const leaves = one.targetIsDifferentiated ? [...inputs, target as Double] : inputs;
      // A gradient is a sum of terms of about 1: what cancels in it may leave their rounding.
      for (const [i, { grad }] of leaves.entries())
        close(t, grad as unknown as Double, double(one.gradients[i]), { relative: 1e-9, absolute: 1e-14 }, `${one.name}, gradient ${i}`);
    }
  });
}

test('the golden file holds no loss that is not compared', (t) => {
  t.deepEqual([...new Set(cases.map((one) => one.function))].sort(), Object.keys(calls).sort());
});
