// One set of bits for all instruction sets: NODEGRAD_ISA takes effect, and every operation gives the same under each.
import test from 'ava';
import { info } from '../lib/index.js';
import { processorProblems } from '../lib/runtime.js';
import { beside, result } from './native/child.js';

interface Digest {
  readonly isa: string;
  readonly isaProblem: string | null;
  readonly warnings: readonly string[];
  readonly avx2: boolean;
  readonly avx512: boolean;
  readonly neon: boolean;
  readonly digests: Record<string, string>;
}

const script = beside(import.meta.url, 'native/digest.child.js');
const digest = (env: Record<string, string>, mode = 'reproducible'): Promise<Digest> => result<Digest>(script, { env, args: [mode] });

const [scalar, usual] = [digest({ NODEGRAD_ISA: 'scalar' }), digest({})];

// Why an instruction set cannot be tried on this machine, or undefined.
async function obstacle(isa: 'avx2' | 'avx512' | 'neon'): Promise<string | undefined> {
  return (await scalar)[isa] ? undefined : `this CPU has no ${isa}: NODEGRAD_ISA=${isa} cannot be tried here`;
}

test('NODEGRAD_ISA=scalar takes effect', async (t) => {
  const { isa, isaProblem } = await scalar;
  t.is(isa, 'scalar');
  t.is(isaProblem, null);
});

for (const isa of ['avx2', 'avx512', 'neon'] as const) {
  test(`NODEGRAD_ISA=${isa} takes effect, and every operation has the bits of the scalar kernels in reproducible mode`, async (t) => {
    const reason = await obstacle(isa);
    if (reason !== undefined) {
      t.log(`skipped: ${reason}`);
      return t.pass();
    }
    const found = await digest({ NODEGRAD_ISA: isa });
    t.is(found.isa, isa);
    t.is(found.isaProblem, null);
    const { digests } = await scalar;
    const different = Object.keys(digests).filter((op) => digests[op] !== found.digests[op]);
    t.deepEqual(different, [], `these operations differ between scalar and ${isa}`);
    t.true(Object.keys(digests).length > 50);
  });

  test(`without reproducible mode ${isa} differs from the scalar kernels in matrix products at most`, async (t) => {
    const reason = await obstacle(isa);
    if (reason !== undefined) {
      t.log(`skipped: ${reason}`);
      return t.pass();
    }
    const [found, { digests }] = await Promise.all([digest({ NODEGRAD_ISA: isa }, 'default'), scalar]);
    const products = [...Object.keys(digests).filter((op) => op.startsWith('matmul')), ...['products', 'training']];
    t.deepEqual(
      Object.keys(digests).filter((op) => digests[op] !== found.digests[op] && !products.includes(op)),
      [],
    );
  });
}

test('without NODEGRAD_ISA the best instruction set of the CPU is used', async (t) => {
  const found = await usual;
  t.is(found.isa, found.neon ? 'neon' : found.avx512 ? 'avx512' : found.avx2 ? 'avx2' : 'scalar');
  t.is(found.isaProblem, null);
  t.deepEqual(found.digests, (await scalar).digests);
});

test('a processor without AVX2 or FMA is named in the warnings, with what computes there; other architectures are not blamed', (t) => {
  const cpu = { ...info().cpu, brand: 'Celeron' };
  t.regex(
    processorProblems({ cpu: { ...cpu, avx2: false, fma: false } }, 'x64').join(),
    /Celeron.* has no AVX2 and no FMA: plain loops compute/,
  );
  t.regex(processorProblems({ cpu: { ...cpu, avx2: true, fma: false } }, 'x64').join(), /has no FMA: /);
  t.deepEqual(processorProblems({ cpu: { ...cpu, avx2: true, fma: true } }, 'x64'), []);
  t.deepEqual(processorProblems({ cpu: { ...cpu, avx2: false, fma: false } }, 'arm64'), []);
});

test('a NODEGRAD_ISA that does not exist is reported and the best one used', async (t) => {
  const found = await digest({ NODEGRAD_ISA: 'sse9' }, 'nothing');
  t.regex(found.isaProblem ?? '', /NODEGRAD_ISA/);
  t.true(found.warnings.some((warning) => warning.includes('NODEGRAD_ISA')));
  t.is(found.isa, (await usual).isa);
});

test('every operation gives the same bits with one thread and with seven', async (t) => {
  const [one, seven] = await Promise.all([digest({ NODEGRAD_NUM_THREADS: '1' }, 'default'), digest({ NODEGRAD_NUM_THREADS: '7' }, 'default')]);
  t.deepEqual(one.digests, seven.digests);
});
