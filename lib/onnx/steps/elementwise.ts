// Operators of ONNX that work on each number by itself, in operations of nodegrad.

import { ArgumentError } from '../../errors.js';
import { hardSigmoid, hardSwish, leakyRelu, prelu, relu, sigmoid, tanh } from '../../ops/activations.js';
import { exp, log, sqrt, where } from '../../ops/elementwise.js';
import { celu, elu, gelu, mish, softplus, softsign } from '../../ops/smooth_activations.js';
import type { AnyTensor, Tensor } from '../../tensor.js';
import {
  Held,
  type Numbers,
  type Sees,
  type Step,
  type StepContext,
  type Steps,
  almostNothing,
  bothSee,
  castTypes,
  input,
  int,
  seesOf,
  sizeOf,
  stretched,
  text,
} from '../held.js';
import { channelsLast } from '../graph.js';

/** A tensor beside images whose channels are last. */
function besideLast(held: Held): AnyTensor {
  const { shape } = held;
  if (shape.length === 4) return held.last;
  const whole = [...new Array<number>(4 - shape.length).fill(1), ...shape];
  return held.plain.reshape(whole).transpose(channelsLast);
}

/** Runs a function of tensors in whatever order of axes they stand. */
function aligned(operands: readonly Held[], run: (tensors: readonly AnyTensor[]) => AnyTensor): Held {
  const isLast = operands.some((held) => held.isLast) && operands.every(({ shape }) => shape.length <= 4);
  return isLast ? Held.last(run(operands.map(besideLast))) : Held.plain(run(operands.map(({ plain }) => plain)));
}

/** One function of one tensor of floats. */
const map =
  (run: (x: Tensor, context: StepContext) => Tensor): Step =>
  (context) =>
    aligned([input(context, 0)], ([x]) => run(floats(x), context));

const floats = (x: AnyTensor): Tensor => (x.dtype === 'float32' || x.dtype === 'float64' ? x : x.to('float32')) as Tensor;

const real = ({ node }: StepContext, name: string, otherwise: number): number => int(node, name, otherwise);

/** Numbers that are known by a function of pairs, broadcast. */
function ofNumbers(a: Numbers, b: Numbers, run: (a: number, b: number) => number): Held {
  const rank = Math.max(a.shape.length, b.shape.length);
  const [left, right] = [a, b].map(({ shape }) => [...new Array<number>(rank - shape.length).fill(1), ...shape]);
  const shape = left.map((dimension, d) => {
    if (dimension !== right[d] && dimension !== 1 && right[d] !== 1) throw new ArgumentError(`shapes [${a.shape}] and [${b.shape}] do not fit`);
    return dimension === 1 ? right[d] : dimension;
  });
  const at = (i: number, own: readonly number[]): number => {
    let [place, stride, rest] = [0, 1, i];
    for (let d = rank - 1; d >= 0; d--) {
      if (own[d] !== 1) place += (rest % shape[d]) * stride;
      stride *= own[d];
      rest = Math.floor(rest / shape[d]);
    }
    return place;
  };
  const data = Array.from({ length: sizeOf(shape) }, (_, i) => run(a.data[at(i, left)], b.data[at(i, right)]));
  return Held.of({ shape, data, isReal: a.isReal || b.isReal });
}

type Operand = Tensor | number;

/** Arithmetic of two or more. Numbers alone are computed in JavaScript, and whole numbers as floats, which hold them up to 2²⁴. */
const arithmetic =
  (ofTwo: (a: number, b: number) => number, run: (a: Tensor, b: Operand) => Tensor): Step =>
  (context) => {
    const operands = context.inputs.map((_, i) => input(context, i));
    return operands.slice(1).reduce((a, b): Held => {
      if (a.numbers !== null && b.numbers !== null) return ofNumbers(a.numbers, b.numbers, ofTwo);
      const isWhole = [a, b].every(({ dtype }) => dtype === 'int32');
      const back = (y: Tensor): AnyTensor => (isWhole ? y.to('int32') : y) as AnyTensor;
      const { single } = b;
      if (single !== null && a.shape.length >= b.shape.length) return aligned([a], ([x]) => back(run(floats(x), single)));
      return aligned([a, b], ([x, y]) => back(run(floats(x), floats(y))));
    }, operands[0]);
  };

