// Native calls of attention, forward and backward, with masks, dropout and several tiles of keys.
import { arrayTypes, type TypedArray } from '../../lib/dtype.js';
import { runInto, type Maker, one, state, uniform } from './calls.js';

// Batch, queries, keys, heads, depth, causal; the last is whether keys are masked and weights dropped.
const sizes = (n: number): (readonly [readonly number[], boolean])[] =>
  (
    [
      [2, 3, 5, 0],
      [1, 1, 17, 1],
      [3, 130, 7, 0],
      [1, 65, 16, 1],
    ] as const
  ).flatMap(([heads, keys, depth, causal]) => {
    const queries = causal === 1 ? keys : Math.min(40, Math.floor(n / (heads * depth)));
    const batch = Math.min(3, Math.floor(n / (queries * heads * depth)));
    return batch >= 1 ? [false, true].map((sparse) => [[batch, queries, keys, heads, depth, causal], sparse] as const) : [];
  });

const makerOf =
  (op: 'attention' | 'attention_backward'): Maker =>
  (n, dtype, random) =>
    sizes(n).map(([ints, sparse]) => {
      const [batch, queries, keys, heads, depth] = ints;
      const [wide, long] = [queries, keys].map((positions) => batch * positions * heads * depth);
      const keep = sparse ? Uint8Array.from({ length: batch * keys }, () => random.integer(4)) : new Uint8Array(0);
      const [q, k, v, dy] = [wide, long, long, wide].map((length) => uniform(random, dtype, length, -2, 2));
      const mask = [keep, sparse ? state(random) : new Int32Array(0)];
      const reals = [0.5, sparse ? 0.2 : 0];
      const outputs = [...one(dtype, wide), ...one(dtype, batch * heads * queries * 2)];
      const form = `${ints}${sparse ? ', masked and dropped' : ''}`;
      if (op === 'attention') return { op, form, outputs, inputs: [q, k, v, ...mask], ints, reals };
      const forward = outputs.map(({ length }) => new arrayTypes[dtype](length));
      runInto({ op: 'attention', form, outputs: [], inputs: [], ints, reals }, forward, [q, k, v, ...mask] as TypedArray[]);
      const gradients = [...one(dtype, wide), ...one(dtype, long), ...one(dtype, long)];
      return { op, form, outputs: gradients, inputs: [dy, q, k, v, ...forward, ...mask], ints, reals };
    });

export const attentionMakers: Record<string, Maker> = {
  attention: makerOf('attention'),
  attention_backward: makerOf('attention_backward'),
};
