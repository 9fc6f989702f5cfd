// Several operators of ONNX that are one here: a product with a bias, and GELU out of the error function.

import type { PlanNode } from './held.js';
import type { Lowering } from './lower.js';

/** The one node that reads a value, if it is one and nobody else sees the value. */
function soleReader(lowering: Lowering, name: string): PlanNode | null {
  const readers = lowering.readers(name);
  return readers.length === 1 && !lowering.isOutput(name) ? readers[0] : null;
}

/** MatMul by weights, and an addition of a row behind it: one node with the row as its third input. */
export function fuseLinear(lowering: Lowering): void {
  for (const node of lowering.nodes) {
    const weight = lowering.constant(node.inputs[1] ?? '');
    if (node.op !== 'MatMul' || weight?.shape.length !== 2 || lowering.constant(node.inputs[0]) !== null) continue;
    const add = soleReader(lowering, node.outputs[0]);
    const other = add?.inputs.find((name) => name !== node.outputs[0]) ?? '';
    const row = lowering.constant(other);
    if (add?.op !== 'Add' || row === null || row.isFixed || row.shape.length !== 1 || row.shape[0] !== weight.shape[1]) continue;
    if (lowering.readers(other).length > 1 || lowering.readers(node.inputs[1]).length > 1) continue;
    replace(lowering, add, null);
    replace(lowering, node, { ...node, inputs: [node.inputs[0], node.inputs[1], other], outputs: add.outputs });
  }
}

function replace(lowering: Lowering, node: PlanNode, other: PlanNode | null): void {
  lowering.nodes = lowering.nodes.flatMap((one) => (one === node ? (other === null ? [] : [other]) : [one]));
}

/** x·(1 + erf(x/√2))/2 in any order of its products: what exporters write for GELU. What is left of it is read by nobody. */
export function fuseGelu(lowering: Lowering): void {
  for (const erf of lowering.nodes.filter(({ op }) => op === 'Erf')) {
    const found = geluOf(lowering, erf);
    if (found === null) lowering.refuse(erf, 'is the error function, which nodegrad has in GELU alone: x·(1 + erf(x/√2))/2');
    const { x, last } = found;
    replace(lowering, last, { ...last, op: 'Gelu', inputs: [x], attributes: {} });
  }
  lowering.nodes = lowering.nodes.filter(({ op, outputs }) => op !== 'Erf' || lowering.readers(outputs[0]).length === 0);
}

function geluOf(lowering: Lowering, erf: PlanNode): { x: string; last: PlanNode } | null {
  const maker = (name: string): PlanNode | undefined => lowering.nodes.find(({ outputs }) => outputs.includes(name));
  const near = (name: string, value: number): boolean => {
    const held = lowering.constant(name);
    return held?.data.length === 1 && Math.abs(held.data[0] - value) < 1e-6;
  };
  /** The other operand of a product, or sum, with one. */
  const beside = (node: PlanNode | null | undefined, op: string, is: (name: string) => boolean): string | null => {
    if (node?.op !== op || node.inputs.length !== 2) return null;
    const at = node.inputs.findIndex(is);
    return at < 0 ? null : node.inputs[1 - at];
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