const plainSum = arithmetic(
  (a, b) => a + b,
  (a, b) => a.add(b),
);
const plainDifference = arithmetic(
  (a, b) => a - b,
  (a, b) => a.sub(b),
);
const plainProduct = arithmetic(
  (a, b) => a * b,
  (a, b) => a.mul(b),
);

/** A power of numbers that are known; those of tensors are operations. */
function powerOf(base: number, exponent: number): number {
  if (exponent === 0.5) return Math.sqrt(base);
  if (!Number.isInteger(exponent) || Math.abs(exponent) > 64) throw new ArgumentError(`the power ${exponent} of a constant has no form here`);
  let power = 1;
  for (let i = 0; i < Math.abs(exponent); i++) power *= base;
  return exponent < 0 ? 1 / power : power;
}

/** Comparisons give 0 or 1. */
const comparison =
  (ofTwo: (a: number, b: number) => boolean, run: (a: Tensor, b: Operand) => AnyTensor): Step =>
  (context) => {
    const [a, b] = [input(context, 0), input(context, 1)];
    if (a.numbers !== null && b.numbers !== null) return ofNumbers(a.numbers, b.numbers, (x, y) => Number(ofTwo(x, y)));
    const { single } = b;
    if (single !== null && a.shape.length >= b.shape.length) return aligned([a], ([x]) => run(x, single));
    return aligned([a, b], ([x, y]) => (x.dtype === y.dtype ? run(x, y as Tensor) : run(floats(x), floats(y))));
  };

const truth = (x: AnyTensor): Tensor<'uint8'> => (x.dtype === 'uint8' ? x : x.notEqual(0)) as Tensor<'uint8'>;

const logical =
  (ofTwo: (a: number, b: number) => boolean, run: (a: Tensor<'uint8'>, b: Tensor<'uint8'>) => AnyTensor): Step =>
  (context) => {
    const [a, b] = [input(context, 0), input(context, 1)];
    if (a.numbers !== null && b.numbers !== null) return ofNumbers(a.numbers, b.numbers, (x, y) => Number(ofTwo(x, y)));
    return aligned([a, b], ([x, y]) => run(truth(x), truth(y)));
  };

const bothTrue = logical(
  (a, b) => a !== 0 && b !== 0,
  (a, b) => where(a, b, 0),
);

const and: Step = (context) => {
  const [a, b] = [input(context, 0), input(context, 1)];
  const sees = bothSee(seesOf(a), seesOf(b));
  if (sees === null || (a.numbers !== null && b.numbers !== null)) return bothTrue(context);
  return Held.later(stretched(a.shape, b.shape), 'uint8', () => bothTrue(context) as Held, { sees });
};

/** Sums; those of two masks are one. */
const add: Step = (context) => {
  const sum = (): Held => plainSum(context) as Held;
  const [a, b] = [input(context, 0), input(context, 1)];
  const isMask = (held: Held): boolean => held.facts.sees !== undefined || held.numbers?.isReal === true;
  const sees = isMask(a) && isMask(b) && (a.numbers === null || b.numbers === null) ? bothSee(seesOf(a), seesOf(b)) : null;
  return sees === null ? sum() : Held.later(stretched(a.shape, b.shape), 'float32', sum, { sees });
};

/** Differences; 1 − x is told. */
const subtract: Step = (context) => {
  const made = plainDifference(context) as Held;
  return input(context, 0).single === 1 ? made.knowing({ complementOf: input(context, 1) }) : made;
};

