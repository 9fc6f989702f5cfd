// Attention of a graph: as one operation of nodegrad where its shapes and its mask allow that, else operator by operator, as it was written.

import { attention } from '../../ops/attention.js';
import type { AnyTensor, Tensor } from '../../tensor.js';
import { Held, type Sees, type Step, type StepContext, type Steps, input, int, seesOf, sizeOf, text } from '../held.js';
import { elementwiseSteps } from './elementwise.js';
import { imageSteps } from './images.js';
import { productSteps } from './products.js';
import { shapeSteps } from './shapes.js';

/** The name of attention in plans: no operator of ONNX has it. */
export const attentionName = 'nodegrad.Attention';

/** How a mask is put on scores: as numbers that are added, as truth values that keep them, or as such that do not. */
export type MaskForm = 'add' | 'where' | 'unless';

/** What a mask leaves, by its form. */
function seenBy(mask: Held | null, form: MaskForm): Sees | null {
  if (mask === null) return { keep: null, isCausal: false };
  const sees = form === 'add' && mask.numbers?.isReal !== true ? (mask.facts.sees ?? null) : seesOf(mask);
  if (form !== 'unless' || sees === null) return sees;
  return sees.isCausal || sees.keep === null ? null : { keep: Held.plain(sees.keep.plain.equal(0) as AnyTensor), isCausal: false };
}

/** Truth values for each key of each example, [N, keys]; null for a mask of another kind. */
function keysOf(keep: Held, examples: number, keys: number): Tensor<'uint8'> | null {
  const shape = [...new Array<number>(Math.max(0, 4 - keep.shape.length)).fill(1), ...keep.shape];
  if (shape.join() !== [examples, 1, 1, keys].join()) return null;
  const { plain } = keep;
  return (plain.dtype === 'uint8' ? plain : plain.notEqual(0)).reshape([examples, keys]) as Tensor<'uint8'>;
}

const attend: Step = (context) => {
  const [q, k, v] = [0, 1, 2].map((at) => input(context, at));
  const form = text(context.node, 'form', 'add') as MaskForm;
  const mask = context.inputs[3] ?? null;
  const factor = context.inputs[4] ?? null;
  const isCausal = int(context.node, 'causal', 0) === 1;
  const [[examples, heads, queries, depth], keys] = [q.shape, k.shape[3]];
  const seen = seenBy(mask, form);
  const keep = seen?.keep == null ? null : keysOf(seen.keep, examples, keys);
  const fits =
    q.shape.length === 4 &&
    k.shape.join() === [examples, heads, depth, keys].join() &&
    v.shape.join() === [examples, heads, keys, depth].join() &&
    (factor === null || factor.single !== null) &&
    seen !== null &&
    (seen.keep === null || keep !== null) &&
    (!seen.isCausal || mask?.shape.slice(-2).join() === [queries, keys].join());
  if (!fits || sizeOf(q.shape) * keys === 0) return asWritten(context, [q, k, v], mask, factor, isCausal);
  // [N, heads, places, depth], of keys [N, heads, depth, places], as [N, places, features].
  const rows = (held: Held, order: readonly number[], places: number) =>
    held.floats.transpose(order).reshape([examples, places, heads * depth]);
  const y = attention(rows(q, [0, 2, 1, 3], queries), rows(k, [0, 3, 1, 2], keys), rows(v, [0, 2, 1, 3], keys), {
    heads,
    causal: isCausal || seen.isCausal,
    ...(keep !== null && { mask: keep }),
    scale: int(context.node, 'scale', 1) * (isDivided(context) ? 1 / (factor?.single ?? 1) : (factor?.single ?? 1)),
  });
  return Held.plain(y.reshape([examples, queries, heads, depth]).transpose([0, 2, 1, 3]));
};

const isDivided = ({ node }: StepContext): boolean => text(node, 'factorOp', 'Mul') === 'Div';

/** One operator after the other. */
function asWritten(context: StepContext, [q, k, v]: readonly Held[], mask: Held | null, factor: Held | null, causal: boolean): Held {
  const steps: Steps = { ...elementwiseSteps, ...imageSteps, ...productSteps, ...shapeSteps };
  const run = (op: string, inputs: readonly Held[], attributes = {}): Held =>
    steps[op]({ ...context, inputs, node: { ...context.node, op, attributes } }) as Held;
  const number = (value: number): Held => Held.of({ shape: [], data: [value], isReal: true });
  const scale = int(context.node, 'scale', 1);
  let scores = run('MatMul', [q, k]);
  if (scale !== 1) scores = run('Mul', [scores, number(scale)]);
  if (factor !== null) scores = run(isDivided(context) ? 'Div' : 'Mul', [scores, factor]);
  const form = text(context.node, 'form', 'add');
  const fill = number(Number(context.node.attributes.fill ?? 0));
  if (mask !== null)
    scores = form === 'add' ? run('Add', [scores, mask]) : run('Where', form === 'where' ? [mask, scores, fill] : [mask, fill, scores]);
  if (causal) {
    const [queries, keys] = scores.shape.slice(-2);
    const sees = Array.from({ length: queries * keys }, (_, i) => Number(i % keys <= Math.floor(i / keys)));
    scores = run('Where', [Held.ints(sees, [queries, keys]), scores, number(-3.4028234663852886e38)]);
  }
  let weights = run('Softmax', [scores], { axis: -1 });
  const guard = text(context.node, 'guard', '');
  if (guard === 'nan') weights = run('Where', [run('IsNaN', [weights]), number(0), weights]);
  if (guard === 'mask' && mask !== null) weights = run('Where', [mask, weights, number(0)]);
  return run('MatMul', [weights, v]);
}

/** Attention. */
export const attentionSteps: Steps = { [attentionName]: attend };
