// Every fused operation gives the bits of the operations that it stands for, and refuses what does not fit.
import test from 'ava';
import '../../lib/index.js';
import type { TypedArray } from '../../lib/dtype.js';
import { nativeOps, run } from '../../lib/native.js';
import { describedBy, fusedOf, isPlain, titleOf } from '../../lib/ops/fused.js';
import { Seeded } from '../helpers/seeded.js';
import { callOf, type Float, indexOf, runInto, runSample } from './calls.js';
import { fusedMakers } from './fused.js';
import { bits, firstDifference } from './samples.js';

const sizes = [...Array.from({ length: 41 }, (_, n) => n), 96, 130, 640, 4800, 2 * 16384 + 17];

for (const [op, make] of Object.entries(fusedMakers)) {
  test(`${op} gives the bits of the operations it stands for`, (t) => {
    let compared = 0;
    for (const dtype of ['float32', 'float64'] as const satisfies Float[]) {
      for (const n of sizes) {
        for (const { sample, apart } of make(n, dtype, new Seeded(n + 3))) {
          const [found, wanted] = [runSample(sample), apart()];
          for (const [i, array] of wanted.entries()) {
            const at = firstDifference(found[i], array);
            if (at >= 0)
              t.fail(`${op} ${dtype} of ${n}, ${sample.form}: output ${i} at ${at} is ${bits(found[i][at])}, not ${bits(array[at])}`);
            compared += array.length;
          }
        }
      }
    }
    t.true(compared > 10_000);
  });
}

test('every fused operation takes a NaN where the separate ones take it', (t) => {
  for (const [op, make] of Object.entries(fusedMakers)) {
    for (const { sample, apart } of make(48, 'float32', new Seeded(9))) {
      const floats = sample.inputs.find((input) => input instanceof Float32Array) as Float32Array | undefined;
      if (floats === undefined) continue;
      floats[floats.length >> 1] = Number.NaN;
      const [found, wanted] = [runSample(sample), apart()];
      t.true(
        wanted.every((array, i) => firstDifference(found[i], array) < 0),
        `${op}, ${sample.form}`,
      );
    }
  }
});

test('a descriptor is read as it was written, part by part, and its title says the same', (t) => {
  const titles = [
    'matmul + bias + elu',
    'matmul + accumulate + sums overwrite',
    'matmul + leaky_relu_backward',
    'batch_norm + residual + relu',
    'batch_norm_gradients + relu_backward kept',
    'batch_norm_backward + relu_backward recomputed',
    'cross_entropy + gradient',
    'conv2d_input_gradient + overwrite + swish_backward',
  ];
  for (const title of titles) {
    const call = callOf(title, [3, 4], [0.5, 0.25]);
    t.is(titleOf(call), title);
    t.deepEqual(describedBy(call, {}), call, `${title}, said again`);
  }
  t.deepEqual(fusedOf(callOf('matmul + bias + elu', [], [9, 0.5, 0.25])).parameters, [0.5, 0.25]);
  t.deepEqual(callOf('matmul + bias + elu', [1], [9, 0.5, 0.25]).reals, [9, 0.5, 0.25]);
  t.is(fusedOf(callOf('cross_entropy + gradient', [], [0.1, 32])).divisor, 32);
  t.true(isPlain(callOf('matmul', [1, 2], [])));
  t.true(isPlain(callOf('matmul + bias', [1, 2], []), 'bias'));
  t.false(isPlain(callOf('matmul + bias', [1, 2], []), 'prior'));
});