/** Products; (1 − x) times a number far below 0 is a mask. */
const multiply: Step = (context) => {
  const made = plainProduct(context) as Held;
  const [a, b] = [input(context, 0), input(context, 1)];
  const kept = a.facts.complementOf ?? b.facts.complementOf;
  if (kept === undefined || !((a.single ?? b.single ?? 0) <= almostNothing)) return made;
  return made.knowing({ sees: { keep: Held.plain(kept.floats.greaterEqual(1) as AnyTensor), isCausal: false } });
};

const choose: Step = (context) => {
  const [condition, a, b] = [input(context, 0), input(context, 1), input(context, 2)];
  const sees = condition.numbers === null ? maskChosen(condition, a, b) : null;
  if (sees === null) return chosen(context);
  return Held.later(stretched(stretched(condition.shape, a.shape), b.shape), 'float32', () => chosen(context), { sees });
};

/** What a mask of 0 and numbers far below it leaves, where a condition chooses between these two. */
function maskChosen(condition: Held, a: Held, b: Held): Sees | null {
  const isZero = ({ numbers }: Held): boolean => numbers?.data.every((value) => value === 0) === true;
  const isNothing = ({ single }: Held): boolean => single !== null && single <= almostNothing;
  const sees = seesOf(condition);
  if (isZero(a) && isNothing(b)) return sees;
  if (!isNothing(a) || !isZero(b) || sees?.keep == null || sees.isCausal) return null;
  return { keep: Held.plain(sees.keep.plain.equal(0) as AnyTensor), isCausal: false };
}

function chosen(context: StepContext): Held {
  const [condition, a, b] = [input(context, 0), input(context, 1), input(context, 2)];
  if (condition.numbers !== null && a.numbers !== null && b.numbers !== null) {
    const picked = ofNumbers(condition.numbers, a.numbers, (c, x) => (c === 0 ? Number.NaN : x)).numbers as Numbers;
    const isTaken = ofNumbers(condition.numbers, a.numbers, (c) => c).numbers as Numbers;
    const places = picked.data.map((_, i) => i);
    return ofNumbers({ ...picked, data: places }, b.numbers, (i, y) => (isTaken.data[i] === 0 ? y : picked.data[i]));
  }
  const operands = [condition, ...[a, b].filter(({ single }) => single === null)];
  return aligned(operands, ([c, ...sides]) => {
    const side = (held: Held): AnyTensor | number => held.single ?? (sides.shift() as AnyTensor);
    const [x, y] = [side(a), side(b)];
    return where(truth(c), x as Tensor, y as Tensor);
  });
}

const clip: Step = (context) => {
  const bound = (at: number, name: string): Operand | null => {
    const held = context.inputs[at] ?? null;
    if (held === null) return context.node.attributes[name] === undefined ? null : int(context.node, name, 0);
    return held.single ?? (held.plain as Tensor);
  };
  const [low, high] = [bound(1, 'min'), bound(2, 'max')];
  return aligned([input(context, 0)], ([x]) => {
    if (typeof low === 'number' && typeof high === 'number') return floats(x).clip(low, high);
    const above = low === null ? floats(x) : floats(x).maximum(low);
    return high === null ? above : above.minimum(high);
  });
};

const cast: Step = (context) => {
  const held = input(context, 0);
  const to = castTypes[int(context.node, 'to', 0)];
  if (to === undefined) throw new ArgumentError(`element type ${int(context.node, 'to', 0)} is none that nodegrad has`);
  if (held.numbers !== null) {
    const isReal = to === 'float32';
    const data = held.numbers.data.map((value) => (isReal ? value : to === 'bool' ? Number(value !== 0) : Math.trunc(value)));
    return Held.of({ ...held.numbers, data, isReal });
  }
  return aligned([held], ([x]) => (to === 'bool' ? truth(x) : x.to(to)));
};

const hardSigmoidOf: Step = (context) => {
  const [alpha, beta] = [real(context, 'alpha', 0.2), real(context, 'beta', 0.5)];
  const isOwn = Math.abs(alpha - 1 / 6) < 1e-7 && beta === 0.5;
  return map((x) => (isOwn ? hardSigmoid(x) : x.mul(alpha).add(beta).clip(0, 1)))(context);
};

