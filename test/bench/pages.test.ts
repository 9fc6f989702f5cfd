// The pages of the bench: a table a family of processors, whose rows come from several runs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { familyOf, slugOf } from '../../bench/families.js';
import { decode, encode, families, type Family, familyPage, losses, merged, ordered, type Report, resultsPage } from '../../bench/pages.js';
import type { CaseResult } from '../../bench/results.js';
import { root } from '../helpers/sources.js';

/** A case in which nodegrad took 2 ms, and a rival `ratio` times that. */
function result(name: string, ratio: number, more: Partial<CaseResult> = {}): CaseResult {
  const figures = (milliseconds: number) => ({
    versions: {},
    turns: [{ samples: [milliseconds], cpu: milliseconds }],
    minimum: milliseconds,
    median: milliseconds,
    lowerQuartile: milliseconds,
    upperQuartile: milliseconds,
    cpu: Number.NaN,
  });
  return {
    name,
    title: `what ${name} computes`,
    unit: 'ms',
    threads: 2,
    disagreement: '',
    rounds: 3,
    discarded: 0,
    disturbed: false,
    contestants: [
      { name: 'nodegrad', role: 'ours', ...figures(2) },
      { name: 'torch eager', role: 'rival', ...figures(2 * ratio), ratio: { minimum: ratio, median: ratio } },
    ],
    ...more,
  };
}

const report = (commit: string, results: readonly CaseResult[], family = 'AMD Zen 5'): Report => ({
  family,
  commit,
  date: '2026-11-30',
  machine: [['CPU', 'a processor']],
  method: '3 rounds.',
  calibrations: [],
  results,
});
const empty = (name: string): Family => ({ name, runs: [], rows: [] });
const seen = ({ runs, rows }: Family): string[] => rows.map(({ name, threads, run }) => `${name} ${threads} ${runs[run].commit}`);

test('a processor belongs to the family of its generation, or of its widest unit', (t) => {
  const amd = (family: number, model: number) => familyOf({ maker: 'AuthenticAMD', family, model, flags: ['avx2', 'avx512f'] });
  t.deepEqual(
    [amd(23, 1), amd(23, 49), amd(25, 33), amd(25, 17), amd(25, 97), amd(26, 2), amd(26, 68), amd(26, 0x50), amd(27, 1)],
    ['AMD Zen', 'AMD Zen 2', 'AMD Zen 3', 'AMD Zen 4', 'AMD Zen 4', 'AMD Zen 5', 'AMD Zen 5', 'AMD Zen 6', 'AMD family 27'],
  );
  const intel = (...flags: string[]) => familyOf({ maker: 'GenuineIntel', family: 6, model: 173, flags });
  t.is(intel('avx2', 'avx512f', 'amx_tile'), 'Intel with AMX');
  t.is(intel('avx2', 'avx512f'), 'Intel with AVX-512');
  t.is(intel('avx2'), 'Intel with AVX2');
  t.is(familyOf({ maker: 'Apple M9', family: Number.NaN, model: Number.NaN, flags: [] }), 'Apple M9');
  t.is(slugOf('Intel with AVX-512'), 'intel-with-avx-512');
});

test('a run replaces the rows of its cases and thread counts; the others stay, with their commit', (t) => {
  const first = merged(empty('AMD Zen 5'), report('aaa', [result('mlp-128', 1.5), result('lenet5', 2), result('lenet5', 2, { threads: 1 })]));
  const second = merged(first, report('bbb', [result('lenet5', 3)]));
  t.deepEqual(seen(second), ['mlp-128 2 aaa', 'lenet5 2 bbb', 'lenet5 1 aaa']);
  t.is(second.runs.length, 2);
  t.deepEqual(seen(first), ['mlp-128 2 aaa', 'lenet5 2 aaa', 'lenet5 1 aaa'], 'what was known is not changed in place');
  const third = merged(second, report('ccc', [result('mlp-128', 1), result('lenet5', 1, { threads: 1 })]));
  t.deepEqual(seen(third), ['mlp-128 2 ccc', 'lenet5 2 bbb', 'lenet5 1 ccc']);
  t.deepEqual(
    third.runs.map(({ commit }) => commit),
    ['bbb', 'ccc'],
    'a run without rows goes',
  );
});

