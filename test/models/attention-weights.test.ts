// Proves lib/models/attention-weights.ts: encoder layers of PyTorch with their norms first and last, by blocks and by hand, in and out.

import { join } from 'node:path';
import test from 'ava';
import {
  type AnyTensor,
  ArgumentError,
  LayerNorm,
  Linear,
  Model,
  MultiHeadAttention,
  PReLU,
  Sequential,
  type Tensor,
  TransformerBlock,
  loadPyTorch,
  readSafetensors,
  relu,
  savePyTorch,
  tensor,
  writeSafetensors,
} from '../../lib/index.js';
import { agrees, attentionGolden, build } from '../helpers/attention-golden.js';
import { inFolder } from '../helpers/reports.js';

const { blocks } = attentionGolden();
type Case = (typeof blocks)[number];
const weightsOf = (one: Case, prefix = ''): Map<string, AnyTensor> =>
  new Map(Object.entries(one.parameters).map(([name, stored]) => [`${prefix}${name}`, build(stored) as unknown as AnyTensor]));
const blockOf = ({ inputs: [{ shape }], heads, hidden, causal }: Case, options = {}): TransformerBlock =>
  new TransformerBlock(shape[2], heads, { hidden, causal, ...options }).to('float64') as never;

test("encoder layers of PyTorch fill blocks that say where their norms stand, and give PyTorch's numbers", async (t) => {
  for (const one of blocks) {
    const block = blockOf(one, { normFirst: one.normFirst });
    await loadPyTorch(block, weightsOf(one));
    agrees(t, one, ([x]) => block.forward(x as never) as never);
  }
});

test('a block that does not say where its norms stand is refused, since the file does not say it either, and one with the wrong order, where the file does', async (t) => {
  const one = blocks.find(({ normFirst }) => !normFirst) as Case;
  await t.throwsAsync(loadPyTorch(new Sequential([blockOf(one)]), weightsOf(one, 'layers.0.')), {
    instanceOf: ArgumentError,
    message: /make the block '0' with { normFirst: false } for nn.TransformerEncoderLayer as it is by default/,
  });
  await inFolder(async (folder) => {
    const path = join(folder, 'block.safetensors');
    await savePyTorch(blockOf(one, { normFirst: false }), path);
    await t.throwsAsync(loadPyTorch(blockOf(one), path), {
      instanceOf: ArgumentError,
      message: /norm_first=False: make the block with { normFirst: false }/,
    });
    await savePyTorch(blockOf(one), path);
    t.deepEqual((await loadPyTorch(blockOf(one), path)).missing, [], 'what is written comes back without an option');
  });
});

/** An encoder layer by hand, with PyTorch's names. */
class Encoder extends Model {
  readonly self_attn: MultiHeadAttention;
  readonly linear1: Linear;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  constructor({ inputs: [{ shape }], heads, hidden, causal }: Case) {
    super();
    this.self_attn = new MultiHeadAttention(shape[2], heads, { causal });
    [this.linear1, this.linear2] = [new Linear(shape[2], hidden), new Linear(hidden, shape[2])];
    [this.norm1, this.norm2] = [new LayerNorm(shape[2]), new LayerNorm(shape[2])];
  }
  forward(x: Tensor): Tensor {
    const y = this.norm1.forward(x.add(this.self_attn.forward(x) as Tensor)) as Tensor;
    return this.norm2.forward(y.add(this.linear2.forward(relu(this.linear1.forward(y))))) as Tensor;
  }
}

test("an encoder layer of one's own with PyTorch's names takes them as they are, and what is left over is called as in the file", async (t) => {
  for (const one of blocks.filter(({ normFirst }) => !normFirst)) {
    const layer = new Encoder(one).to('float64');
    await loadPyTorch(layer, weightsOf(one));
    agrees(t, one, ([x]) => layer.forward(x as never) as never);
    const extra = weightsOf(one).set('linear3.weight', tensor([1]));
    await t.throwsAsync(loadPyTorch(layer, extra), { message: /unexpected linear3\.weight\./ });
    await t.throwsAsync(loadPyTorch(new Linear(2, 2), weightsOf(one)), { message: /has self_attn\.in_proj_weight, / });
  }
});

test("attention, blocks and PReLU are written under PyTorch's names, with the values that came from there, and come back", async (t) => {
  const [one] = blocks.filter(({ normFirst }) => !normFirst);
  const source = new Map<string, AnyTensor>([...weightsOf(one, '0.'), ['1.weight', tensor([0.5]) as never]]);
  const make = (): Sequential => new Sequential([blockOf(one, { normFirst: false }), new PReLU()]).to('float64') as never;
  const model = make();
  await loadPyTorch(model, source);
  await inFolder(async (folder) => {
    const path = join(folder, 'block.safetensors');
    await savePyTorch(model, path);
    const { tensors } = await readSafetensors(path);
    t.deepEqual([...tensors.keys()].sort(), [...source.keys()].sort());
    for (const [name, value] of source) t.deepEqual([...(tensors.get(name) as AnyTensor).data], [...value.data], name);
    const again = make();
    await loadPyTorch(again, path);
    for (const [name, value] of again.stateDict()) t.deepEqual([...value.data], [...(model.stateDict().get(name) as AnyTensor).data], name);
    await writeSafetensors(path, source);
    t.deepEqual((await loadPyTorch(make(), path)).unexpected, []);
  });
});
