// Training in bfloat16: one set of weights for every instruction set, way of multiplying and number of threads.
import test from 'ava';
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