test('a case whose contestants disagree, or that nobody could run, replaces nothing', (t) => {
  const before = merged(empty('AMD Zen 5'), report('aaa', [result('lenet5', 2)]));
  const disagreed = result('lenet5', 3, { disagreement: 'torch eager differs' });
  const [nobody] = decode(encode({ ...empty('x'), rows: [{ ...result('lenet5', 3), run: 0 }] })).rows;
  for (const contestant of nobody.contestants) Object.assign(contestant, { minimum: Number.NaN, reason: 'is missing' });
  t.deepEqual(seen(merged(before, report('bbb', [disagreed, nobody]))), ['lenet5 2 aaa']);
});

test('a disturbed case replaces no row that was not, but is better than none, or than another disturbed one', (t) => {
  const disturbed = (name: string) => result(name, 1, { disturbed: true });
  const before = merged(empty('AMD Zen 5'), report('aaa', [result('lenet5', 2)]));
  const after = merged(before, report('bbb', [disturbed('lenet5'), disturbed('mlp-128')]));
  t.deepEqual(seen(after), ['mlp-128 2 bbb', 'lenet5 2 aaa']);
  t.deepEqual(seen(merged(after, report('ccc', [disturbed('mlp-128')]))), ['mlp-128 2 ccc', 'lenet5 2 aaa']);
});

test('the file of a family has all figures of a row but the samples', (t) => {
  const family = merged(empty('AMD Zen 5'), report('aaa', [result('lenet5', 4 / 3)]));
  const again = decode(encode(family));
  const without = (contestant: object) => ({ ...contestant, turns: [] });
  t.deepEqual(again.rows[0].contestants[0], without(family.rows[0].contestants[0]) as never);
  t.is(again.rows[0].contestants[1].ratio?.median, 1.333);
  t.is(encode(again), encode(family));
});

test('rows that are lost are named, by minimum and by median, and the family that stands worst comes first', (t) => {
  const split = result('lstm', 1.2);
  split.contestants[1].ratio = { minimum: 1.3, median: 0.9 };
  const zen = merged(empty('AMD Zen 5'), report('aaa', [result('mlp-128', 2), result('rnn', 0.8), result('gru', 0.998), split]));
  t.deepEqual(losses(zen), ['rnn (0.80× / 0.80×)', 'lstm (1.30× / 0.90×)']);
  const intel = merged(empty('Intel with AMX'), report('bbb', [result('mlp-128', 0.7)], 'Intel with AMX'));
  t.deepEqual(
    ordered([zen, intel]).map(({ name }) => name),
    ['Intel with AMX', 'AMD Zen 5'],
  );
  const page = resultsPage([zen, intel]);
  t.true(page.indexOf('## Intel with AMX') < page.indexOf('## AMD Zen 5'));
  t.regex(
    page,
    /^\| \[rnn\]\(RESULTS-amd-zen-5\.md#rnn-2\) \| 2 \| 2\.00 \/ 2\.00 ms \| torch eager, 1\.60 ms .*\| 0\.80× \| 0\.80× .*\| aaa \| 2026-11-30 \|/m,
  );
  t.regex(familyPage(zen), /^### lstm <a id="lstm-2"><\/a>$/m);
});

test('the committed pages are those that the committed rows give', (t) => {
  const bench = join(root, 'bench');
  const known = families(join(bench, 'families'));
  const page = (name: string): string => readFileSync(join(bench, name), 'utf8');
  t.deepEqual(known.map(({ name }) => name).sort(), ['AMD Zen 4', 'AMD Zen 5', 'Intel with AMX']);
  t.is(page('RESULTS.md'), resultsPage(known));
  for (const family of known) t.is(page(`RESULTS-${slugOf(family.name)}.md`), familyPage(family));
});
