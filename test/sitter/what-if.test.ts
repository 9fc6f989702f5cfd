// Proves lib/sitter/what-if.ts: a change that helps is told from one that does not, from the same start, and other changes are left to people.

import test from 'ava';
import { Adam, ArgumentError, CrossEntropyLoss, type Finding, type Repeatable, type Sequential, whatIf } from '../../lib/index.js';
import { cloudSet, net } from '../helpers/sick.js';

const finding = (change: Finding['change'], more: Partial<Finding> = {}): Finding => ({
  id: 'learning-rate-too-low',
  verdict: 'fault',
  seen: 'too low',
  why: '',
  advice: 'Raise it',
  change,
  confidence: 0.9,
  epoch: 1,
  step: 10,
  layer: null,
  symptoms: [],
  text: 'too low',
  ...more,
});
const run = (lr: number, scale = 1): Repeatable => ({
  model: () => net(),
  optimizer: (model, rate = lr) => new Adam(model as Sequential, { lr: rate }),
  loss: new CrossEntropyLoss(),
  data: cloudSet(400, { scale }),
  validation: cloudSet(100, { scale, seed: 2 }),
});

test('a rate that was too low and is raised helps; one that was right and is raised a thousand times does not', async (t) => {
  const raised = await whatIf(run(1e-6), finding({ kind: 'learningRate', value: 3e-3 }), { steps: 100 });
  t.is(raised.helped, true);
  t.true(raised.after < 0.5 * raised.before, raised.text);
  t.regex(raised.text, /^Raise it: loss [\d.]+ after 104 steps, [\d.]+ without: it helped$/);
  const wild = await whatIf(run(3e-3), finding({ kind: 'learningRate', value: 3 }), { steps: 100 });
  t.is(wild.helped, false);
});

test('the same change gives the same numbers again, and no change gives those of the run', async (t) => {
  const [one, other] = [
    await whatIf(run(1e-3), finding({ kind: 'learningRate', value: 1e-3 }), { steps: 50 }),
    await whatIf(run(1e-3), finding({ kind: 'learningRate', value: 1e-3 }), { steps: 50 }),
  ];
  t.deepEqual(one, other);
  t.is(one.before, one.after);
  t.is(one.helped, false);
});

test('a run in bfloat16 is tried in bfloat16, whose numbers are others', async (t) => {
  const change = finding({ kind: 'learningRate', value: 3e-3 });
  const [wide, narrow] = [
    await whatIf(run(1e-3), change, { steps: 20 }),
    await whatIf({ ...run(1e-3), precision: 'bfloat16' }, change, { steps: 20 }),
  ];
  for (const side of ['before', 'after'] as const) {
    t.not(narrow[side], wide[side]);
    t.true(Math.abs(narrow[side] - wide[side]) < 0.05 * wide[side], `${narrow[side]} and ${wide[side]}`);
  }
});

test('inputs are standardized, batches made smaller, gradients clipped', async (t) => {
  const scaled = await whatIf(run(1e-3, 1000), finding({ kind: 'standardizeInputs' }, { id: 'unscaled-inputs' }), { steps: 150 });
  t.is(scaled.helped, true, scaled.text);
  const batches = await whatIf({ ...run(1e-3), batchSize: 400 }, finding({ kind: 'batchSize', value: 32 }, { id: 'batch-too-large' }), {
    steps: 5,
  });
  t.is(batches.helped, true, batches.text);
  const clipped = await whatIf(run(1e-3), finding({ kind: 'maxGradNorm', value: 1e-9 }, { id: 'exploding-gradients' }), { steps: 20 });
  t.not(clipped.before, clipped.after);
});

test('a change of the model is left to a person, losses of two kinds are not compared, and wrong arguments are refused', async (t) => {
  for (const change of [null, { kind: 'widen', factor: 2 }] as const)
    t.like(await whatIf(run(1e-3), finding(change), { steps: 5 }), { change: null, helped: null });
  const other = await whatIf(run(1e-3), finding({ kind: 'loss', name: 'CrossEntropyLoss' }), { steps: 5 });
  t.is(other.helped, null);
  const good = finding({ kind: 'learningRate', value: 1 });
  const wrong: readonly unknown[][] = [
    [{}, good],
    [run(1), {}],
    [{ ...run(1), model: 3 }, good],
    [run(1), good, { steps: 0 }],
    [run(1), good, { step: 1 }],
    [{ ...run(1), epochs: 2 }, good],
  ];
  for (const args of wrong) await t.throwsAsync(whatIf(...(args as Parameters<typeof whatIf>)), { instanceOf: ArgumentError });
});
