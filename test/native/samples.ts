// One valid native call for each line of native/ops/ops.def, at any length: what the tests of kernels and runtime run over.
import type { DType, TypedArray } from '../../lib/dtype.js';
import { nativeOps } from '../../lib/native.js';
import { Seeded } from '../helpers/seeded.js';
import { attentionMakers } from './attention.js';
import { augment } from './augment.js';
import { convolutionMaker } from '../helpers/convolutions.js';
import { imageMakers } from '../helpers/images.js';
import { ruleSamples } from '../helpers/optimizers.js';
import { adaptiveMaker, poolingMaker } from '../helpers/poolings.js';
import { recurrentMakers } from '../helpers/recurrents.js';
import { columnsOf, type Float, type Maker, one, type Sample, state, uniform } from './calls.js';
import { fusedMakers } from './fused.js';
import { normMakers } from './norms.js';

export { type Float, runInto, runSample, type Sample } from './calls.js';

function unary(op: string, low = -4, high = 4, reals: number[] = []): Maker {
  return (n, dtype, random) => [
    { op, form: 'same', outputs: one(dtype, n), inputs: [uniform(random, dtype, n, low, high)], ints: [], reals, aliases: true },
  ];
}

function backward(op: string, reals: number[] = []): Maker {
  return (n, dtype, random) => [
    {
      op,
      form: 'same',
      outputs: one(dtype, n),
      inputs: [uniform(random, dtype, n), uniform(random, dtype, n, -1, 1)],
      ints: [],
      reals,
      aliases: true,
    },
  ];
}

// Every way in which two operands may be stretched: a step of 0 or 1 in a row, and rows repeated.
function binary(op: string, output: (dtype: Float) => DType = (dtype) => dtype, low = -4): Maker {
  return (n, dtype, random) => {
    const outputs = one(output(dtype), n);
    const full = (): TypedArray => uniform(random, dtype, n, low, 4);
    const single = (): TypedArray => uniform(random, dtype, 1, low, 4);
    const columns = columnsOf(n);
    const aliases = output(dtype) === dtype;
    return [
      { op, form: 'same shapes', outputs, inputs: [full(), full()], ints: [1, n, 1, 1], reals: [], aliases },
      { op, form: 'tensor and scalar', outputs, inputs: [full(), single()], ints: [1, n, 1, 0], reals: [], aliases },
      { op, form: 'scalar and tensor', outputs, inputs: [single(), full()], ints: [1, n, 0, 1], reals: [] },
      { op, form: 'two scalars', outputs, inputs: [single(), single()], ints: [1, n, 0, 0], reals: [] },
      {
        op,
        form: `rows of ${columns} and one row`,
        outputs,
        inputs: [full(), uniform(random, dtype, columns, low, 4)],
        ints: [2, n / columns, columns, columns, 1, 0, 1],
        reals: [],
        aliases,
      },
    ];
  };
}

function rows(op: string, inputs: 1 | 2): Maker {
  return (n, dtype, random) =>
    [columnsOf(n), n].map((columns) => ({
      op,
      form: `rows of ${columns}`,
      outputs: one(dtype, n),
      inputs: Array.from({ length: inputs }, () => uniform(random, dtype, n)),
      ints: [columns === 0 ? 0 : n / columns, columns],
      reals: [],
    }));
}

function extreme(op: string): Maker {
  return (n, dtype, random) =>
    n === 0
      ? []
      : [
          [n / columnsOf(n), columnsOf(n), 1],
          [1, n, 1],
          [1, n / columnsOf(n), columnsOf(n)],
        ].map(([outer, length, inner]) => ({
          op,
          form: `[${outer}, ${length}, ${inner}]`,
          outputs: [...one(dtype, outer * inner), ...one('int32', outer * inner)],
          inputs: [uniform(random, dtype, n)],
          ints: [outer, length, inner],
          reals: [],
        }));
}

