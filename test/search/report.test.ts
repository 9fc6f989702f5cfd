// Proves lib/search/report.ts and pictures.ts: a page that a stranger can read, whatever names are in it, and that needs nothing else.
import test from 'ava';
import { Hyperband, search, searchReport, space } from '../../lib/index.js';
import { bowl, still, wide } from '../helpers/search.js';

const study = () =>
  search(
    wide,
    (params, trial) => {
      if (trial.number === 3) throw new Error('too <b>large</b> & "wide"');
      for (let epoch = 1; epoch <= 3; epoch++) trial.report({ epoch, score: bowl(params) + 1 / epoch, loss: 1 / epoch });
      return bowl(params);
    },
    { ...still, trials: 20, seed: 2, name: 'a <script>alert(1)</script> study' },
  );

/** The text of a page, without its marks. */
const words = (page: string): string => page.replace(/<style>.*<\/style>/s, '').replace(/<[^>]+>/g, ' ').replace(/\s+/g, ' '); // biome-ignore format: one line

test('the page says what was searched and how it went, and has every picture and a table of all trials', async (t) => {
  const made = await study();
  const page = searchReport(made);
  const text = words(page);
  t.regex(text, /20 trials by random search over lr, layers, optimizer and momentum, seed 2; a lower score is better\. Of them, 1 failed\./);
  t.regex(text, new RegExp(`Best: ${made.best?.score.toFixed(4)} , by trial ${made.best?.number}`));
  for (const heading of [
    'Every trial at a glance',
    'Which parameters decide',
    'Score against each parameter',
    'Learning curves',
    'Beside a grid',
    'All trials',
  ])
    t.true(page.includes(`<h2>${heading}</h2>`), heading);
  t.is(page.match(/<tr class="/g)?.length, 20);
  t.is(page.match(/class="curve [^"]*"/g)?.length, 20 + 19, 'a line and a learning curve for each trial that has one');
  t.regex(text, /lr: 20 different values|layers: 20 different values|momentum/);
  t.regex(page, /<svg [^>]*role="img" aria-label="[^"]+"/);
  for (const mark of ['section', 'svg', 'table', 'div', 'main', 'p', 'dl'])
    t.is(page.match(new RegExp(`<${mark}[ >]`, 'g'))?.length, page.match(new RegExp(`</${mark}>`, 'g'))?.length, mark);
});

test('nothing that a user may call things is taken for HTML, and the page asks for nothing from elsewhere', async (t) => {
  const page = searchReport(await study());
  t.false(page.includes('<script'));
  t.false(page.includes('<b>large'));
  t.regex(page, /Content-Security-Policy" content="default-src 'none'/);
  t.true(page.includes('a &lt;script&gt;alert(1)&lt;/script&gt; study'));
  t.true(page.includes('too &lt;b&gt;large&lt;/b&gt; &amp; &quot;wide&quot;'));
  t.notRegex(page, /(src|href|url)\s*[=(]|https?:|NaN|undefined|Infinity/);
});

test('a study without a completed trial, with one, with one parameter, and with budgets is a page as well', async (t) => {
  const of = { rate: space.logUniform(1e-3, 1) };
  const none = searchReport(await search(of, () => Number.NaN, { ...still, trials: 2 }));
  t.regex(words(none), /No trial completed/);
  const pages = [
    searchReport(await search(of, () => 1, { ...still, trials: 1 })),
    searchReport(await search({ kind: space.choice(['a', 'b']) }, () => 2, { ...still, trials: 3 })),
    searchReport(await search(of, ({ rate }) => rate, { ...still, strategy: new Hyperband({ budget: 9 }), direction: 'maximize' })),
  ];
  for (const page of pages) t.notRegex(page, /NaN|undefined|Infinity/);
  t.regex(words(pages[2]), /with a budget of \d/);
  t.throws(() => searchReport({} as never), { message: /a study, such as search\(\) gives, for `study`/ });
});
