// Training in bfloat16: one set of weights for every instruction set, way of multiplying and number of threads.
import test from 'ava';
import { GRU, LSTM, type Tensor, compileStep, zeros } from '../lib/index.js';
import { beside, result } from './native/child.js';

interface Trained {
  readonly hash: string;
  readonly loss: number;
  readonly isa: string;
  readonly threads: number;
}

const script = beside(import.meta.url, 'native/precision.child.js');
const train = (net: string, env: Record<string, string> = {}, precision = 'bfloat16'): Promise<Trained> =>
  result<Trained>(script, { env, args: [net, precision] });

const machines: Record<string, string>[] = [
  { NODEGRAD_ISA: 'scalar', NODEGRAD_NUM_THREADS: '2' },
  { NODEGRAD_ISA: 'avx2', NODEGRAD_NUM_THREADS: '1' },
  { NODEGRAD_ISA: 'avx512', NODEGRAD_BFLOAT16: 'fma', NODEGRAD_NUM_THREADS: '1' },
  { NODEGRAD_ISA: 'avx512', NODEGRAD_BFLOAT16: 'avx512_bf16', NODEGRAD_NUM_THREADS: '2' },
  { NODEGRAD_ISA: 'neon', NODEGRAD_BFLOAT16: 'fma', NODEGRAD_NUM_THREADS: '1' },
  { NODEGRAD_ISA: 'neon', NODEGRAD_BFLOAT16: 'neon_bf16', NODEGRAD_NUM_THREADS: '2' },
  { NODEGRAD_NUM_THREADS: '3' },
];

for (const net of ['mlp', 'resnet', 'pooled', 'lstm', 'gru']) {
  test(`a net of the kind ${net} has the same weights in bfloat16 on every instruction set, way of multiplying and number of threads`, async (t) => {
    const usual = await train(net);
    for (const env of machines) {
      const found = await train(net, env);
      if (env.NODEGRAD_ISA !== undefined && found.isa !== env.NODEGRAD_ISA) t.log(`skipped: this CPU has no ${env.NODEGRAD_ISA}`);
      t.is(found.hash, usual.hash, JSON.stringify(env));
    }
    t.true(Number.isFinite(usual.loss));
    const wide = await train(net, {}, 'float32');
    t.not(wide.hash, usual.hash, 'the digest sees the precision');
    t.true(Math.abs(wide.loss - usual.loss) < 0.1 * Math.max(0.2, wide.loss), `${wide.loss} and ${usual.loss}`);
    t.log(`${net}: ${usual.hash}`);
  });
}

// findings/torch-autocast-recurrent-states.sh: with states and gates of bfloat16 the first ends at tanh(0.25), and the second never moves.
test('recurrent layers of a bfloat16 step keep changes that are smaller than the last digit of their state', async (t) => {
  const layers = { lstm: new LSTM(1, 1, { returns: 'last' }), gru: new GRU(1, 1, { returns: 'last' }) };
  const biases = { lstm: [30, 30, 0.0005, 30], gru: [0, 7, 0.5493] };
  for (const name of ['lstm', 'gru'] as const) {
    const layer = layers[name];
    for (const parameter of layer.parameters()) parameter.data.fill(0);
    layer.cells[0].bias?.data.set(biases[name]);
    const step = compileStep((x: Tensor) => layer.forward(x), { precision: 'bfloat16' });
    const last = (await step(zeros([1, 2000, 1]))).item();
    const expected = name === 'lstm' ? Math.tanh(2000 * Math.tanh(0.0005)) : 0.5 * (1 - (1 / (1 + Math.exp(-7))) ** 2000);
    t.true(Math.abs(last - expected) < 1e-3, `${name}: ${last} instead of ${expected}`);
  }
});