// Products whose output has about n elements, with odd inner dimensions.
function product(op: string, form: 'plain' | 'accumulate' | 'linear'): Maker {
  return (n, dtype, random) => {
    const columns = columnsOf(n);
    const m = n / columns;
    const cases = form === 'linear' ? [[0, 0]] : [[0, 0], [0, 1], [1, 0], [1, 1]]; // biome-ignore format: one line
    return cases.flatMap(([a, b]) =>
      [1, 19].map((k) => ({
        op,
        form: `${m}×${k}×${columns}${a ? ' Aᵀ' : ''}${b ? ' Bᵀ' : ''}`,
        outputs: form === 'accumulate' ? [{ dtype, length: n, initial: uniform(random, dtype, n) }] : one(dtype, n),
        inputs: [
          uniform(random, dtype, m * k),
          uniform(random, dtype, k * columns),
          ...(form === 'linear' ? [uniform(random, dtype, columns)] : []),
        ],
        ints: [m, columns, k, a, b],
        reals: [],
      })),
    );
  };
}

function drawn(op: string): Maker {
  return (n, dtype, random) => [{ op, form: 'own stream', outputs: one(dtype, n), inputs: [state(random)], ints: [], reals: [-0.5, 1.5] }];
}

function crossEntropy(op: string, dense: boolean): Maker {
  return (n, dtype, random) =>
    n === 0
      ? []
      : [0, 0.1].map((smoothing) => {
          const columns = columnsOf(n);
          const count = n / columns;
          return {
            op,
            form: `${count} rows of ${columns}, smoothing ${smoothing}`,
            outputs: [...one(dtype, count), ...one(dtype, n)],
            inputs: [
              uniform(random, dtype, n),
              dense ? uniform(random, dtype, n, 0, 1) : Int32Array.from({ length: count }, () => random.integer(columns)),
            ],
            ints: [count, columns],
            reals: [smoothing],
          };
        });
}

/** One number of each row, or (`way` −1) back into it. */
function pick(op: string, way: 1 | -1): Maker {
  return (n, dtype, random) => {
    const columns = columnsOf(n);
    const rows = n / columns;
    const [from, to] = way === 1 ? [n, rows] : [rows, n];
    const index = Int32Array.from({ length: rows }, () => random.integer(columns));
    const form = `${rows} rows of ${columns}`;
    return [{ op, form, outputs: one(dtype, to), inputs: [uniform(random, dtype, from), index], ints: [rows, columns], reals: [] }];
  };
}

function optimizer(op: string): Maker {
  return (n, dtype, random) =>
    ruleSamples[op].map(({ hyper, state: lows }) => ({
      op,
      form: `hyper ${hyper.join(' ')}`,
      outputs: [-1, ...lows].map((low) => {
        const length = low === null ? 0 : n;
        return { dtype, length, initial: uniform(random, dtype, length, low ?? 0, 1) };
      }),
      inputs: [uniform(random, dtype, n, -1, 1), Float64Array.from(hyper)],
      ints: [0],
      reals: [],
    }));
}

/** Maps of maps.def and their backwards, with as many parameters as they have; those that want other numbers have a row of their own. */
const maps = Object.fromEntries(
  nativeOps.flatMap(({ name, signature, ints, reals }): [string, Maker][] => {
    const parameters = [0.75, 1.25].slice(0, reals);
    if (ints !== 0 || reals < 0 || reals > 2) return [];
    if (signature === 'S:S') return [[name, unary(name, -20, 20, parameters)]];
    return signature === 'S:SS' ? [[name, backward(name, parameters)]] : [];
  }),
);

