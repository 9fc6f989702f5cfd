// Attention of a graph: as one operation of nodegrad where its shapes and its mask allow that, else operator by operator, as it was written.

import { attention } from '../../ops/attention.js';
import { Held, type Step, type StepContext, type Steps, input, int, sizeOf, text } from '../held.js';
import { elementwiseSteps } from './elementwise.js';
import { imageSteps } from './images.js';
import { shapeSteps } from './shapes.js';

/** The name of attention in plans: no operator of ONNX has it. */
export const attentionName = 'nodegrad.Attention';

/** How a mask is put on scores: as numbers that are added, or as truth values that keep them. */
export type MaskForm = 'add' | 'where';

/** Whether a mask [queries, keys], alone or behind axes of 1, leaves each query the keys up to its own place. */
export function isCausalMask(shape: readonly number[], data: ArrayLike<number>, form: MaskForm): boolean {
  const [queries, keys] = shape.slice(-2);
  if (shape.length < 2 || data.length !== queries * keys || data.length === 0) return false;
  for (let i = 0; i < data.length; i++) {
    const sees = i % keys <= Math.floor(i / keys);
    if (form === 'where' ? (data[i] !== 0) !== sees : sees ? data[i] !== 0 : !(data[i] <= -1e30)) return false;
  }
  return true;
}

const attend: Step = (context) => {
  const [q, k, v] = [0, 1, 2].map((at) => input(context, at));
  const form = text(context.node, 'form', 'add') as MaskForm;
  const mask = context.inputs[3] ?? null;
  const numbers = mask?.numbers ?? null;
  const factor = context.inputs[4] ?? null;
  const causal = int(context.node, 'causal', 0) === 1 || (numbers !== null && isCausalMask(numbers.shape, numbers.data, form));
  const [[examples, heads, queries, depth], keys] = [q.shape, k.shape[3]];
  const fits =
    q.shape.length === 4 &&
    k.shape.join() === [examples, heads, depth, keys].join() &&
    v.shape.join() === [examples, heads, keys, depth].join() &&
    (factor === null || factor.single !== null) &&
    (mask === null || (causal && numbers?.shape.slice(-2).join() === [queries, keys].join()));
  if (!fits || sizeOf(q.shape) * keys === 0) return asWritten(context, [q, k, v], mask, factor, causal);
  // [N, heads, places, depth], of keys [N, heads, depth, places], as [N, places, features].
  const rows = (held: Held, order: readonly number[], places: number) =>
    held.floats.transpose(order).reshape([examples, places, heads * depth]);
  const y = attention(rows(q, [0, 2, 1, 3], queries), rows(k, [0, 3, 1, 2], keys), rows(v, [0, 2, 1, 3], keys), {
    heads,
    causal,
    scale: int(context.node, 'scale', 1) * (isDivided(context) ? 1 / (factor?.single ?? 1) : (factor?.single ?? 1)),
  });
  return Held.plain(y.reshape([examples, queries, heads, depth]).transpose([0, 2, 1, 3]));
};

const isDivided = ({ node }: StepContext): boolean => text(node, 'factorOp', 'Mul') === 'Div';

/** One operator after the other. */
function asWritten(context: StepContext, [q, k, v]: readonly Held[], mask: Held | null, factor: Held | null, causal: boolean): Held {
  const steps: Steps = { ...elementwiseSteps, ...imageSteps, ...shapeSteps };
  const run = (op: string, inputs: readonly Held[], attributes = {}): Held =>
    steps[op]({ ...context, inputs, node: { ...context.node, op, attributes } }) as Held;
  const number = (value: number): Held => Held.of({ shape: [], data: [value], isReal: true });
  const scale = int(context.node, 'scale', 1);
  let scores = run('MatMul', [q, k]);
  if (scale !== 1) scores = run('Mul', [scores, number(scale)]);
  if (factor !== null) scores = run(isDivided(context) ? 'Div' : 'Mul', [scores, factor]);
  if (mask !== null && text(context.node, 'form', 'add') === 'add') scores = run('Add', [scores, mask]);
  else if (mask !== null) scores = run('Where', [mask, scores, number(Number(context.node.attributes.fill ?? 0))]);
  else if (causal) {
    const [queries, keys] = scores.shape.slice(-2);
    const sees = Array.from({ length: queries * keys }, (_, i) => Number(i % keys <= Math.floor(i / keys)));
    scores = run('Where', [Held.ints(sees, [queries, keys]), scores, number(-3.4028234663852886e38)]);
  }
  return run('MatMul', [run('Softmax', [scores], { axis: -1 }), v]);
}

/** Attention. */
export const attentionSteps: Steps = { [attentionName]: attend };
