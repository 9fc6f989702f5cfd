// Rules of what works on each number by itself: arithmetic, comparisons, activation functions, casts.

import type { DType } from '../../dtype.js';
import { type Graph, real } from '../graph.js';
import { elementTypes } from '../schema.js';
import { type Call, type Rule, type Rules, elementwise, refuse, same } from './rule.js';

/** A rule whose operators take the input and constants of its type. */
const composed =
  (make: (graph: Graph, x: string, scalar: (value: number) => string, call: Call) => string): Rule =>
  (graph, call) =>
    elementwise(graph, call, ([x]) => make(graph, x, (value) => graph.scalar(value, call.inputs[0]), call), call.inputs.slice(0, 1));

/** Arithmetic, and a ReLU behind it where the operation has one. */
const arithmetic =
  (opType: string): Rule =>
  (graph, call) => {
    const { map } = call.fused;
    if (map !== undefined && map.name !== 'relu') refuse(call, `does ${map.name} besides`);
    elementwise(graph, call, (names) => {
      const made = graph.node(opType, names);
      return map === undefined ? made : graph.node('Relu', [made]);
    });
  };

/** Comparisons give truth values, which are numbers where somebody computes with them. */
const comparison =
  (opType: string, isNegated = false): Rule =>
  (graph, call) => {
    const made = graph.node(
      opType,
      call.inputs.map((input) => graph.plain(input)),
    );
    call.outputs[0].truth = isNegated ? graph.node('Not', [made]) : made;
  };

const where: Rule = (graph, call) => {
  const [condition, ...sides] = call.inputs;
  call.outputs[0].plain = graph.node('Where', [graph.truth(condition), ...sides.map((side) => graph.plain(side))]);
};

const gelu = composed((graph, x, scalar) => {
  const bell = graph.node('Add', [graph.node('Erf', [graph.node('Mul', [x, scalar(Math.SQRT1_2)])]), scalar(1)]);
  return graph.node('Mul', [graph.node('Mul', [x, scalar(0.5)]), bell]);
});

// x·σ(2√(2/π)·(x + 0.044715·x³))
const geluTanh = composed((graph, x, scalar) => {
  const square = graph.node('Mul', [x, x]);
  const inner = graph.node('Mul', [x, graph.node('Add', [graph.node('Mul', [square, scalar(0.044715)]), scalar(1)])]);
  return graph.node('Mul', [x, graph.node('Sigmoid', [graph.node('Mul', [inner, scalar(1.5957691216057308)])])]);
});

const swish = composed((graph, x, scalar, { reals: [alpha, beta] }) => {
  const gate = graph.node('Sigmoid', [alpha === 1 ? x : graph.node('Mul', [x, scalar(alpha)])]);
  const made = graph.node('Mul', [x, gate]);
  return beta === 1 ? made : graph.node('Mul', [made, scalar(beta)]);
});

const softplus = composed((graph, x, scalar, { reals: [beta] }) => {
  if (beta === 1) return graph.node('Softplus', [x]);
  return graph.node('Div', [graph.node('Softplus', [graph.node('Mul', [x, scalar(beta)])]), scalar(beta)]);
});

// β·x above 0, else α·(eˣ − 1)
const elu = composed((graph, x, _scalar, { reals: [alpha, beta] }) =>
  beta === 1 ? graph.node('Elu', [x], { alpha: real(alpha) }) : graph.node('Selu', [x], { alpha: real(alpha / beta), gamma: real(beta) }),
);

const step = composed((graph, x, scalar, { inputs: [{ dtype }] }) =>
  graph.node('Cast', [graph.node('GreaterOrEqual', [x, scalar(0)])], { to: elementTypes[dtype] }),
);

const cast: Rule = (graph, call) => {
  const [[input], [output]] = [call.inputs, call.outputs];
  const to = elementTypes[output.dtype as DType];
  if (input.plain === null && input.truth !== null) output.plain = graph.node('Cast', [input.truth], { to });
  else elementwise(graph, call, ([x]) => graph.node('Cast', [x], { to }));
};

/** Arithmetic, comparisons, maps. */
export const elementwiseRules: Rules = {
  add: arithmetic('Add'),
  sub: arithmetic('Sub'),
  mul: arithmetic('Mul'),
  div: arithmetic('Div'),
  minimum: arithmetic('Min'),
  maximum: arithmetic('Max'),
  pow: arithmetic('Pow'),
  prelu: arithmetic('PRelu'),
  equal: comparison('Equal'),
  not_equal: comparison('Equal', true),
  less: comparison('Less'),
  less_equal: comparison('LessOrEqual'),
  where,
  neg: same('Neg'),
  abs: same('Abs'),
  sign: same('Sign'),
  exp: same('Exp'),
  log: same('Log'),
  sqrt: same('Sqrt'),
  relu: same('Relu'),
  sigmoid: same('Sigmoid'),
  tanh: same('Tanh'),
  softsign: same('Softsign'),
  hard_swish: same('HardSwish'),
  hard_sigmoid: same('HardSigmoid', { alpha: real(1 / 6), beta: real(0.5) }),
  clip: composed((graph, x, scalar, { reals: [low, high] }) => graph.node('Clip', [x, scalar(low), scalar(high)])),
  leaky_relu: composed((graph, x, _scalar, { reals: [alpha] }) => graph.node('LeakyRelu', [x], { alpha: real(alpha) })),
  celu: composed((graph, x, _scalar, { reals: [alpha] }) => graph.node('Celu', [x], { alpha: real(alpha) })),
  mish: composed((graph, x) => graph.node('Mul', [x, graph.node('Tanh', [graph.node('Softplus', [x])])])),
  elu,
  gelu,
  gelu_tanh: geluTanh,
  swish,
  softplus,
  step,
  cast,
};