const makers: Record<string, Maker> = {
  ...maps,
  ...Object.fromEntries(['max_pool2d', 'max_pool2d_backward', 'avg_pool2d', 'avg_pool2d_backward'].map((op) => [op, poolingMaker(op)])),
  ...Object.fromEntries(['adaptive_avg_pool2d', 'adaptive_avg_pool2d_backward'].map((op) => [op, adaptiveMaker(op)])),
  ...Object.fromEntries(
    ['conv2d', 'conv2d + bias', 'conv2d_input_gradient', 'conv2d_weight_gradient', 'conv2d_weight_gradient + accumulate'].map((op) => [
      op,
      convolutionMaker(op),
    ]),
  ),
  ...Object.fromEntries(
    Object.entries(fusedMakers).map(([op, make]) => [op, (...given: Parameters<Maker>) => make(...given).map(({ sample }) => sample)]),
  ),
  ...attentionMakers,
  ...normMakers,
  ...imageMakers,
  ...recurrentMakers,
  add: binary('add'),
  sub: binary('sub'),
  mul: binary('mul'),
  div: binary('div'),
  minimum: binary('minimum'),
  maximum: binary('maximum'),
  pow: binary('pow', (dtype) => dtype, 0),
  'add + relu': binary('add + relu'),
  equal: binary('equal', () => 'uint8'),
  not_equal: binary('not_equal', () => 'uint8'),
  less: binary('less', () => 'uint8'),
  less_equal: binary('less_equal', () => 'uint8'),
  where: (n, dtype, random) => {
    const mask = Uint8Array.from({ length: n }, () => random.integer(2));
    return [
      {
        op: 'where',
        form: 'mask, tensor, scalar',
        outputs: one(dtype, n),
        inputs: [mask, uniform(random, dtype, n), uniform(random, dtype, 1)],
        ints: [1, n, 1, 1, 0],
        reals: [],
      },
    ];
  },
  exp: unary('exp', -100, 89),
  log: unary('log', 0, 1000),
  sqrt: unary('sqrt', 0, 1000),
  sigmoid: unary('sigmoid', -90, 90),
  tanh: unary('tanh', -10, 10),
  clip: unary('clip', -4, 4, [-1.5, 2]),
  clip_backward: backward('clip_backward', [-0.5, 0.5]),
  prelu: binary('prelu'),
  prelu_slope: binary('prelu_slope'),
  accumulate: (n, dtype, random) => [
    {
      op: 'accumulate',
      form: 'in place',
      outputs: [{ dtype, length: n, initial: uniform(random, dtype, n) }],
      inputs: [uniform(random, dtype, n)],
      ints: [],
      reals: [],
    },
  ],
  scale_by: (n, dtype, random) =>
    [0.37, 1].map((factor) => ({
      op: 'scale_by',
      form: `by ${factor}`,
      outputs: [{ dtype, length: n, initial: uniform(random, dtype, n) }],
      inputs: [Float64Array.of(factor)],
      ints: [],
      reals: [],
    })),
  cast: (n, dtype, random) =>
    (['float32', 'float64', 'int32', 'uint8'] as const).map((to) => ({
      op: 'cast',
      form: `to ${to}`,
      outputs: one(to, n),
      inputs: [uniform(random, dtype, n, -300, 300)],
      ints: [],
      reals: [],
    })),
  fill: (n, dtype) =>
    (['int32', 'uint8', dtype] as const).map((to) => ({ op: 'fill', form: to, outputs: one(to, n), inputs: [], ints: [], reals: [1.75] })),
  copy_strided: (n, dtype, random) => {
    const columns = columnsOf(n);
    return [
      {
        op: 'copy_strided',
        form: `transpose of ${n / columns}×${columns}`,
        outputs: one(dtype, n),
        inputs: [uniform(random, dtype, n)],
        ints: [0, 2, columns, n / columns, 1, columns],
        reals: [],
      },
      {
        op: 'copy_strided',
        form: 'backwards',
        outputs: one(dtype, n),
        inputs: [uniform(random, dtype, n)],
        ints: [Math.max(0, n - 1), 1, n, -1],
        reals: [],
      },
      {
        op: 'copy_strided',
        form: `${columns} of ${columns + 2} channels`,
        outputs: one(dtype, n),
        inputs: [uniform(random, dtype, (n / columns) * (columns + 2))],
        ints: n === 0 ? [0, 1, 0, 1] : [1, 3, 1, n / columns, columns, n, columns + 2, 1],
        reals: [],
      },
    ];
  },
  embed: (n, dtype, random) => [
    { op: 'embed', form: 'one axis', outputs: one(dtype, n + 5), inputs: [uniform(random, dtype, n)], ints: [1, n + 5, n, 2], reals: [-1] },
    {
      op: 'embed',
      form: 'two axes',
      outputs: one(dtype, 3 * (n + 2)),
      inputs: [uniform(random, dtype, n)],
      ints: [2, 3, n + 2, 1, n, 1, 1],
      reals: [0.5],
    },
  ],
  concat: (n, dtype, random) => [
    {
      op: 'concat',
      form: 'three parts',
      outputs: one(dtype, 3 * n),
      inputs: [uniform(random, dtype, n), uniform(random, dtype, 2 * n)],
      ints: [1, n, 2 * n],
      reals: [],
    },
  ],
  gather_rows: (n, dtype, random) => {
    const columns = columnsOf(n);
    return [
      {
        op: 'gather_rows',
        form: `rows of ${columns}`,
        outputs: one(dtype, n),
        inputs: [uniform(random, dtype, 9 * columns), Int32Array.from({ length: n / columns }, () => random.integer(9))],
        ints: [9, columns],
        reals: [],
      },
    ];
  },
  scatter_add_rows: (n, dtype, random) => {
    const columns = columnsOf(n);
    return [
      {
        op: 'scatter_add_rows',
        form: `rows of ${columns}`,
        outputs: one(dtype, 9 * columns),
        inputs: [uniform(random, dtype, n), Int32Array.from({ length: n / columns }, () => random.integer(9))],
        ints: [9, columns, 0],
        reals: [],
      },
    ];
  },
  sum: (n, dtype, random) => {
    const columns = columnsOf(n);
    return [
      [n / columns, columns, 1],
      [1, n, 1],
      [1, n / columns, columns],
    ].map(([outer, length, inner]) => ({
      op: 'sum',
      form: `[${outer}, ${length}, ${inner}]`,
      outputs: one(dtype, outer * inner),
      inputs: [uniform(random, dtype, n)],
      ints: [outer, length, inner],
      reals: [],
    }));
  },
  max: extreme('max'),
  min: extreme('min'),
  select_backward: (n, dtype, random) => {
    if (n === 0) return [];
    const columns = columnsOf(n);
    const length = n / columns;
    return [
      {
        op: 'select_backward',
        form: `[1, ${length}, ${columns}]`,
        outputs: one(dtype, n),
        inputs: [uniform(random, dtype, columns), Int32Array.from({ length: columns }, () => random.integer(length))],
        ints: [1, length, columns],
        reals: [],
      },
    ];
  },
  histogram: (n, dtype, random) => [
    { op: 'histogram', form: '7 bins', outputs: one('int32', 7), inputs: [uniform(random, dtype, n)], ints: [], reals: [-3, 3] },
  ],
  require_finite: (n, dtype, random) => [
    { op: 'require_finite', form: 'finite', outputs: [], inputs: [uniform(random, dtype, n)], ints: [], reals: [] },
  ],
  sum_squares: (n, dtype, random) => [
    {
      op: 'sum_squares',
      form: 'all',
      outputs: [...one('float64', 1), ...one('float64', 1)],
      inputs: [uniform(random, dtype, n)],
      ints: [],
      reals: [],
    },
  ],
  sum_squares_blocks: (n, dtype, random) => [
    {
      op: 'sum_squares_blocks',
      form: 'all',
      outputs: one('float64', Math.ceil(n / 4096)),
      inputs: [uniform(random, dtype, n)],
      ints: [],
      reals: [],
    },
  ],
  sum_blocks: (n, _, random) => [
    { op: 'sum_blocks', form: 'all', outputs: one('float64', 1), inputs: [uniform(random, 'float64', n)], ints: [], reals: [] },
  ],
  sum_squares_difference: (n, dtype, random) => [
    {
      op: 'sum_squares_difference',
      form: 'all',
      outputs: [...one('float64', 1), ...one('float64', 1)],
      inputs: [uniform(random, dtype, n), uniform(random, dtype, n)],
      ints: [],
      reals: [],
    },
  ],
  statistics: (n, dtype, random) =>
    [0, 256].map((bins) => ({
      op: 'statistics',
      form: `${bins} bins`,
      outputs: [...one('float64', 6), ...one('int32', bins)],
      inputs: [uniform(random, dtype, n)],
      ints: [],
      reals: [],
    })),
  matmul: product('matmul', 'plain'),
  'matmul + accumulate': product('matmul + accumulate', 'accumulate'),
  'matmul + bias': product('matmul + bias', 'linear'),
  softmax: rows('softmax', 1),
  softmax_backward: rows('softmax_backward', 2),
  log_softmax: rows('log_softmax', 1),
  log_softmax_backward: rows('log_softmax_backward', 2),
  cross_entropy: crossEntropy('cross_entropy', false),
  cross_entropy_dense: crossEntropy('cross_entropy_dense', true),
  cross_entropy_backward: (n, dtype, random) => {
    const columns = columnsOf(n);
    return [
      {
        op: 'cross_entropy_backward',
        form: `rows of ${columns}`,
        outputs: one(dtype, n),
        inputs: [uniform(random, dtype, n / columns), uniform(random, dtype, n)],
        ints: [n / columns, columns],
        reals: [],
      },
    ];
  },
  pick: pick('pick', 1),
  pick_backward: pick('pick_backward', -1),
  binary_cross_entropy: (n, dtype, random) =>
    [1, 3].map((weight) => ({
      op: 'binary_cross_entropy',
      form: `targets of 1 weigh ${weight}`,
      outputs: [...one(dtype, n), ...one(dtype, n)],
      inputs: [uniform(random, dtype, n, -20, 20), uniform(random, dtype, n, 0, 1)],
      ints: [],
      reals: [weight],
    })),
  dropout: (n, dtype, random) =>
    [0, 0.3, 1].map((p) => ({
      op: 'dropout',
      form: `p = ${p}`,
      outputs: one(dtype, n),
      inputs: [uniform(random, dtype, n), state(random)],
      ints: [],
      reals: [p],
      aliases: true,
    })),
  augment,
  random_uniform: drawn('random_uniform'),
  random_normal: drawn('random_normal'),
  ...Object.fromEntries(Object.keys(ruleSamples).map((op) => [op, optimizer(op)])),
};

