// Proves lib/cli/search-config.ts: what a file says, and where it is wrong.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { optionsOf, readSearchConfig, wordOf } from '../../lib/cli/search-config.js';
import { inFolder } from '../helpers/search.js';

const good = `# The rate first.
data: digits
augment: true
search:
  lr: { log-uniform: [1e-1, 1e-5] }
  hidden:
    choice:
      - [32]
      - [64, 32]
  optimizer: { choice: [momentum, adam] }
  weight-decay: { uniform: [0, 1e-2], when: { optimizer: [adam] } }
  epochs: { integer: [2, 5] }
strategy:
  name: tpe
  startup-trials: 5
trials: 7
score: loss
validation: 0.2
seed: 4
`;

test('a file gives words for train, a space, a strategy and what else it says', async (t) => {
  await inFolder(async (folder) => {
    const path = join(folder, 'a.yaml');
    writeFileSync(path, good);
    const { space, strategy, words, ...rest } = await readSearchConfig(path);
    t.deepEqual(words, ['--data=digits', '--augment']);
    t.deepEqual(rest, { trials: 7, seed: 4, parallel: 1, score: 'loss', validation: 0.2 });
    t.deepEqual(strategy.toJSON(), { name: 'TpeSearch', startupTrials: 5, candidates: 24 });
    t.deepEqual(JSON.parse(JSON.stringify(space)), {
      lr: { kind: 'logUniform', low: 1e-5, high: 1e-1 },
      hidden: { kind: 'choice', values: [[32], [64, 32]] },
      optimizer: { kind: 'choice', values: ['momentum', 'adam'] },
      weightDecay: { kind: 'uniform', low: 0, high: 1e-2, when: { parameter: 'optimizer', values: ['adam'] } },
      epochs: { kind: 'integer', low: 2, high: 5 },
    });
  });
});

test('what is wrong is said with its place', async (t) => {
  const wrong: [from: string, to: string, message: RegExp][] = [
    ['data: digits', 'data: nothing', /^a\.yaml:2:7: option 'data' is invalid|2:7: .*Allowed choices are digits/],
    ['data: digits', 'dta: digits', /2:1: 'dta' is no option here; known: .*data/],
    ['data: digits', 'run-dir: x', /2:1: 'run-dir' is no option here/],
    ['data: digits', 'data: [', /\d+:\d+: /],
    ['lr: { log-uniform', 'rate: { log-uniform', /5:3: 'rate' cannot be searched; what can: model, hidden/],
    ['log-uniform: [1e-1', 'loguniform: [1e-1', /5:9: expected one of uniform, log-uniform, integer, log-integer, choice for 'lr'/],
    ['[1e-1, 1e-5]', '1e-1', /5:22: expected \[low, high\] for 'lr'/],
    ['[1e-1, 1e-5]', '[1e-1, 1e-5, 1]', /5:22: expected \[low, high\] for 'lr'/],
    ['[1e-1, 1e-5]', '[1e-1, -1]', /5:22: expected bounds above 0/],
    ['[64, 32]', '[64, 0]', /9:9: .*'hidden' .*expected a whole number of at least 1/],
    ['[momentum, adam]', '[momentum, adan]', /10:35: .*'optimizer' .*adan.*Allowed choices are/],
    ['[adam] }', '[rprop] }', /11:45: expected one of the choices of 'optimizer', "momentum", "adam"/],
    ['optimizer: [adam]', 'model: [mlp]', /11:45: expected the name of a parameter that stands before it/],
    ['[2, 5]', '[0, 5]', /12:23: .*'epochs' .*expected a whole number of at least 1/],
    ['name: tpe', 'name: best', /14:3: expected one of random, grid, sobol, tpe/],
    ['startup-trials: 5', 'startup-trials: 0', /14:3: .*`options\.startupTrials`, received 0/],
    ['startup-trials: 5', 'trials: 5', /14:3: unknown option `trials`/],
    ['trials: 7', 'trials: many', /16:9: expected a whole number, at least 1, for 'trials'/],
    ['trials: 7\n', '', /2:1: 'trials' says how many there are to be/],
    ['score: loss', 'score: f1', /17:8: expected accuracy or loss for 'score'/],
    ['validation: 0.2', 'validation: 1', /18:13: expected a share between 0 and 1/],
    ['augment: true', 'lr: 0.1', /5:3: 'lr' is searched, and has a value of its own above/],
    [good.slice(good.indexOf('search:'), good.indexOf('strategy:')), '', /1:1: there is nothing to search/],
    [good, 'just a text', /1:1: expected options of `train` and `search`/],
    ['seed: 4', 'seed: 4\nseed: 5', /\d+:\d+: Map keys must be unique/],
  ];
  await inFolder(async (folder) => {
    const path = join(folder, 'a.yaml');
    for (const [from, to, message] of wrong) {
      writeFileSync(
        path,
        good.replace(from, () => to),
      );
      const error = await t.throwsAsync(readSearchConfig(path), { code: 'ERR_ARGUMENT' }, to);
      t.regex((error?.message ?? '').replace(folder, '').replace(/^\//, ''), message, to);
      t.true(error?.message.startsWith(`${path}:`));
    }
    await t.throwsAsync(readSearchConfig(join(folder, 'none.yaml')), { message: /a file with ranges to search.*ENOENT/ });
  });
});

test('words are read as train reads them', (t) => {
  const options = optionsOf([wordOf('hidden', [64, 32]), wordOf('batchSize', 16), wordOf('augment', false), wordOf('columns', { id: 'skip' })]);
  t.like(options, { hidden: [64, 32], batchSize: 16, augment: false, columns: { id: 'skip' } });
  t.throws(() => optionsOf(['--lr=-1']), { message: /'lr' .*expected a number of at least 0/ });
});
