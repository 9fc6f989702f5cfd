// Several operators of ONNX that are one here: a product with a bias, GELU out of the error function, and attention.

import { isFloat } from '../dtype.js';
import { type AnyTensor, Tensor } from '../tensor.js';
import { Held, type PlanNode, almostNothing, isCausalMask } from './held.js';
import type { Lowering } from './lower.js';
import { steps } from './steps/index.js';
import type { Weights } from './weights.js';
import { type MaskForm, attentionName } from './steps/attention.js';

/** The one node that reads a value, if it is one and nobody else sees the value. */
function soleReader(lowering: Lowering, name: string): PlanNode | null {
  const readers = lowering.nodes.readers(name);
  return readers.length === 1 && !lowering.isOutput(name) ? readers[0] : null;
}

/** MatMul by weights, and an addition of a row behind it: one node with the row as its third input. */
export function fuseLinear(lowering: Lowering): void {
  for (const node of lowering.nodes.all) {
    const weight = lowering.constant(node.inputs[1] ?? '');
    if (node.op !== 'MatMul' || weight?.shape.length !== 2 || lowering.constant(node.inputs[0]) !== null) continue;
    const add = soleReader(lowering, node.outputs[0]);
    const other = add?.inputs.find((name) => name !== node.outputs[0]) ?? '';
    const row = lowering.constant(other);
    if (add?.op !== 'Add' || row === null || row.isFixed || row.shape.length !== 1 || row.shape[0] !== weight.shape[1]) continue;
    if (lowering.nodes.readers(other).length > 1 || lowering.nodes.readers(node.inputs[1]).length > 1) continue;
    lowering.nodes.remove(add);
    lowering.nodes.replace(node, { ...node, inputs: [node.inputs[0], node.inputs[1], other], outputs: add.outputs });
  }
}

/** What moves numbers of constants into their places, in files whose constants were not folded. */
const moving = new Set(['Slice', 'Concat', 'Unsqueeze', 'Squeeze', 'Transpose', 'Reshape', 'ConstantOfShape', 'Expand', 'Identity']);

/** The numbers of a value that is moved out of constants alone; null for any other. */
function movedConstant(lowering: Lowering, name: string, version: number, depth = 0): Weights | null {
  const known = lowering.constant(name);
  const node = lowering.nodes.maker(name);
  if (known !== null || node === null || !moving.has(node.op) || depth > mostMoves) return known;
  const inputs = node.inputs.map((one) => (one === '' ? null : movedConstant(lowering, one, version, depth + 1)));
  if (node.inputs.some((one, i) => one !== '' && inputs[i] === null)) return null;
  const held = inputs.map((one) => {
    if (one === null) return null;
    return one.exact === null
      ? Held.plain(Tensor.from(one.data, one.shape) as AnyTensor)
      : Held.of({ shape: one.shape, data: one.exact, isReal: false });
  });
  const made = steps[node.op]({ node, version, inputs: held }) as Held;
  const isReal = made.numbers?.isReal ?? isFloat(made.dtype);
  const data = made.plain.data as Float32Array | Int32Array;
  return { shape: made.shape, data, isFixed: inputs.every((one) => one === null || one.isFixed), exact: isReal ? null : Array.from(data) };
}

/** Deeper than what exporters write. */
const mostMoves = 32;

/** Weights of recurrent layers that are put together of constants, and first states of zeros, which are left out. */
export function foldRecurrent(lowering: Lowering, version: number): void {
  for (const node of lowering.nodes.all) {
    if (!['RNN', 'LSTM', 'GRU'].includes(node.op)) continue;
    const constants = node.inputs.map((name) => (name === '' ? null : movedConstant(lowering, name, version)));
    for (const [i, one] of constants.entries()) if (i > 0 && i < 4 && one !== null) lowering.know(node.inputs[i], one);
    const hasZeros = [5, 6].every((i) => (node.inputs[i] ?? '') === '' || constants[i]?.data.every((value: number) => value === 0) === true);
    if (hasZeros) lowering.nodes.replace(node, { ...node, inputs: node.inputs.map((name, i) => (i === 5 || i === 6 ? '' : name)) });
  }
}

/** x·(1 + erf(x/√2))/2 in any order of its products: what exporters write for GELU. What is left of it is read by nobody. */
export function fuseGelu(lowering: Lowering): void {
  for (const erf of lowering.nodes.all.filter(({ op }) => op === 'Erf')) {
    const found = geluOf(lowering, erf);
    if (found === null) lowering.refuse(erf, 'is the error function, which nodegrad has in GELU alone: x·(1 + erf(x/√2))/2');
    const { x, last } = found;
    lowering.nodes.replace(last, { ...last, op: 'Gelu', inputs: [x], attributes: {} });
  }
}

