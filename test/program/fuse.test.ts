// Fusing changes no bit: nets, losses and optimizers train eagerly, as recorded, and fused, and end with the same memory.

import test from 'ava';
import { beside, result } from '../native/child.js';
import type { Trained } from './fuse.child.js';

const script = beside(import.meta.url, 'fuse.child.js');

/** What the fused page must show, and what it must not have any more. */
const pages: Record<string, { has: RegExp; hasNot?: RegExp }> = {
  'an MLP with ReLU and Adam': {
    has: /matmul \+ bias \+ relu[\s\S]*cross_entropy \+ gradient[\s\S]*\+ sums[\s\S]*matmul \+ relu_backward[\s\S]*= adam \+ fill/,
    hasNot: /^ *\d+ {2}(relu|sum|fill|accumulate|matmul) {2}/m,
  },
  'an MLP with tanh and SGD, zeros first': {
    has: /matmul \+ bias \+ (relu|tanh)[\s\S]*matmul \+ \w+ \+ sums/,
    hasNot: /^ *\d+ {2}(tanh|tanh_backward|fill) /m,
  },
  'an MLP with sigmoid and AdamW, one example': { has: /= adam \+ fill/ },
  'dropout and label smoothing': { has: /elementwise_chain/ },
  'mean squared error': { has: /= sgd \+ fill/ },
  'summed losses of probabilities': { has: /cross_entropy_dense \+ gradient/ },
  'float64, and more rows than one block of a column sum': { has: /matmul \+ bias \+ (relu|tanh)[\s\S]*matmul \+ \w+ \+ sums/ },
  'gradients clipped by their norm': { has: /= scale_by \+ adam \+ fill/, hasNot: /scale_by {2}/ },
  'two micro-batches a step': { has: /\+ sums/, hasNot: /^ *\d+ {2}fill /m },
  'gradients that nobody clears': { has: /adam /, hasNot: /adam \+ fill/ },
  'a frozen layer between two': { has: /= sgd \+ fill/ },
  'a frozen layer and zeros first': { has: /fill/ },
  'a tied weight, products without bias, and a bias that is added': { has: /matmul \+ bias/ },
  'batch norm with ReLU, and with an addition between them': {
    has: /batch_norm \+ relu [\s\S]*batch_norm \+ residual \+ relu [\s\S]*matmul \+ relu_backward[\s\S]*batch_norm_gradients \+ relu_backward recomputed[\s\S]*batch_norm_backward \+ relu_backward recomputed/,
    hasNot: /^ *\d+ {2}(relu|add \+ relu|relu_backward) {2}/m,
  },
  'elementwise chains with broadcast rows, columns and numbers': { has: /elementwise_chain/ },
  'convolutions with a shortcut': {
    has: /conv2d \+ bias \+ \w+[\s\S]*conv2d_input_gradient \+ \w+_backward[\s\S]*conv2d_input_gradient \+ accumulate \+ \w+_backward/,
    hasNot: /^ *\d+ {2}(relu|fill|tanh|conv2d_input_gradient) {2}/m,
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
      const fused = /\+ (tanh|sigmoid|sums|overwrite|residual|gradient)|(bias|norm) \+ relu|_and_clear|_chain/;
      t.notRegex(run[name].pages.recorded, fused, `${name}, with NODEGRAD_FUSE=0`);
    }
  });
}
