// GPT-2 with the weights of transformers: the same logits, however the file names them; it is saved, and wrong sizes are refused.
import { join } from 'node:path';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { root } from '../helpers/sources.js';

const sizes = { tokens: 19, context: 10, features: 12, heads: 3, layers: 2 };

async function golden(): Promise<{ weights: Map<string, lib.AnyTensor>; tokens: lib.Tensor<'int32'>; logits: lib.Tensor }> {
  const { tensors: weights } = await lib.readSafetensors(join(root, 'test/golden/gpt2.safetensors'));
  const [tokens, logits] = [weights.get('tokens') as lib.Tensor<'int32'>, weights.get('logits') as lib.Tensor];
  weights.delete('tokens');
  weights.delete('logits');
  return { weights, tokens, logits };
}

const furthest = (a: lib.Tensor, b: lib.Tensor): number => a.sub(b).abs().max().item();

test('weights of transformers give its logits, with and without the prefix, the head and the masks of older files', async (t) => {
  const { weights, tokens, logits } = await golden();
  const bare = new Map([...weights].map(([name, value]) => [name.replace(/^transformer\./, ''), value]));
  const older = new Map([...bare, ['h.0.attn.bias', lib.ones([1, 1, 10, 10])], ['lm_head.weight', bare.get('wte.weight') as lib.AnyTensor]]);
  for (const state of [weights, bare, older] as Map<string, lib.AnyTensor>[]) {
    const model = lib.gpt2(sizes);
    const report = await lib.loadPyTorch(model, state);
    t.deepEqual([report.missing, report.unexpected], [[], []]);
    model.eval();
    t.true(furthest(model.forward(tokens), logits) < 1e-5 * logits.abs().max().item());
    const copy = lib.fromBytes(model.toBytes()) as unknown as typeof model;
    t.is(furthest(copy.eval().forward(tokens), model.forward(tokens)), 0);
  }
});

test('a head of its own, which is not the table of tokens, is refused instead of left out', async (t) => {
  const { weights } = await golden();
  const table = weights.get('transformer.wte.weight') as lib.Tensor;
  const untied = new Map([...weights, ['lm_head.weight', table.mul(2)]]) as Map<string, lib.AnyTensor>;
  await t.throwsAsync(lib.loadPyTorch(lib.gpt2(sizes), untied), { instanceOf: lib.ArgumentError, message: /lm_head\.weight/ });
});

test('the smallest published size has 124 million parameters', (t) => {
  const model = lib.gpt2();
  t.is(model.parameterCount(), 124_439_808);
  t.deepEqual(model.inputShape, [1024]);
});

test('wrong sizes are refused, and weights of another size leave the model as it was', async (t) => {
  t.throws(() => lib.gpt2({ features: 10, heads: 3 }), { instanceOf: lib.ShapeError });
  t.throws(() => lib.gpt2({ layers: 0 }), { instanceOf: lib.ArgumentError, message: /options\.layers/ });
  const { weights, tokens } = await golden();
  const model = lib.gpt2({ ...sizes, features: 24 });
  model.eval();
  const before = model.forward(tokens);
  await t.throwsAsync(lib.loadPyTorch(model, weights), { instanceOf: lib.ShapeError });
  t.is(furthest(model.forward(tokens), before), 0);
  t.throws(() => model.forward(lib.zeros([1, 11]).to('int32')), { instanceOf: lib.ShapeError });
});