/** The other operand of a product, or sum, with one. */
function beside(node: PlanNode | null | undefined, op: string, is: (name: string) => boolean): string | null {
  if (node?.op !== op || node.inputs.length !== 2) return null;
  const at = node.inputs.findIndex(is);
  return at < 0 ? null : node.inputs[1 - at];
}

function geluOf(lowering: Lowering, erf: PlanNode): { x: string; last: PlanNode } | null {
  const maker = (name: string): PlanNode | null => lowering.nodes.maker(name);
  const near = (name: string, value: number): boolean => {
    const held = lowering.constant(name);
    return held?.data.length === 1 && Math.abs(held.data[0] - value) < 1e-6;
  };
  const half = (name: string): boolean => near(name, 0.5);
  const scaled = maker(erf.inputs[0]);
  const divided = scaled?.op === 'Div' && near(scaled.inputs[1], Math.SQRT2) ? scaled.inputs[0] : null;
  const x = beside(scaled, 'Mul', (name) => near(name, Math.SQRT1_2)) ?? divided;
  const plus = soleReader(lowering, erf.outputs[0]);
  if (x === null || beside(plus, 'Add', (name) => near(name, 1)) === null) return null;
  const one = soleReader(lowering, (plus as PlanNode).outputs[0]);
  const other = beside(one, 'Mul', (name) => name === (plus as PlanNode).outputs[0]);
  if (one === null || other === null) return null;
  if (beside(maker(other), 'Mul', half) === x) return { x, last: one };
  const two = soleReader(lowering, one.outputs[0]);
  const isOwn = (name: string): boolean => name === one.outputs[0];
  const rest = beside(two, 'Mul', isOwn);
  if (two === null || rest === null) return null;
  return (other === x && half(rest)) || (half(other) && rest === x) ? { x, last: two } : null;
}

/**
 * softmax(q·k·scale, masked)·v: what exporters write for attention, one node with the inputs q, k, v a mask and a factor, if there are any. Whether it can run as attention
 * of nodegrad shows when shapes are known; else it runs as it was written.
 */
export function fuseAttention(lowering: Lowering): void {
  for (const softmax of lowering.nodes.all.filter(({ op }) => op === 'Softmax')) {
    const scores = scoresOf(lowering, softmax.inputs[0]);
    const guard = scores === null ? null : guardOf(lowering, softmax, scores.mask);
    const weights = guard === null ? softmax.outputs[0] : guard.output;
    const last = soleReader(lowering, weights);
    const isLastAxis = [-1, 3].includes(Number(softmax.attributes.axis ?? -1));
    if (last?.op !== 'MatMul' || last.inputs[0] !== weights || last.inputs[1] === weights || !isLastAxis || scores === null) continue;
    const { product, parts, scale, factor, factorOp, form, fill } = scores;
    // A score that something is left of counts behind a softmax.
    if (form !== 'add' && !(fill <= almostNothing)) continue;
    const { mask, isCausal } = withoutPast(lowering, scores.mask, form);
    const inputs = [...product.inputs, last.inputs[1], mask, factor];
    for (const part of [...parts, softmax, ...(guard?.parts ?? [])]) lowering.nodes.remove(part);
    const attributes = {
      scale,
      factorOp,
      form,
      fill: Number.isFinite(fill) ? fill : String(fill),
      causal: Number(isCausal),
      guard: guard?.kind ?? '',
    };
    lowering.nodes.replace(last, { ...last, op: attentionName, inputs, attributes });
  }
}

/** A mask without its causal part, whether that is all of it or one of two. */
function withoutPast(lowering: Lowering, mask: string, form: MaskForm): { mask: string; isCausal: boolean } {
  const isPast = (name: string): boolean => {
    const constant = lowering.constant(name);
    if (constant !== null) return isCausalMask(constant.shape, constant.data, form === 'add' ? 'add' : 'truth');
    return form === 'where' && isPlaceMask(lowering, name);
  };
  if (mask === '' || form === 'unless') return { mask, isCausal: false };
  if (isPast(mask)) return { mask: '', isCausal: true };
  const both = lowering.nodes.maker(mask);
  const at = both?.op === (form === 'add' ? 'Add' : 'And') ? both.inputs.findIndex(isPast) : -1;
  return at < 0 ? { mask, isCausal: false } : { mask: (both as PlanNode).inputs[1 - at], isCausal: true };
}

interface Guard {
  /** `'nan'`: what is NaN becomes 0. `'mask'`: what is masked does. */
  readonly kind: 'nan' | 'mask';
  readonly parts: readonly PlanNode[];
  readonly output: string;
}

