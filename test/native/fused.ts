// Valid calls of the fused operations, each with the separate operations that it stands for.
import type { TypedArray } from '../../lib/dtype.js';
import { arrayTypes } from '../../lib/dtype.js';
import { apply, columnsOf, type FusedMaker, indexOf, one, runInto, state, uniform } from './calls.js';
import { fusedConvolutions } from '../helpers/convolutions.js';
import { normFused } from './norms.js';
import { ruleSamples } from '../helpers/optimizers.js';
import { poolingMaker } from '../helpers/poolings.js';
import { shardGradients } from '../helpers/shard-gradients.js';

const maps = ['relu', 'tanh', 'sigmoid', 'exp', 'abs'];
const gradients = ['relu_backward', 'tanh_backward', 'sigmoid_backward'];

const priors = ['accumulate', 'overwrite'];

const linearMap: FusedMaker = (n, dtype, random) => {
  const columns = columnsOf(n);
  const m = n / columns;
  return maps.flatMap((map) =>
    [1, 19].map((k) => {
      const inputs = [uniform(random, dtype, m * k), uniform(random, dtype, k * columns), uniform(random, dtype, columns)];
      return {
        sample: {
          op: `matmul + bias + ${map}`,
          form: `${map}, ${m}×${k}×${columns}`,
          outputs: one(dtype, n),
          inputs,
          ints: [m, columns, k, 0, 0],
          reals: [],
        },
        apart: () => [apply(map, dtype, n, [apply('matmul + bias', dtype, n, inputs, [m, columns, k, 0, 0])])],
      };
    }),
  );
};

const mapGradient: FusedMaker = (n, dtype, random) => {
  const columns = columnsOf(n);
  const m = n / columns;
  return gradients.flatMap((map) =>
    [0, 1, 2, 3].map((transposes) => {
      const ints = [m, columns, 19, transposes & 1, transposes >> 1];
      const [a, b, y] = [uniform(random, dtype, m * 19), uniform(random, dtype, 19 * columns), uniform(random, dtype, n, -1, 1)];
      return {
        sample: {
          op: `matmul + ${map}`,
          form: `${map}, ${ints}`,
          outputs: one(dtype, n),
          inputs: [a, b, y],
          ints,
          reals: [],
        },
        apart: () => [apply(map, dtype, n, [apply('matmul', dtype, n, [a, b], ints), y])],
      };
    }),
  );
};

const sumMap: FusedMaker = (n, dtype, random) => {
  const columns = columnsOf(n);
  const [x, row] = [uniform(random, dtype, n), uniform(random, dtype, columns)];
  const ints = [2, n / columns, columns, columns, 1, 0, 1];
  return ['relu', 'sigmoid'].map((map) => ({
    sample: { op: `add + ${map}`, form: `rows of ${columns}`, outputs: one(dtype, n), inputs: [x, row], ints, reals: [] },
    apart: () => [apply(map, dtype, n, [apply('add', dtype, n, [x, row], ints)])],
  }));
};

const overwrite: FusedMaker = (n, dtype, random) => {
  const columns = columnsOf(n);
  const m = n / columns;
  // The smallest products round to −0, which zero plus them does not give.
  return [1, 1e-30].map((scale) => {
    const [a, b] = [uniform(random, dtype, m * 3, -scale, scale), uniform(random, dtype, 3 * columns, -scale, scale)];
    const ints = [m, columns, 3, 0, 0];
    return {
      sample: {
        op: 'matmul + overwrite',
        form: `${ints} by ${scale}`,
        outputs: [{ dtype, length: n, initial: uniform(random, dtype, n) }],
        inputs: [a, b],
        ints,
        reals: [],
      },
      apart: () => [apply('matmul + accumulate', dtype, n, [a, b], ints, [], new arrayTypes[dtype](n))],
    };
  });
};

const linearGradients: FusedMaker = (n, dtype, random) => {
  const columns = columnsOf(n);
  const m = n / columns;
  if (columns < 2) return [];
  // Up to three blocks of a column sum.
  return [1, 23, 600].flatMap((k) =>
    [0, 1].flatMap((overwriteWeight) =>
      [0, 1].map((overwriteBias) => {
        const [weight, bias] = [uniform(random, dtype, n), uniform(random, dtype, columns)];
        const [x, dy] = [uniform(random, dtype, k * m), uniform(random, dtype, k * columns)];
        const zeros = (array: TypedArray, zero: number): TypedArray => (zero === 1 ? new arrayTypes[dtype](array.length) : array);
        return {
          sample: {
            op: `matmul + ${priors[overwriteWeight]} + sums ${priors[overwriteBias]}`,
            form: `${m}×${k}×${columns}, ${overwriteWeight}, ${overwriteBias}`,
            outputs: [
              { dtype, length: n, initial: weight },
              { dtype, length: columns, initial: bias },
            ],
            inputs: [x, dy],
            ints: [m, columns, k, 1, 0],
            reals: [],
          },
          apart: () => [
            apply('matmul + accumulate', dtype, n, [x, dy], [m, columns, k, 1, 0], [], zeros(weight, overwriteWeight)),
            apply('accumulate', dtype, columns, [apply('sum', dtype, columns, [dy], [1, k, columns])], [], [], zeros(bias, overwriteBias)),
          ],
        };
      }),
    ),
  );
};

