// `npm run docs:check`: looks at the site of `npm run docs` in Chromium, from file://, light and dark, wide and narrow. `-- --pictures <folder>` keeps what it saw.
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const { pictures } = parseArgs({ options: { pictures: { type: 'string' } } }).values;
const site = fileURLToPath(new URL('../docs/api/', import.meta.url));
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));
if (executablePath === undefined) {
  console.log('no Chromium here (Debian: apt-get install chromium): the site was not looked at');
  process.exit(0);
}
if (!existsSync(join(site, 'index.html'))) throw new Error('docs/api/index.html is not there: npm run docs makes it');

/** A word for the search box, and the page that must come first. */
const searches = {
  Dense: 'Linear',
  'nn.Linear': 'Linear',
  'tf.layers.dense': 'Linear',
  Conv2D: 'Conv2d',
  BatchNormalization: 'BatchNorm',
  ReduceLROnPlateau: 'ReduceOnPlateau',
  state_dict: 'Layer.stateDict',
  ERR_SHAPE: 'ERR_SHAPE',
  LSTM: 'LSTM',
};
const pages = {
  start: 'index.html',
  guide: 'documents/Your_first_network.html',
  names: 'documents/Coming_from_another_framework.html',
  error: 'documents/ERR_SHAPE.html',
  class: 'classes/Linear.html',
};

const problems = [];
const expect = (isTrue, what) => isTrue || problems.push(what);
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
if (pictures !== undefined) mkdirSync(pictures, { recursive: true });

for (const [colorScheme, width] of [
  ['light', 390],
  ['dark', 390],
  ['dark', 1280],
  ['light', 1280],
]) {
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
  context.setDefaultTimeout(180_000); // a busy machine takes its time
  const page = await context.newPage();
  const place = (name) => `${name}, ${colorScheme}, ${width} pixels`;
  // From file://, icons that are linked are refused; TypeDoc's icons.js puts them into the page there.
  const isIcon = (text) => /^Unsafe attempt to load URL file:.*\/assets\/icons\.svg#/.test(text);
  page.on('console', (message) => message.type() === 'error' && !isIcon(message.text()) && problems.push(`console: ${message.text()}`));
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('request', (request) => expect(/^(file|data|blob):/.test(request.url()), `asks ${request.url()}`));
  for (const [name, path] of Object.entries(pages)) {
    expect(existsSync(join(site, path)), `${path} is not there`);
    if (!existsSync(join(site, path))) continue;
    await page.goto(pathToFileURL(join(site, path)).href);
    const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(tooWide <= 0, `${place(name)}: ${tooWide} pixels wider than the window`);
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, `${name}-${colorScheme}-${width}.png`) });
  }
  if (width !== 1280 || colorScheme !== 'light') {
    await context.close();
    continue;
  }
  for (const [word, wanted] of Object.entries(searches)) {
    await page.goto(pathToFileURL(join(site, 'index.html')).href);
    await page.locator('#tsd-search-trigger').click();
    await page.locator('#tsd-search-input').fill(word);
    await page.waitForFunction((text) => document.querySelector('#tsd-search-input')?.value === text, word);
    await page.waitForTimeout(400); // the box waits for the next letter before it searches
    const first = await page
      .locator('#tsd-search-results li')
      .first()
      .textContent({ timeout: 10_000 })
      .catch(() => 'nothing');
    expect(first.replace(/\s+/g, '').startsWith(wanted), `the search for ${word} finds ${JSON.stringify(first)} first, not ${wanted}`);
    if (pictures !== undefined) await page.screenshot({ path: join(pictures, `search-${word}-${colorScheme}.png`) });
  }
  await page.goto(pathToFileURL(join(site, 'index.html')).href);
  await page.getByRole('link', { name: 'Your first network' }).first().click();
  expect((await page.locator('h1').first().textContent()).includes('Your first network'), 'the link to the first guide does not open it');
  await context.close();
}
await browser.close();
for (const problem of new Set(problems)) console.error(problem);
console.log(problems.length === 0 ? 'the site is as it should be' : `${new Set(problems).size} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