/** What gives zeros to a query whose keys are all masked, Where(IsNaN(weights), 0, weights) or Where(mask, weights, 0), if nobody else reads the weights. */
function guardOf(lowering: Lowering, softmax: PlanNode, mask: string): Guard | null {
  const [weights] = softmax.outputs;
  const readers = lowering.nodes.readers(weights);
  const where = readers.find((node) => node.op === 'Where');
  const isZero = (name: string): boolean => {
    const held = lowering.constant(name);
    return held?.data.length === 1 && held.data[0] === 0;
  };
  if (where === undefined || lowering.isOutput(weights)) return null;
  const [condition, one, other] = where.inputs;
  const [output] = where.outputs;
  if (readers.length === 1 && condition === mask && one === weights && isZero(other)) return { kind: 'mask', parts: [where], output };
  const isNaN = readers.find((node) => node.op === 'IsNaN');
  if (readers.length !== 2 || isNaN === undefined || soleReader(lowering, isNaN.outputs[0]) !== where) return null;
  return condition === isNaN.outputs[0] && isZero(one) && other === weights ? { kind: 'nan', parts: [isNaN, where], output } : null;
}

/** Places of keys up to those of queries, of any number: what {@link saveOnnx} writes for a causal mask where a length is free. */
function isPlaceMask(lowering: Lowering, name: string): boolean {
  const compared = lowering.nodes.maker(name);
  if (compared?.op !== 'LessOrEqual') return false;
  const numbered = (node: PlanNode | null): boolean =>
    node?.op === 'Range' && [0, 1].every((value) => lowering.constant(node.inputs[2 * value])?.data[0] === value);
  const column = lowering.nodes.maker(compared.inputs[1]);
  const isColumn = column?.op === 'Unsqueeze' && lowering.constant(column.inputs[1])?.data.join() === '1';
  return isColumn && numbered(lowering.nodes.maker(column.inputs[0])) && numbered(lowering.nodes.maker(compared.inputs[0]));
}

interface Scores {
  readonly product: PlanNode;
  /** All nodes that make the scores. */
  readonly parts: readonly PlanNode[];
  readonly scale: number;
  /** What they are multiplied with or divided by that is computed, as out of a shape; '' for nothing. */
  readonly factor: string;
  readonly factorOp: 'Mul' | 'Div';
  readonly mask: string;
  readonly form: MaskForm;
  /** What stands where a truth value is 0. */
  readonly fill: number;
}

/** A product of two tensors that are computed, a number that it is multiplied with, and a mask; null for anything else. */
function scoresOf(lowering: Lowering, name: string, isMasked = false): Scores | null {
  const node = lowering.nodes.maker(name);
  if (node === null || soleReader(lowering, name) === null) return null;
  const single = (at: number): number | null => {
    const held = lowering.constant(node.inputs[at] ?? '');
    return held?.data.length === 1 && held.exact === null ? held.data[0] : null;
  };
  const below = (at: number, masked: boolean): Scores | null => scoresOf(lowering, node.inputs[at], masked);
  const over = (scores: Scores | null, more: Partial<Scores>): Scores | null =>
    scores === null ? null : { ...scores, ...more, parts: [...scores.parts, node] };
  if (node.op === 'MatMul' && node.inputs.length === 2 && node.inputs.every((one) => lowering.constant(one) === null))
    return { product: node, parts: [node], scale: 1, factor: '', factorOp: 'Mul', mask: '', form: 'add', fill: 0 };
  const at = [0, 1].find((i) => single(i) !== null);
  if ((node.op === 'Mul' && at !== undefined) || (node.op === 'Div' && at === 1)) {
    const factor = single(at as number) as number;
    const scores = below(1 - (at as number), true);
    return over(scores, { scale: (scores?.scale ?? 1) * (node.op === 'Mul' ? factor : 1 / factor) });
  }
  if (node.op === 'Mul' || node.op === 'Div') {
    for (const i of node.op === 'Mul' ? [0, 1] : [0]) {
      const scores = below(i, true);
      if (scores?.factor === '') return over(scores, { factor: node.inputs[1 - i], factorOp: node.op });
    }
  }
  // A product of scores and numbers behind the mask would scale the mask, too.
  if (isMasked) return null;
  if (node.op === 'Add') {
    for (const i of [0, 1]) {
      const scores = over(below(i, true), { mask: node.inputs[1 - i], form: 'add' });
      if (scores !== null) return scores;
    }
  }
  if (node.op !== 'Where') return null;
  const [kept, masked] = [single(2), single(1)];
  if (kept !== null) return over(below(1, true), { mask: node.inputs[0], form: 'where', fill: kept });
  return masked === null ? null : over(below(2, true), { mask: node.inputs[0], form: 'unless', fill: masked });
}
