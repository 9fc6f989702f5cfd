// The seed in force, for the process and for a scope: what is drawn under it, and what is left afterwards.
import test from 'ava';
import {
  compileStep,
  defaultRandom,
  deriveSeed,
  Dropout,
  dropout,
  getSeed,
  Linear,
  lsuv,
  MSELoss,
  ones,
  Sequential,
  setSeed,
  SGD,
  type Tensor,
  TensorDataset,
  withSeed,
} from '../lib/index.js';
import { f32 } from './helpers/build.js';
import { Seeded } from './helpers/seeded.js';

const x = ones([64]);
const bits = (tensor: Tensor): string => [...tensor.data].join();
const make = (): Sequential => new Sequential([new Linear(64, 4), new Dropout(0.5)]);
/** First values and masks of a new model, and numbers of the shared generator: all that a seed decides. */
const drawn = (): string => {
  const model = make();
  return [bits(model.forward(x.reshape([1, 64]))), bits(dropout(x)), getSeed()].join('; ');
};
const underSetSeed = (seed: number): string => {
  setSeed(seed);
  return drawn();
};
const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test.serial('setSeed is what getSeed returns and restarts the default generator', (t) => {
  t.is(getSeed(), 0);
  const first = defaultRandom().uint32();
  setSeed(9);
  t.is(getSeed(), 9);
  t.not(defaultRandom().uint32(), first);
  setSeed(0);
  t.is(defaultRandom().uint32(), first);
  t.throws(() => setSeed(0.5), { code: 'ERR_ARGUMENT', message: /`seed`/ });
  t.is(getSeed(), 0);
});

test.serial('what runs in withSeed draws as after setSeed, and nothing outside notices: seed, generator, count of models', (t) => {
  const within = underSetSeed(7);
  setSeed(3);
  const [, before, ...after] = [make(), drawn(), drawn(), drawn()];
  setSeed(3);
  make();
  t.is(drawn(), before);
  t.is(
    withSeed(7, () => {
      t.is(getSeed(), 7);
      return drawn();
    }),
    within,
  );
  t.is(getSeed(), 3);
  t.is(drawn(), after[0]);
  t.throws(
    () =>
      withSeed(7, () => {
        drawn();
        setSeed(8);
        throw new Error('in the middle');
      }),
    { message: 'in the middle' },
  );
  t.is(drawn(), after[1], 'also after setSeed() in a scope that failed');
});

test.serial('scopes that run side by side have their own seeds through every await, and the process keeps its own', async (t) => {
  const [one, two] = [underSetSeed(1), underSetSeed(2)];
  setSeed(5);
  const expected = [drawn(), drawn()];
  setSeed(5);
  const run = (seed: number): Promise<string> =>
    withSeed(seed, async () => {
      await pause();
      const model = make();
      await pause();
      const output = bits(model.forward(x.reshape([1, 64])));
      await pause();
      return [output, bits(dropout(x)), getSeed()].join('; ');
    });
  const running = Promise.all([run(1), run(2), run(1)]);
  const found = [drawn()];
  await pause();
  found.push(drawn());
  t.deepEqual(await running, [one, two, one]);
  t.deepEqual(found, expected);
  await t.throwsAsync(
    withSeed(9, async () => {
      await pause();
      throw new Error('later');
    }),
    { message: 'later' },
  );
  t.is(getSeed(), 5);
});

test.serial('scopes within each other end one by one, and models of one scope draw masks of their own', (t) => {
  const masks = (model: Sequential): string => bits(model.layers[1].forward(x) as Tensor);
  withSeed(1, () => {
    const first = make();
    const [twin, other] = withSeed(1, () => [make(), make()]);
    t.is(getSeed(), 1);
    const next = make();
    t.is(masks(twin), masks(first), 'the same seed, and each the first model of its scope');
    t.is(masks(other), masks(next), 'the second of any scope of that seed');
    t.is(new Set([first, next, withSeed(2, make)].map(masks)).size, 3, 'and no two others have masks in common');
  });
});

