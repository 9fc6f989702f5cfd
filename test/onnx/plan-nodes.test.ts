// Proves lib/onnx/plan-nodes.ts: who makes and reads a value, whatever was replaced or taken out.
import test from 'ava';
import type { PlanNode } from '../../lib/onnx/held.js';
import { PlanNodes } from '../../lib/onnx/plan-nodes.js';

const node = (op: string, inputs: string[], outputs: string[]): PlanNode => ({ op, name: op, inputs, outputs, attributes: {}, layers: [] });

test('nodes keep their order, and values know who makes and reads them', (t) => {
  const nodes = new PlanNodes();
  const [a, b, c] = [node('A', ['x'], ['y']), node('B', ['y', 'y'], ['z']), node('C', ['z', 'y'], ['w'])];
  for (const one of [a, b, c]) nodes.push(one);
  t.deepEqual(nodes.readers('y'), [b, c]);
  t.is(nodes.maker('z'), b);
  t.is(nodes.maker('x'), null);
  const d = node('D', ['x'], ['z']);
  nodes.replace(b, d);
  t.deepEqual(nodes.all, [a, d, c]);
  t.deepEqual(nodes.readers('y'), [c]);
  t.is(nodes.maker('z'), d);
  nodes.remove(a);
  t.deepEqual(nodes.all, [d, c]);
  t.deepEqual([nodes.maker('y'), nodes.readers('x')], [null, [d]]);
});
