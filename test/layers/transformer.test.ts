// The transformer's block and its positions: the contract, PyTorch's numbers, and the formula of the encoding.
import test from 'ava';
import {
  ArgumentError,
  compileStep,
  type LayerNorm,
  mseLoss,
  PositionalEmbedding,
  PositionalEncoding,
  RMSNorm,
  SGD,
  setSeed,
  Tensor,
  TransformerBlock,
  zeros,
} from '../../lib/index.js';
import { layerContract } from '../contracts/layer.js';
import { agrees, attentionGolden, fillLinear, fillParameters } from '../helpers/attention-golden.js';
import { f32, f64 } from '../helpers/build.js';
import { close, identical } from '../helpers/close.js';
import { Seeded } from '../helpers/seeded.js';

test('TransformerBlock keeps the contract of layers', (t) => {
  const linear = (name: string, inputs: number, outputs: number) => [
    [`${name}.weight`, [inputs, outputs]],
    [`${name}.bias`, [outputs]],
  ];
  const attention = ['query', 'key', 'value', 'output'].flatMap((name) => linear(`attention.${name}`, 2, 2));
  const mlp = [...linear('mlp.hidden', 2, 3), ...linear('mlp.output', 3, 2)];
  const norm = (name: string) => [
    [`${name}.weight`, [2]],
    [`${name}.bias`, [2]],
  ];
  for (const options of [{}, { causal: true }]) {
    layerContract(t, {
      create: () => new TransformerBlock(2, 1, { hidden: 3, ...options }) as never,
      inputShape: [2, 3, 2],
      outputShape: [2, 3, 2],
      parameters: Object.fromEntries([...norm('attentionNorm'), ...attention, ...norm('mlpNorm'), ...mlp]),
      refuses: [[[2, 3, 5], /\[N, positions, 2\]/]],
    });
  }
});

test('a block with its norms last is copied with them, and one that did not say so stays silent', (t) => {
  const last = new TransformerBlock(2, 1, { hidden: 3, normFirst: false });
  t.false(TransformerBlock.fromConfig(last.config() as never).normFirst);
  t.false('normFirst' in (new TransformerBlock(2, 1).config() as object));
});

test('PositionalEmbedding keeps the contract of layers', (t) => {
  layerContract(t, {
    create: () => new PositionalEmbedding(3, 2),
    inputShape: [2, 3, 2],
    outputShape: [2, 3, 2],
    parameters: { weight: [3, 2] },
    refuses: [
      [[2, 4, 2], /at most 3 positions/],
      [[2, 3, 3], /\[..., positions, 2\]/],
    ],
  });
});

test('PositionalEncoding keeps the contract of layers', (t) => {
  layerContract(t, { create: () => new PositionalEncoding(3), inputShape: [2, 4, 3], outputShape: [2, 4, 3], parameters: {} });
});

for (const [i, one] of attentionGolden().blocks.entries()) {
  test(`output and gradient of block ${i} are those of PyTorch's encoder layer with its norms ${one.normFirst ? 'first' : 'last'}${one.causal ? ', causal' : ''}`, (t) => {
    const [, , features] = one.inputs[0].shape;
    const block = new TransformerBlock(features, one.heads, { hidden: one.hidden, causal: one.causal, normFirst: one.normFirst }).to('float64');
    const stored = one.parameters;
    for (const [part, name] of (['query', 'key', 'value'] as const).entries())
      fillLinear(block.attention[name], stored['self_attn.in_proj_weight'], stored['self_attn.in_proj_bias'], part);
    fillLinear(block.attention.output, stored['self_attn.out_proj.weight'], stored['self_attn.out_proj.bias']);
    const { hidden, output } = block.mlp;
    fillLinear(hidden as never, stored['linear1.weight'], stored['linear1.bias']);
    fillLinear(output as never, stored['linear2.weight'], stored['linear2.bias']);
    for (const [norm, name] of [
      [block.attentionNorm, 'norm1'],
      [block.mlpNorm, 'norm2'],
    ] as [LayerNorm, string][]) {
      fillParameters(norm as never, stored, `${name}.`);
    }
    agrees(t, one, ([x]) => block.forward(x as never) as never);
  });
}

test('the encoding is sines and cosines of the positions, also far out', (t) => {
  const [positions, features] = [3000, 7];
  const y = new PositionalEncoding(features).forward(f64(new Float64Array(positions * features), [1, positions, features]));
  const expected = Float64Array.from({ length: positions * features }, (_, at) => {
    const [p, i] = [Math.floor(at / features), at % features];
    const angle = p * 10_000 ** ((-2 * Math.floor(i / 2)) / features);
    return i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
  // Each of the 3000 turns loses a unit of the last place or so.
  close(t, y.data, expected, { absolute: 1e-12 });
  const short = new PositionalEncoding(2);
  t.deepEqual([...short.forward(zeros([1, 1, 2])).data], [0, 1]);
  t.is(short.forward(zeros([2, 5, 2])).data[2], Math.fround(Math.sin(1)));
});

test('padding behind a sequence changes nothing before it', (t) => {
  setSeed(2);
  const block = new TransformerBlock(4, 2, { norm: 'rms' });
  t.true(block.mlpNorm instanceof RMSNorm);
  const x = f32(new Seeded(1).uniform(12), [1, 3, 4]);
  const longer = f32([...x.data, 9, 9, 9, 9], [1, 4, 4]);
  const mask = Tensor.from(Uint8Array.of(1, 1, 1, 0), [1, 4]) as Tensor<'uint8'>;
  identical(t, block.forward({ x: longer, mask }).data.subarray(0, 12), block.forward(x), 'the first three positions');
  t.throws(() => block.forward({ x, context: x }), { instanceOf: ArgumentError, message: /without a context/ });
  const smooth = new TransformerBlock(4, 2, { activation: 'gelu' });
  t.deepEqual((smooth.config() as { activation: string }).activation, 'gelu');
  t.notDeepEqual([...smooth.forward(x).data], [...block.forward(x).data]);
  for (const features of [4n, Symbol('4'), null, 0])
    t.throws(() => new TransformerBlock(features as never, 2), { instanceOf: ArgumentError, message: /`features`/ });
  t.throws(() => new TransformerBlock(4, 2, { activation: 'wave' as never }), { instanceOf: ArgumentError, message: /'gelu'/ });
  t.throws(() => new TransformerBlock(4, 2, { norm: 'batch' as never }), { instanceOf: ArgumentError, message: /'rms'/ });
});

test('compiled steps give the bits of eager ones, dropout included', (t) => {
  const make = () => {
    setSeed(6);
    const block = new TransformerBlock(4, 2, { causal: true, dropout: 0.2 });
    const optimizer = new SGD(block as never, { lr: 0.05, momentum: 0.9 });
    const encoding = new PositionalEncoding(4);
    return {
      block,
      body: (x: Tensor) => {
        const loss = mseLoss(block.forward(encoding.forward(x)), x);
        loss.backward();
        optimizer.step();
        optimizer.zeroGrad();
        return loss;
      },
    };
  };
  const [eager, compiled] = [make(), make()];
  const step = compileStep(compiled.body);
  for (let i = 0; i < 5; i++) {
    const x = f32(new Seeded(i).uniform(40), [2, 5, 4]);
    identical(t, step.sync(x) as Tensor, eager.body(x), `step ${i}`);
  }
  for (const [path, value] of eager.block.namedParameters()) {
    identical(t, compiled.block.namedParameters().get(path) as Tensor, value, path);
  }
});
