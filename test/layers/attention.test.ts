// Multi-head attention: the contract, PyTorch's numbers, contexts and masks, and what it refuses.
import test from 'ava';
import { ArgumentError, fromBytes, MultiHeadAttention, Sequential, setSeed, ShapeError, Tensor, TransformerBlock } from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { agrees, attentionGolden, fillLinear } from '../helpers/attention-golden.js';
import { f32 } from '../helpers/build.js';
import { identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

const parameters = Object.fromEntries(
  ['query', 'key', 'value', 'output'].flatMap((name) => [
    [`${name}.weight`, [4, 4]],
    [`${name}.bias`, [4]],
  ]),
);

for (const [form, options] of Object.entries({ plain: {}, causal: { causal: true } })) {
  test(`MultiHeadAttention keeps the contract of layers (${form})`, (t) => {
    layerContract(t, {
      create: () => new MultiHeadAttention(4, 2, options) as never,
      inputShape: [2, 3, 4],
      outputShape: [2, 3, 4],
      parameters,
      refuses: [
        [[2, 3, 5], /\[N, positions, 4\]/],
        [[3, 4], /\[N, positions, 4\]/],
      ],
    });
  });
}

test('MultiHeadAttention keeps the contract of layers (dropout)', (t) => {
  layerContract(t, {
    create: () => new MultiHeadAttention(4, 1, { dropout: 0.5 }) as never,
    inputShape: [2, 5, 4],
    outputShape: [2, 5, 4],
    parameters,
    random: 'weights are dropped',
  });
});

for (const [i, one] of attentionGolden().layers.entries()) {
  const title = `${one.inputs.length === 2 ? 'cross' : 'self'}${one.causal ? ', causal' : ''}${one.keep ? ', with padding' : ''}`;
  test(`output and gradients of layer ${i} are PyTorch's: ${title}`, (t) => {
    const [, , features] = one.inputs[0].shape;
    const layer = new MultiHeadAttention(features, one.heads, { causal: one.causal }).to('float64');
    const stored = one.parameters;
    for (const [part, name] of (['query', 'key', 'value'] as const).entries())
      fillLinear(layer[name], stored['in_proj_weight'], stored['in_proj_bias'], part);
    fillLinear(layer.output, stored['out_proj.weight'], stored['out_proj.bias']);
    const mask = one.keep && (Tensor.from(Uint8Array.from(one.keep.values), one.keep.shape) as Tensor<'uint8'>);
    agrees(t, one, ([x, context]) => layer.forward({ x, ...(context && { context }), ...(mask && { mask }) } as never) as never);
  });
}

test('under a causal mask nothing depends on what comes later', (t) => {
  setSeed(4);
  const layer = new MultiHeadAttention(6, 3, { causal: true });
  const x = f32(new Seeded(1).uniform(1 * 8 * 6), [1, 8, 6]);
  const y = layer.forward(x);
  const changed = x.clone();
  changed.data.fill(9, 5 * 6);
  identical(t, layer.forward(changed).data.subarray(0, 30), y.data.subarray(0, 30), 'the first five positions');
});

test('it comes back from bytes, and says what it cannot take', (t) => {
  const layer = new MultiHeadAttention(6, 2, { causal: true, bias: false });
  const x = f32(new Seeded(1).uniform(36), [2, 3, 6]);
  const y = layer.forward(x);
  const again = (fromBytes(new Sequential([layer]).toBytes()) as Sequential).layers[0] as unknown as MultiHeadAttention;
  identical(t, again.forward(x), y, 'the copy');
  t.is(layer.parameterCount(), 4 * 36);
  t.throws(() => new MultiHeadAttention(6, 4), { instanceOf: ShapeError, message: /divide/ });
  t.throws(() => new MultiHeadAttention(6, 2, { head: 2 } as never), { instanceOf: ArgumentError });
  t.throws(() => layer.forward({ x, contexts: x } as never), { instanceOf: ArgumentError, message: /contexts/ });
  t.throws(() => layer.forward({ x, context: f32([1], [1, 1, 1]) }), { instanceOf: ShapeError, message: /`context` \[N, positions, 6\]/ });
  t.throws(() => layer.forward({ context: x } as never), { instanceOf: ArgumentError, message: /`x`/ });
});

test('a second argument is refused and not ignored: contexts and masks stand beside x', (t) => {
  const x = f32(new Seeded(1).uniform(1 * 3 * 4), [1, 3, 4]);
  const mask = Tensor.from(Uint8Array.of(1, 1, 0), [1, 3]);
  const [layer, block] = [new MultiHeadAttention(4, 2), new TransformerBlock(4, 2)];
  for (const more of [[x], [x, x], [undefined, x], [mask]])
    t.throws(() => layer.forward(x, ...(more as never[])), { instanceOf: ArgumentError, message: /one argument.*\{ x, context, mask \}/ });
  t.throws(() => block.forward(x, mask as never), { instanceOf: ArgumentError, message: /one argument.*\{ x, mask \}/ });
  t.deepEqual(layer.forward(x, undefined as never).shape, [1, 3, 4]);
});