const sumAccumulate: FusedMaker = (n, dtype, random) => {
  const columns = columnsOf(n);
  return [
    [n / columns, columns, 1],
    [1, n, 1],
    [1, n / columns, columns],
  ].flatMap((ints) =>
    [0, 1].map((zero) => {
      const size = ints[0] * ints[2];
      const [x, y] = [uniform(random, dtype, n), uniform(random, dtype, size)];
      return {
        sample: {
          op: `sum + ${priors[zero]}`,
          form: `${ints}, ${zero}`,
          outputs: [{ dtype, length: size, initial: y }],
          inputs: [x],
          ints,
          reals: [],
        },
        apart: () => [
          apply('accumulate', dtype, size, [apply('sum', dtype, size, [x], ints)], [], [], zero === 1 ? new arrayTypes[dtype](size) : y),
        ],
      };
    }),
  );
};

function crossEntropyGradient(dense: boolean): FusedMaker {
  return (n, dtype, random) => {
    if (n === 0) return [];
    const columns = columnsOf(n);
    const rows = n / columns;
    const logits = uniform(random, dtype, n);
    const target = dense ? uniform(random, dtype, n, 0, 1) : Int32Array.from({ length: rows }, () => random.integer(columns));
    const factor = uniform(random, dtype, rows);
    return [0, 0.1].flatMap((smoothing) =>
      [1, rows].map((divisor) => ({
        sample: {
          op: `cross_entropy${dense ? '_dense' : ''} + gradient`,
          form: `${rows} rows of ${columns}, ${smoothing}, ${divisor}`,
          outputs: [...one(dtype, 1), ...one(dtype, n)],
          inputs: [logits, target, factor],
          ints: [rows, columns],
          reals: [smoothing, divisor],
        },
        apart: () => {
          const [losses, difference] = [new arrayTypes[dtype](rows), new arrayTypes[dtype](n)];
          const op = dense ? 'cross_entropy_dense' : 'cross_entropy';
          runInto({ op, form: '', outputs: [], inputs: [], ints: [rows, columns], reals: [smoothing] }, [losses, difference], [logits, target]);
          const total = apply('sum', dtype, 1, [losses], [1, rows, 1]);
          return [
            apply('div', dtype, 1, [total, new arrayTypes[dtype]([divisor])], [1, 1, 1, 0]),
            apply('cross_entropy_backward', dtype, n, [factor, difference], [rows, columns]),
          ];
        },
      })),
    );
  };
}

// Gradients that are scaled before the update, zeroed behind it, or both.
function update(op: string): FusedMaker {
  return (n, dtype, random) =>
    ruleSamples[op].flatMap(({ hyper, state: lows }) => {
      const memory = [-1, ...lows].map((low) => uniform(random, dtype, low === null ? 0 : n, low ?? 0, 1));
      const gradient = uniform(random, dtype, n, -1, 1);
      const values = Float64Array.from(hyper);
      return [null, 0.3, 1].flatMap((by) =>
        [0, 1].map((clear) => {
          const factor = by === null ? [] : [Float64Array.of(by)];
          return {
            sample: {
              op,
              form: `by ${by}, ${clear}`,
              outputs: [...memory, gradient].map((initial) => ({ dtype, length: initial.length, initial })),
              inputs: [values, ...factor],
              ints: [clear],
              reals: [],
            },
            apart: () => {
              const outputs = memory.map((array) => array.slice());
              const used = by === null ? gradient : apply('scale_by', dtype, n, factor, [], [], gradient);
              runInto({ op, form: '', outputs: [], inputs: [], ints: [0], reals: [] }, outputs, [used.slice(), values]);
              return [...outputs, clear === 1 ? new arrayTypes[dtype](n) : used];
            },
          };
        }),
      );
    });
}

