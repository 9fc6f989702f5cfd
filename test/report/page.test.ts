// Proves the page of lib/report/page in a real Chromium: it draws, complains of nothing, asks nobody, and can be used by keyboard, in the dark, on a phone.

import test from 'ava';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';
import { runReport } from '../../lib/index.js';
import { closeBrowser, noBrowser, visit } from '../helpers/browser.js';
import { train } from '../helpers/reports.js';
import { root } from '../helpers/sources.js';

const inBrowser = noBrowser === undefined ? test : test.skip;
if (noBrowser !== undefined) console.log(`tests of the page are left out: ${noBrowser}`);

const evil = '</script><img src=x onerror="alert(1)">';
let folder = '';
let one = '';
let many = '';

test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'nodegrad-page-'));
  for (const lr of [0.1, 0.3]) await train(join(folder, 'runs', `lr ${lr}`), { lr, report: true });
  const log = join(folder, 'runs', 'lr 0.3', 'log.jsonl');
  const { run } = JSON.parse(readFileSync(log, 'utf8').split('\n')[0]) as { run: string };
  const finding = {
    type: 'finding',
    run,
    id: 'learning-rate-too-high',
    seen: `in ${evil}`,
    why: evil,
    advice: 'try 0.1',
    confidence: 0.9,
    layer: evil,
    symptoms: [evil],
  };
  for (const more of [
    { verdict: 'fault', epoch: 2, step: 20 },
    { verdict: 'warning', epoch: 2, step: 21 },
  ])
    appendFileSync(log, `${JSON.stringify({ ...finding, ...more })}\n`);
  // Gradients that have all but vanished: uPlot would look for ticks without an end.
  const parameters = [1e-30, 1].map((norm, i) => ({
    path: `p${i}`,
    shape: [2, 2],
    weightNorm: 1,
    gradientNorm: norm,
    updateNorm: norm,
    updateRatio: norm,
    gradientNonFinite: 0,
  }));
  appendFileSync(log, `${JSON.stringify({ type: 'observation', run, step: 64, layers: [], parameters })}\n`);
  const change = { kind: 'learningRate', value: 0.1 };
  const steps = [320, 320];
  for (const more of [
    { id: 'learning-rate-too-high', change, before: 'NaN', after: 0.25, steps, helped: true },
    { id: 'batch-too-large', change: { kind: 'batchSize', value: 32 }, before: 1, after: 0.99, steps: [5, 40], helped: false },
    { id: evil, change: null, before: 'NaN', after: 'NaN', steps: [0, 0], helped: null },
  ])
    appendFileSync(log, `${JSON.stringify({ type: 'tried', text: evil, ...more })}\n`);
  appendFileSync(log, `${JSON.stringify({ type: 'fix', run, text: `${evil} lowered the rate` })}\n`);
  const write = (name: string, sources: string): string => {
    const file = join(folder, name);
    writeFileSync(file, runReport(sources));
    return pathToFileURL(file).href;
  };
  one = write('one.html', log);
  many = write('many.html', join(folder, 'runs'));
});

test.after.always(async () => {
  await closeBrowser();
  rmSync(folder, { recursive: true, force: true });
});