test.serial('a run of fit in a scope has the bits that it has after setSeed, also beside another one', async (t) => {
  const data = new TensorDataset(f32(new Seeded(1).normal(256), [64, 4]), ones([64, 1]));
  const train = async (): Promise<string> => {
    const model = new Sequential([new Linear(4, 8), new Dropout(0.5), new Linear(8, 1)]);
    const options = { loss: new MSELoss(), optimizer: new SGD(model, { lr: 0.01 }), batchSize: 8, progress: false, log: false } as const;
    await model.fit(data, { ...options, epochs: 2 });
    return [...model.stateDict().values()].map((tensor) => bits(tensor as Tensor)).join('; ');
  };
  setSeed(11);
  const expected = await train();
  setSeed(0);
  const [a, b, c] = await Promise.all([withSeed(11, train), withSeed(12, train), withSeed(11, train)]);
  t.is(a, expected);
  t.is(c, expected);
  t.not(b, expected);
});

test.serial('a compiled step draws from the generator of the scope that it is called in', async (t) => {
  const step = compileStep((input: Tensor) => ({ y: dropout(input) }));
  const eager = (seed: number): string => withSeed(seed, () => bits(dropout(x)));
  setSeed(4);
  const outside = bits((await step(x)).y);
  for (const seed of [1, 2, 1]) t.is(await withSeed(seed, async () => bits((await step(x)).y)), eager(seed));
  const second = bits((await step(x)).y);
  t.not(second, outside);
  setSeed(4);
  t.deepEqual([bits(dropout(x)), bits(dropout(x))], [outside, second]);
  step.dispose();
});

test.serial('two models that lsuv() prepares begin with weights of their own', (t) => {
  const batch = f32(new Seeded(2).normal(640), [10, 64]);
  const weights = (): string => {
    const model = make();
    lsuv(model, batch);
    return bits((model.layers[0] as Linear).weight);
  };
  withSeed(1, () => {
    const first = weights();
    t.not(weights(), first);
    t.is(withSeed(1, weights), first);
  });
});

test('derived seeds are whole numbers that differ by every part of their path', (t) => {
  const seeds = [
    deriveSeed(7),
    deriveSeed(8),
    deriveSeed(7, 'trial'),
    deriveSeed(7, 'trial', 1),
    deriveSeed(7, 'trial', 11),
    deriveSeed(7, 'trial', 1, 1),
    deriveSeed(7, 'trial', '1'),
    deriveSeed(7, 'fold', 1),
    deriveSeed(-7, 'trial', 1),
  ];
  t.is(new Set(seeds).size, seeds.length);
  for (const seed of seeds) t.true(Number.isSafeInteger(seed) && seed >= 0);
  t.is(deriveSeed(7, 'trial', 1), seeds[3]);
  const many = new Set(Array.from({ length: 10_000 }, (_, trial) => deriveSeed(1, 'trial', trial)));
  t.is(many.size, 10_000);
});

test('wrong seeds, bodies and paths are refused by name, and so is a scope inside of a compiled step', async (t) => {
  const code = 'ERR_ARGUMENT';
  for (const seed of [NaN, 0.5, '1', null]) t.throws(() => withSeed(seed as number, () => 1), { code, message: /`seed`/ });
  for (const body of [null, 1, Promise.resolve()]) t.throws(() => withSeed(1, body as never), { code, message: /`body`/ });
  t.throws(() => deriveSeed(0.5, 'trial'), { code, message: /`seed`/ });
  t.throws(() => deriveSeed(1, 'trial', 0.5), { code, message: /`path\[1\]`/ });
  const step = compileStep((input: Tensor) => withSeed(1, () => dropout(input)));
  await t.throwsAsync(async () => step(x), { code, message: /withSeed\(\) was called while the step is being recorded/ });
});
