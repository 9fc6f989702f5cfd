// Fusing changes no bit: nets, losses and optimizers train eagerly, as recorded, and fused, and end with the same memory.

import test from 'ava';
import { beside, result } from '../native/child.js';
import type { Trained } from './fuse.child.js';

const script = beside(import.meta.url, 'fuse.child.js');

/** What the fused page must show, and what it must not have any more. */
const pages: Record<string, { has: RegExp; hasNot?: RegExp }> = {
  'an MLP with ReLU and Adam': {
    has: /linear_map[\s\S]*cross_entropy_gradient[\s\S]*linear_gradients[\s\S]*matmul_map_gradient[\s\S]*= adam \+ fill/,
    hasNot: /^ *\d+ {2}(relu|sum|fill|accumulate|matmul) /m,
  },
  'an MLP with tanh and SGD, zeros first': { has: /linear_map[\s\S]*linear_gradients/, hasNot: /^ *\d+ {2}(tanh|tanh_backward|fill) /m },
  'an MLP with sigmoid and AdamW, one example': { has: /= adam \+ fill/ },
  'dropout and label smoothing': { has: /elementwise_chain/ },
  'mean squared error': { has: /= sgd \+ fill/ },
  'summed losses of probabilities': { has: /cross_entropy_dense_gradient/ },
  'float64, and more rows than one block of a column sum': { has: /linear_map[\s\S]*linear_gradients/ },
  'gradients clipped by their norm': { has: /= scale_by \+ adam \+ fill/, hasNot: /scale_by {2}/ },
  'two micro-batches a step': { has: /linear_gradients/, hasNot: /^ *\d+ {2}fill /m },
  'gradients that nobody clears': { has: /adam /, hasNot: /adam \+ fill/ },
  'a frozen layer between two': { has: /= sgd \+ fill/ },
  'a frozen layer and zeros first': { has: /fill/ },
  'a tied weight, products without bias, and a bias that is added': { has: /linear/ },
  'batch norm with ReLU, and with an addition between them': {
    has: /batch_norm_relu [\s\S]*batch_norm_add_relu [\s\S]*matmul_map_gradient[\s\S]*batch_norm_relu_gradients[\s\S]*batch_norm_relu_backward/,
    hasNot: /^ *\d+ {2}(relu|add_relu|relu_backward) /m,
  },
  'elementwise chains with broadcast rows, columns and numbers': { has: /elementwise_chain/ },
  'convolutions with a shortcut': {
    has: /conv2d_map[\s\S]*conv2d_input_map_gradient[\s\S]*conv2d_input_accumulate_map_gradient/,
    hasNot: /^ *\d+ {2}(relu|fill|tanh|conv2d_input_gradient) /m,
  },
};

for (const gemm of ['own', 'openblas']) {
  const runs = Promise.all(
    ['1', '3'].map((threads) => result<Record<string, Trained>>(script, { env: { NODEGRAD_GEMM: gemm, NODEGRAD_NUM_THREADS: threads } })),
  );
  for (const name of Object.keys(pages)) {
    test(`${name}: eager, recorded and fused steps leave the same bits, with 1 and 3 threads and NODEGRAD_GEMM=${gemm}`, async (t) => {
      const [one, three] = (await runs).map((run) => run[name].digests);
      for (const digests of [one, three]) {
        t.deepEqual(digests.recorded, one.eager);
        t.deepEqual(digests.fused, one.eager);
      }
      t.not(one.eager['results of step 1'], one.eager['results of step 0'], 'weights move');
    });

    test(`${name}: NaN, infinities and large numbers take the same way through fused steps, with NODEGRAD_GEMM=${gemm}`, async (t) => {
      for (const run of await runs) {
        const { digests } = run[name];
        t.deepEqual(digests['fused, special'], digests['eager, special']);
        t.notDeepEqual(digests['eager, special'], digests.eager);
      }
    });
  }

  test(`every net has its page, with NODEGRAD_GEMM=${gemm}`, async (t) => {
    const [run] = await runs;
    t.deepEqual(Object.keys(run), Object.keys(pages));
    for (const [name, { has, hasNot }] of Object.entries(pages)) {
      t.regex(run[name].pages.fused, has, name);
      if (hasNot !== undefined) t.notRegex(run[name].pages.fused, hasNot, name);
      const fused = /linear_map|conv2d_map|_map_gradient|linear_gradients|_and_clear|_chain|_overwrite|cross_entropy\w*_gradient/;
      t.notRegex(run[name].pages.recorded, fused, `${name}, with NODEGRAD_FUSE=0`);
    }
  });
}