test('fused operations refuse operands and attributes that do not fit', (t) => {
  const zeros = (n: number): TypedArray => new Float32Array(n);
  const call =
    (op: string, outputs: TypedArray[], inputs: TypedArray[], ints: number[], reals: number[] = []) =>
    () =>
      runInto({ op, form: '', outputs: [], inputs, ints, reals }, outputs, inputs);
  const [x, w, b] = [zeros(6), zeros(12), zeros(4)];
  t.notThrows(call('matmul + bias + relu', [zeros(8)], [x, w, b], [2, 4, 3, 0, 0]));
  t.throws(call('matmul + bias + relu', [zeros(8)], [x, w, zeros(3)], [2, 4, 3, 0, 0]), { message: /bias/ });
  t.throws(call('matmul + bias + relu', [zeros(8)], [x, w], [2, 4, 3, 0, 0]), { message: /too few/ });
  t.throws(call('matmul + bias + sum', [zeros(8)], [x, w, b], [2, 4, 3, 0, 0]), { message: /malformed descriptor/ });
  t.throws(call('matmul', [zeros(8)], [x, w], [2, 4, 3, 0, 0, -1 - 3]), { message: /malformed descriptor/ });
  t.throws(call('matmul', [zeros(8)], [x, w], [2, 4, 3, 0, 0, -1 - 512 * 1e6]), { message: /malformed descriptor/ });
  t.throws(call('matmul + residual', [zeros(8)], [x, w, zeros(8)], [2, 4, 3, 0, 0]), { message: /does not take/ });
  t.throws(call('conv2d + accumulate', [zeros(8)], [x, w], []), { message: /does not take/ });
  t.throws(call('matmul + columns of 9', [zeros(8)], [x, w], [2, 4, 3, 0, 0]), { message: /does not take/ });
  const statistics = [new Float64Array(3), new Float64Array(3).fill(1), zeros(0), zeros(0)];
  t.notThrows(call('batch_norm + columns of 5', [zeros(8)], [x, ...statistics], [2, 3], [1e-5]));
  t.throws(call('batch_norm + columns of 5', [zeros(10)], [x, ...statistics], [2, 3], [1e-5]), { message: /does not fit/ });
  t.throws(call('batch_norm + columns of 2', [zeros(5)], [x, ...statistics], [2, 3], [1e-5]), { message: /does not fit/ });
  const convolution = (outputs: number, groups: number) => [1, 1, 3, 2, 1, 3, outputs, 1, 1, 1, 1, 0, 0, 1, 1, groups, 0];
  t.notThrows(call('conv2d + columns of 7', [zeros(18)], [x, zeros(8)], convolution(4, 1)));
  t.throws(call('conv2d + columns of 7', [zeros(12)], [x, zeros(8)], convolution(4, 1)), { message: /fit/ });
  t.throws(call('conv2d + columns of 7', [zeros(18)], [x, zeros(4)], convolution(4, 2)), { message: /groups/ });
  const shards = (images: number, ...of: number[]) =>
    call('conv2d_weight_gradient_shards', [zeros(2)], [x, zeros(3), x, zeros(3)], [images, ...convolution(1, 1).slice(1), ...of]);
  t.notThrows(shards(2, 1, 0, 1, 1));
  t.throws(shards(3, 1, 0, 1, 1), { message: /malformed shards/ });
  t.throws(shards(2, 1, 0, 1, 0), { message: /malformed shards/ });
  t.throws(shards(2, 1, 0, 1, 1, 1, 1), { message: /malformed shards/ });
  t.throws(shards(2, 1, 1, 1, 0), { message: /not there yet/ });
  t.throws(shards(2, 1, 0, 1, 2), { message: /not there yet/ });
  t.throws(shards(2, 2, 0, 0, 1), { message: /fit/ });
  const narrow = (n: number) => new Uint16Array(n);
  t.throws(call('conv2d + columns of 7', [zeros(18)], [narrow(6), narrow(8)], convolution(4, 1)), { message: /bfloat16/ });
  t.throws(call('mul + relu', [zeros(6)], [x, x], [1, 6, 1, 1]), { message: /wrong number/ });
  t.throws(call('matmul + relu_backward', [zeros(8)], [x, w, zeros(7)], [2, 4, 3, 0, 0]), { message: /lengths/ });
  t.throws(call('matmul + sums overwrite', [zeros(3), zeros(1)], [x, zeros(2)], [3, 1, 2, 1, 0]), { message: /another order/ });
  t.throws(call('matmul + sums overwrite', [zeros(12), zeros(3)], [x, zeros(8)], [3, 4, 2, 1, 0]), { message: /each column/ });
  t.throws(call('matmul + sums overwrite', [zeros(12), zeros(4)], [x, zeros(8)], [3, 4, 2, 1, 1]), { message: /as it is/ });
  t.throws(
    call(
      'max_pool2d_backward + tanh_backward',
      [zeros(1)],
      [zeros(1), new Uint8Array(1), zeros(1)],
      [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1],
    ),
    {
      message: /ReLU only/,
    },
  );
  t.throws(call('cross_entropy + gradient', [zeros(1), x], [x, Int32Array.of(0, 3), zeros(2)], [2, 3], [0, 1]), { message: /class index/ });
  t.throws(call('cross_entropy + gradient', [zeros(2), x], [x, Int32Array.of(0, 1), zeros(2)], [2, 3], [0, 1]), { message: /fit/ });
  const step = (op: string, operand: number, rowStride: number, columnStride: number): number[] => [
    3,
    indexOf(op),
    0,
    operand,
    rowStride,
    columnStride,
  ];
  const chain = (ints: number[], other: TypedArray = zeros(6), reals = [0, 0]) =>
    call('elementwise_chain', [zeros(6)], [x, other], ints, reals);
  t.notThrows(chain(step('add', 2, 3, 1)));
  t.throws(chain(step('add', 3, 3, 1)), { message: /not given/ });
  t.throws(chain(step('add', 2, 3, 1), zeros(5)), { message: /too short/ });
  t.throws(chain(step('add', 2, 2, 1)), { message: /strides/ });
  t.throws(chain(step('sum', 2, 3, 1)), { message: /cannot stand/ });
  t.throws(chain(step('add', 2, 3, 1), new Float64Array(6)), { message: /dtypes/ });
  t.throws(chain(step('dropout', 2, 3, 1), new Int32Array(5)), { message: /6 words/ });
  t.throws(chain(step('dropout', 2, 3, 1), new Int32Array(6), [2, 0]), { message: /probability/ });
  t.throws(chain(step('relu_backward', 2, 3, 1), zeros(5)), { message: /lengths/ });
  t.throws(chain([4, ...step('add', 2, 3, 1).slice(1)]), { message: /rows/ });
  t.throws(chain([3]), { message: /malformed/ });
  t.throws(() => run(nativeOps.length, [x], [], []), { message: /no such/ });
});