// Every kind of step after another: f(v), f(v, w), f(w, v), a row, a column, a number, and the backward of a map both ways.
const chain: FusedMaker = (n, dtype, random) => {
  if (n === 0) return [];
  const columns = columnsOf(n);
  const rows = n / columns;
  const [x, w] = [uniform(random, dtype, n), uniform(random, dtype, n)];
  const [row, column, number] = [uniform(random, dtype, columns), uniform(random, dtype, rows), uniform(random, dtype, 1)];
  const words = state(random);
  const step = (op: string, swapped: number, operand: number, strides: [number, number], reals: [number, number] = [0, 0]) => ({
    ints: [indexOf(op), swapped, operand, ...strides],
    reals,
  });
  const whole: [number, number] = [columns, 1];
  const steps = [
    step('mul', 0, 2, whole),
    step('sub', 1, 3, [0, 1]),
    step('div', 0, 4, [1, 0]),
    step('clip', 0, 0, whole, [-2, 3]),
    step('add', 0, 5, [0, 0]),
    step('relu', 0, 0, whole),
    step('dropout', 0, 6, whole, [0.3, 0]),
    step('tanh', 0, 0, whole),
    step('tanh_backward', 1, 2, whole),
    step('relu_backward', 0, 2, whole),
    step('clip_backward', 0, 2, whole, [-3, 2]),
    step('maximum', 1, 5, [0, 0]),
  ];
  const broadcast = (strides: [number, number], swapped = false): number[] => [
    2,
    ...[rows, columns],
    ...(swapped ? [...strides, columns, 1] : [columns, 1, ...strides]),
  ];
  return [
    {
      sample: {
        op: 'elementwise_chain',
        form: `${steps.length} steps over rows of ${columns}`,
        outputs: one(dtype, n),
        inputs: [x, w, row, column, number, words],
        ints: [columns, ...steps.flatMap(({ ints }) => ints)],
        reals: steps.flatMap(({ reals }) => reals),
      },
      apart: () => {
        let v = apply('mul', dtype, n, [x, w], [1, n, 1, 1]);
        // The inner stride of a single column is 1 to native code, whatever it is.
        v = apply('sub', dtype, n, [row, v], broadcast([0, 1], true));
        v = apply('div', dtype, n, [v, column], broadcast([1, 0]));
        v = apply('clip', dtype, n, [v], [], [-2, 3]);
        v = apply('add + relu', dtype, n, [v, number], [1, n, 1, 0]);
        v = apply('dropout', dtype, n, [v, words], [], [0.3]);
        v = apply('tanh', dtype, n, [v]);
        v = apply('tanh_backward', dtype, n, [w, v]);
        v = apply('relu_backward', dtype, n, [v, w]);
        v = apply('clip_backward', dtype, n, [v, w], [], [-3, 2]);
        return [apply('maximum', dtype, n, [number, v], [1, n, 0, 1])];
      },
    },
    {
      sample: {
        op: 'elementwise_chain',
        form: 'maps alone: no other operand',
        outputs: one(dtype, n),
        inputs: [x],
        ints: [1, indexOf('clip'), 0, 0, 0, 0, indexOf('tanh'), 0, 0, 0, 0],
        reals: [-2, 3, 0, 0],
      },
      apart: () => [apply('tanh', dtype, n, [apply('clip', dtype, n, [x], [], [-2, 3])])],
    },
  ];
};

const pooledRelu: FusedMaker = (n, dtype, random) =>
  poolingMaker('max_pool2d_backward')(n, dtype, random).map((sample) => {
    const size = sample.outputs[0].length;
    const y = uniform(random, dtype, size, -1, 1);
    return {
      sample: { ...sample, op: 'max_pool2d_backward + relu_backward', inputs: [...sample.inputs, y] },
      apart: () => [apply('relu_backward', dtype, size, [apply(sample.op, dtype, size, [...sample.inputs], [...sample.ints]), y])],
    };
  });

export const fusedMakers: Record<string, FusedMaker> = {
  'matmul + bias + map': linearMap,
  'matmul + map': mapGradient,
  'matmul + overwrite': overwrite,
  'matmul + sums': linearGradients,
  'sum + prior': sumAccumulate,
  'add + map': sumMap,
  'max_pool2d_backward + relu_backward': pooledRelu,
  'cross_entropy + gradient': crossEntropyGradient(false),
  'cross_entropy_dense + gradient': crossEntropyGradient(true),
  ...Object.fromEntries(Object.keys(ruleSamples).map((op) => [op, update(op)])),
  elementwise_chain: chain,
  ...normFused,
  ...fusedConvolutions,
  conv2d_weight_gradient_shards: shardGradients,
};