test('the scripts of the page are typed, and each of their names stands once', (t) => {
  const path = join(root, 'lib/report/page/tsconfig.json');
  const { config } = ts.readConfigFile(path, ts.sys.readFile) as { config: unknown };
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, join(root, 'lib/report/page'));
  t.true(fileNames.length >= 5);
  const complaints = ts.getPreEmitDiagnostics(ts.createProgram(fileNames, options)).map(({ file, messageText, start }) => {
    return `${file?.fileName}:${start}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
  t.deepEqual(complaints, []);
  const names = fileNames.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/^(?:export )?(?:function|const|class|let) (\w+)/gm)].map(([, name]) => name),
  );
  t.deepEqual(
    names.filter((name, i) => names.indexOf(name) < i),
    [],
    'they become one script',
  );
});

inBrowser('a report draws all its sections, complains of nothing and asks nobody for anything', async (t) => {
  const { page, complaints, requests } = await visit(one);
  const titles = await page.locator('section:visible h2').allTextContents();
  t.deepEqual(titles, [
    'Curves',
    'Findings',
    'Layers over time',
    'Updates and gradients',
    'What the model takes for what',
    'The model',
    'Settings and machine',
  ]);
  t.is(await page.locator('.uplot').count(), 4);
  // Drawn, not just there: a chart has points of its colours, a heat map of several shades.
  const shades = await page.evaluate<number[]>(`coloursOf('.chart canvas, .heat canvas')`);
  t.is(shades.length, 4 + 2, 'four charts, and two layers whose outputs are in memory');
  t.true(
    shades.every((count) => count > 3),
    String(shades),
  );
  t.deepEqual(
    await page
      .locator('#architecture img')
      .evaluateAll((images) => images.map((image) => (image as { naturalWidth?: number }).naturalWidth !== 0)),
    [true],
  );
  await page.getByText('The numbers as a table').first().click();
  t.is(await page.locator('#curves .scroll tbody tr').count(), 8, 'training in the middle of four epochs, validation at their ends');
  t.is(await page.locator('.matrix tbody tr').count(), 4);
  t.deepEqual(complaints, []);
  t.deepEqual(requests, []);
});

inBrowser('what was tried stands beside its finding, the loss with and without, and what has no finding below', async (t) => {
  const { page, complaints } = await visit(one);
  const rowsIn = (place: string): Promise<string[]> => page.locator(`${place} .scroll tbody tr`).allInnerTexts();
  t.deepEqual(await rowsIn('#finding-1'), [], 'the sitter said it again');
  t.deepEqual(await rowsIn('#finding-2'), ['learning rate 0.1\tit helped\t0.25\tno number\t320']);
  t.deepEqual(await rowsIn('#findings > div'), [
    'batch size 32\tit did not help\t0.99\t1\t5 and 40',
    'nothing: only a person can make it\t\t\t\t',
  ]);
  t.deepEqual(complaints, []);
});

inBrowser('what a run says is text: no name, class or finding becomes an element', async (t) => {
  const { page, complaints } = await visit(one);
  t.is(await page.locator('img:not(#architecture img)').count(), 0);
  t.true((await page.locator('#finding-1').textContent())?.includes(evil));
  t.true((await page.locator('#settings').textContent())?.includes(`What the sitter changed1${evil} lowered the rate`));
  t.is(await page.locator('body > script').count(), 2);
  t.deepEqual(complaints, []);
});

inBrowser('a mark in the curve leads to its finding, by mouse and by keyboard', async (t) => {
  const { page } = await visit(one);
  const marks = page.locator('#curves figure').first().locator('.marker');
  t.deepEqual(await marks.allTextContents(), ['1', '2']);
  const boxes = await Promise.all([0, 1].map((i) => marks.nth(i).boundingBox()));
  t.true(Math.abs(boxes[0]!.y - boxes[1]!.y) > 20, 'marks of one place do not hide each other');
  await marks.first().click();
  t.is(await page.evaluate('focused().id'), 'finding-1');
  await marks.nth(1).focus();
  await page.keyboard.press('Enter');
  t.is(await page.evaluate('focused().id'), 'finding-2');
  t.is(await marks.first().getAttribute('aria-label'), 'finding 1: learning rate too high');
});

inBrowser('by keyboard alone: skip link, theme, links, scale and tables are reached, and what has the focus is seen', async (t) => {
  const { page } = await visit(many);
  const reached: string[] = [];
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate<{ name: string; outline: string } | null>('focused()');
    if (focused === null) continue;
    t.is(focused.outline, '3px', `${focused.name} shows that it has the focus`);
    reached.push(focused.name);
  }
  for (const name of ['To the content', 'Colours: system', 'Save as JSON', 'Curves', 'draw lr 0.3', 'lr 0.1', 'The numbers as a table'])
    t.true(
      reached.some((one) => one.includes(name)),
      `${name} in ${reached.join(' | ')}`,
    );
  await page.locator('#log-scale').focus();
  await page.keyboard.press('Space');
  t.true(await page.locator('#log-scale').isChecked());
});

inBrowser('runs side by side: curves of those that are ticked, details of the one that is chosen', async (t) => {
  const { page, complaints } = await visit(many);
  t.is(await page.locator('#runs tbody tr').count(), 2);
  const chosen = await page.locator('h1').textContent();
  const other = chosen === 'lr 0.1' ? 'lr 0.3' : 'lr 0.1';
  await page.getByRole('button', { name: other, exact: true }).click();
  t.is(await page.locator('h1').textContent(), other);
  const summary = page.locator('#curves').getByText('The numbers as a table').first();
  await summary.click();
  t.deepEqual(await page.locator('#curves thead th').allTextContents(), [
    'epoch',
    'lr 0.1: training',
    'lr 0.1: validation',
    'lr 0.3: training',
    'lr 0.3: validation',
  ]);
  await page.getByRole('checkbox', { name: `draw ${other}` }).uncheck();
  t.deepEqual(await page.locator('#curves thead th').allTextContents(), ['epoch', 'training', 'validation']);
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as JSON' }).click()]);
  const saved = JSON.parse(readFileSync(await download.path(), 'utf8')) as { runs: { id: string }[] };
  t.deepEqual(saved.runs.map(({ id }) => id).sort(), ['lr 0.1', 'lr 0.3']);
  t.deepEqual(complaints, []);
});

inBrowser('light and dark, as the system says or as the button does, on a phone without scrolling sideways, and text stands out', async (t) => {
  for (const colorScheme of ['light', 'dark'] as const) {
    for (const [file, width] of [
      [one, 360],
      [many, 360],
      [one, 1280],
    ] as const) {
      const { page, complaints } = await visit(file, { colorScheme, viewport: { width, height: 800 } });
      t.true((await page.evaluate<number>('document.documentElement.scrollWidth')) <= width, `${colorScheme} ${width}`);
      t.is(await page.locator('html').getAttribute('data-theme'), colorScheme);
      t.deepEqual(await page.evaluate('faintTexts()'), [], `${colorScheme} ${width}`);
      t.deepEqual(complaints, []);
    }
  }
  const { page } = await visit(one, { colorScheme: 'dark' });
  const background = (): Promise<string> => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
  const dark = await background();
  await page.getByRole('button', { name: 'Colours: system' }).click();
  t.not(await background(), dark);
  await page.getByRole('button', { name: 'Colours: light' }).click();
  t.is(await background(), dark);
});

inBrowser('landmarks, one heading of the first rank, none left out, and a name for everything that can be used', async (t) => {
  const { page } = await visit(many);
  const roles = ['banner', 'navigation', 'main', 'contentinfo'] as const;
  for (const role of roles) t.is(await page.getByRole(role).count(), 1, role);
  const ranks = await page.locator('h1:visible, h2:visible, h3:visible').evaluateAll((all) => all.map(({ tagName }) => Number(tagName[1])));
  t.is(ranks.filter((rank) => rank === 1).length, 1);
  t.true(ranks.every((rank, i) => i === 0 || rank <= ranks[i - 1] + 1));
  t.deepEqual(await page.evaluate('nameless()'), []);
});