/** The operations that have samples. */
export const sampled: readonly string[] = Object.keys(makers);

/** They wait for other processes: test/distributed has these. */
const ofGroups = new Set(['group_sum', 'group_reduce', 'group_share']);

/** Operations of ops.def without a sample: a test keeps this list empty. */
export const unsampled: readonly string[] = nativeOps.map((op) => op.name).filter((name) => makers[name] === undefined && !ofGroups.has(name));

/** Valid calls of an operation with about n elements. */
export function samplesOf(op: string, n: number, dtype: Float, seed = 1): Sample[] {
  const maker = makers[op];
  if (maker === undefined) throw new Error(`no sample is written for the native operation ${op}`);
  return maker(n, dtype, new Seeded(seed + n));
}

const words = new Uint32Array(2);
const asDouble = new Float64Array(words.buffer);

/** The bytes of an array with every NaN made the same one: a NaN stays a NaN, its payload is not promised. */
export function bytesOf(array: TypedArray): Uint8Array {
  const copy = array.slice();
  if (copy instanceof Float32Array || copy instanceof Float64Array) {
    for (let i = 0; i < copy.length; i++) if (Number.isNaN(copy[i])) copy[i] = NaN;
  }
  return new Uint8Array(copy.buffer, copy.byteOffset, copy.byteLength);
}

const rawBytes = ({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/** The first element at which two arrays differ in bits (any NaN equals any other), or -1. */
export function firstDifference(a: TypedArray, b: TypedArray): number {
  if (a.length !== b.length) return Math.min(a.length, b.length);
  if (a.constructor === b.constructor && Buffer.compare(rawBytes(a), rawBytes(b)) === 0) return -1; // as nearly always
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return i;
  return -1;
}

/** A number with its bits, for messages. */
export function bits(value: number): string {
  asDouble[0] = value;
  return `${value} (${words[1].toString(16)}:${words[0].toString(16)})`;
}
