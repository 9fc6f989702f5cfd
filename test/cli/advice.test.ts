// Proves lib/cli/advice.ts: what the sitter advises is told in flags where there are some, and never in code.
import test from 'ava';
import { inCommands } from '../../lib/cli/advice.js';
import { withRecipe } from '../../lib/cli/options.js';
import { type Change, findingOf } from '../../lib/sitter/finding.js';

const options = withRecipe({ data: 'a.csv', model: 'mlp', seed: 1, json: false });
const told = (advice: string, change: Change | null, model = 'mlp'): string =>
  inCommands(findingOf({ id: 'underfitting', verdict: 'warning', seen: 'it is so', why: '', advice, change, confidence: 1 }, 1, 1), {
    ...options,
    model,
  });

test('a change that flags can make is told by them', (t) => {
  const rows: [Change, string][] = [
    [{ kind: 'learningRate', value: 0.003 }, '--lr 0.003'],
    [{ kind: 'epochs', value: 90 }, '--epochs 90'],
    [{ kind: 'batchSize', value: 32 }, '--batch-size 32'],
    [{ kind: 'maxGradNorm', value: 1 }, '--max-grad-norm 1'],
    [{ kind: 'weightDecay', value: 0.01 }, '--weight-decay 0.01'],
    [{ kind: 'earlyStopping', epoch: 7 }, '--patience 5'],
    [{ kind: 'widen', factor: 2 }, '--hidden 128,128'],
    [{ kind: 'optimizer', name: 'Adam', lr: 0.001 }, '--optimizer adam --lr 0.001'],
    [{ kind: 'fixData', what: 'class weights' }, '--class-weights balanced'],
  ];
  for (const [change, flags] of rows) t.is(told('Take new Something()', change), `it is so. Try ${flags}`);
});

test('fine-tuning with few images keeps the statistics of the weights', (t) => {
  const seen = findingOf({ id: 'normalization-mode', verdict: 'warning', seen: 'it is so', why: '', advice: 'Take batches of 32', change: { kind: 'batchSize', value: 32 }, confidence: 1 }, 1, 1); // biome-ignore format: one line
  const says = (freeze?: string[]): string => inCommands(seen, { ...options, weights: 'a.safetensors', freeze });
  t.is(says(), 'it is so. Try --freeze norms');
  t.is(says(['conv1', 'layer1']), 'it is so. Try --freeze conv1,layer1,norms');
  t.is(says(['norms']), 'it is so. Try --batch-size 32');
});

test('advice about code becomes a page to read, advice about data stays, and none is none', (t) => {
  const page = 'it is so. `npx nodegrad explain underfitting` says more';
  t.is(told('Keep the default initializer', { kind: 'initializer', name: 'He' }), page);
  t.is(told('Give the layer 20 units', { kind: 'widen', factor: 2 }, 'lenet5'), page);
  t.is(told('Leave these out, or fill the gaps: new Imputer()', { kind: 'fixData', what: 'inputs' }), page);
  t.is(told('Leave column 3 out', { kind: 'fixData', what: 'column 3' }), 'it is so. Leave column 3 out');
  t.is(told('Look at ten examples by eye', null), 'it is so. Look at ten examples by eye');
  t.is(told('', null), 'it is so');
});