const selu = map((x, context) => {
  const [alpha, gamma] = [real(context, 'alpha', 1.6732631921768188), real(context, 'gamma', 1.0507010221481323)];
  return elu(x, { alpha }).mul(gamma);
});

/** Arithmetic, comparisons, functions of one number. */
export const elementwiseSteps: Steps = {
  Add: add,
  Sub: subtract,
  Mul: multiply,
  Div: (context) => {
    // Whole numbers, such as sizes, are divided as in C.
    const isWhole = context.inputs.every((held) => held?.numbers?.isReal === false);
    return arithmetic(
      (a, b) => (isWhole ? Math.trunc(a / b) : a / b),
      (a, b) => a.div(b),
    )(context);
  },
  Mod: arithmetic(
    (a, b) => a - b * Math.floor(a / b),
    () => {
      throw new ArgumentError('remainders are for shapes alone here');
    },
  ),
  Pow: arithmetic(powerOf, (a, b) => a.pow(b)),
  Min: arithmetic(Math.min, (a, b) => a.minimum(b)),
  Max: arithmetic(Math.max, (a, b) => a.maximum(b)),
  Equal: comparison(
    (a, b) => a === b,
    (a, b) => a.equal(b),
  ),
  Less: comparison(
    (a, b) => a < b,
    (a, b) => a.less(b),
  ),
  LessOrEqual: comparison(
    (a, b) => a <= b,
    (a, b) => a.lessEqual(b),
  ),
  Greater: comparison(
    (a, b) => a > b,
    (a, b) => a.greater(b),
  ),
  GreaterOrEqual: comparison(
    (a, b) => a >= b,
    (a, b) => a.greaterEqual(b),
  ),
  And: and,
  Or: logical(
    (a, b) => a !== 0 || b !== 0,
    (a, b) => where(a, 1, b),
  ),
  Not: (context) => {
    const held = input(context, 0);
    if (held.numbers !== null) return Held.of({ ...held.numbers, data: held.numbers.data.map((value) => Number(value === 0)) });
    return aligned([held], ([x]) => x.equal(0));
  },
  // The one number that is not itself.
  IsNaN: (context) => aligned([input(context, 0)], ([x]) => floats(x).notEqual(floats(x)) as AnyTensor),
  Where: choose,
  Clip: clip,
  Cast: cast,
  Identity: (context) => input(context, 0),
  Neg: (context) => {
    const held = input(context, 0);
    return held.numbers === null ? map((x) => x.neg())(context) : Held.of({ ...held.numbers, data: held.numbers.data.map((value) => -value) });
  },
  Abs: map((x) => x.abs()),
  Sign: map((x) => x.sign()),
  Exp: map((x) => exp(x)),
  Log: map((x) => log(x)),
  Sqrt: map((x) => sqrt(x)),
  Reciprocal: map((x) => x.pow(-1)),
  Relu: map((x) => relu(x)),
  Sigmoid: map((x) => sigmoid(x)),
  Tanh: map((x) => tanh(x)),
  Softsign: map((x) => softsign(x)),
  Softplus: map((x) => softplus(x)),
  Mish: map((x) => mish(x)),
  HardSwish: map((x) => hardSwish(x)),
  HardSigmoid: hardSigmoidOf,
  LeakyRelu: map((x, context) => leakyRelu(x, { negativeSlope: real(context, 'alpha', 0.01) })),
  Elu: map((x, context) => elu(x, { alpha: real(context, 'alpha', 1) })),
  Celu: map((x, context) => celu(x, { alpha: real(context, 'alpha', 1) })),
  Selu: selu,
  Gelu: map((x, { node }) => gelu(x, { approximate: text(node, 'approximate', 'none') as 'none' | 'tanh' })),
  PRelu: (context) => aligned([input(context, 0), input(context, 1)], ([x, slope]) => prelu(floats(x), slope as Tensor)),
};
