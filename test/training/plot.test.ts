// Pictures of models: files, refusals, and texts that nothing covers, in a real browser.
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { closeBrowser, noBrowser, visit } from '../helpers/browser.js';

const folder = mkdtempSync(join(tmpdir(), 'nodegrad-plot-'));
test.after.always(closeBrowser);

const small = (): lib.Sequential => new lib.Sequential([new lib.Linear(4, 3), new lib.ReLU(), new lib.Linear(3, 2)], { inputShape: [4] });

test('a picture says layers, shapes, parameters and multiply-accumulates, and is written where one wants it', async (t) => {
  const path = join(folder, 'small.svg');
  const svg = await small().plot(path, { title: 'small & <new>' });
  t.is(readFileSync(path, 'utf8'), svg);
  const texts = [...svg.matchAll(/<text[^>]*>(.*?)<\/text>/g)].map(([, text]) => text);
  t.deepEqual(texts, [
    'small &amp; &lt;new&gt;',
    '23 parameters · 18 multiply-accumulates · 2 weight layers',
    'input',
    '4',
    'Linear',
    'ReLU',
    '15 parameters · 12 mult-adds',
    '3',
    'Linear',
    '8 parameters · 6 mult-adds',
    '2',
    'output',
  ]);
  t.regex(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 \d+ \d+"/);
  t.notRegex(svg, /<(script|image|use)|href|url\((?!#)/);
});

test('what is frozen says so and has a dashed edge, and is not folded with what is not; names are shown where one asks', async (t) => {
  class Tuned extends lib.Model {
    readonly body = new lib.Sequential([new lib.Linear(4, 4), new lib.BatchNorm1d(4), new lib.Linear(4, 4), new lib.Linear(4, 4)]);
    readonly block = new lib.Residual(new lib.Linear(4, 4));
    readonly head = new lib.Linear(4, 2);
    forward(x: lib.Tensor): lib.Tensor {
      return this.head.forward(this.block.forward(this.body.forward(x)) as lib.Tensor);
    }
  }
  const model = new Tuned();
  const textsOf = (svg: string): string[] =>
    [...svg.matchAll(/<text[^>]*>(.*?)<\/text>/g)].map(([, text]) => text.replaceAll(/<[^>]*>/g, '')).slice(1);
  const plain = await model.plot(undefined, { inputShape: [4] });
  t.notRegex(plain, /class="[^"]*frozen/);
  t.true(textsOf(plain).includes('Linear ×2'));
  t.false(textsOf(plain).includes('head'));
  model.body.layers[0].freeze();
  model.body.layers[2].freeze();
  model.block.freeze();
  const svg = await model.plot(undefined, { inputShape: [4], names: true });
  t.is(
    svg.match(/class="(box|frame)[^"]* frozen"/g)?.length,
    3,
    'a layer, a block, and the layer inside of it: with the first goes a norm that is not',
  );
  const texts = textsOf(svg);
  t.is(texts[0], '98 parameters, 60 of them frozen · 72 multiply-accumulates · 5 weight layers');
  t.deepEqual(texts.filter((text) => /frozen|^(body|head|block)/.test(text)).slice(1), [
    'Linear frozen',
    'body.0',
    'Linear frozen',
    'body.2',
    'body.3',
    'Residual block, frozen',
    'Linear frozen',
    'block.inner',
    'head',
  ]);
});

test('the arguments of a layer keep their distance in programs that drop spaces at the start of an element', async (t) => {
  const svg = await new lib.Sequential([new lib.Conv2d(1, 2, 3)], { inputShape: [8, 8, 1] }).plot();
  t.regex(svg, />Conv2d <tspan[^>]*>3×3</);
});

test('what no picture can be made of is refused, and nothing is written', async (t) => {
  const path = join(folder, 'none.svg');
  let nested: lib.AnyLayer = new lib.Linear(4, 4);
  for (let i = 0; i < 5000; i++) nested = new lib.Sequential([nested]);
  await t.throwsAsync((nested as lib.Sequential).plot(path, { inputShape: [4] }), {
    instanceOf: lib.ArgumentError,
    message: /inside of more than 250 others/,
  });
  await t.throwsAsync(new lib.Sequential([new lib.Conv2d(1, 2, 3)]).plot(path), { instanceOf: lib.ArgumentError, message: /inputShape/ });
  await t.throwsAsync(small().plot(path, { inputShape: [5] }), { instanceOf: lib.ShapeError, message: /layer '0'/ });
  await t.throwsAsync(small().plot(path, { depth: -1 }), { instanceOf: lib.ArgumentError, message: /options\.depth/ });
  await t.throwsAsync(small().plot(path, { title: 7 as never }), { instanceOf: lib.ArgumentError, message: /options\.title/ });
  await t.throwsAsync(small().plot('' as never), { instanceOf: lib.ArgumentError, message: /path/ });
  await t.throwsAsync(small().plot(folder), { instanceOf: lib.ArgumentError, message: /folder/ });
  t.false(existsSync(path));
  for (const name of ['model.png', 'model.JPG', 'model.pdf']) {
    const message =
      /expected the path of a file of SVG, .*received ".*model\.\w+"\. Name it ".*model\.svg"; .*sharp\(".*model\.svg"\)\.toFile\(".*model\.png"\)/;
    await t.throwsAsync(small().plot(join(folder, name)), { instanceOf: lib.ArgumentError, message });
    t.false(existsSync(join(folder, name)));
  }
  await small().plot(join(folder, 'model.v2'));
  class Looking extends lib.Model {
    forward(x: lib.Tensor): lib.Tensor {
      return x.sum().item() > 0 ? x : x.neg();
    }
  }
  await t.throwsAsync(new Looking().plot(undefined, { inputShape: [2] }), {
    instanceOf: lib.ArgumentError,
    message: /a tensor was read .* has no values/,
  });
});

const pictures: Readonly<Record<string, () => Promise<string>>> = {
  lenet5: () => lib.lenet5().plot(),
  resnet18: () => lib.resnet18().plot(),
  googlenet: () => lib.googlenet().plot(),
  densenet121: () => lib.densenet121().plot(),
  transformer: () => lib.characterTransformer({ characters: 65 }).plot(),
  fractalnet: () => lib.fractalnet().plot(undefined, { columns: 1 }),
};

for (const [name, make] of Object.entries(pictures))
  (noBrowser === undefined ? test : test.skip)(
    `in the picture of ${name} no text covers another one or leaves its box or the page`,
    async (t) => {
      const path = join(folder, `${name}.svg`);
      writeFileSync(path, await make());
      const { page, complaints, requests } = await visit(pathToFileURL(path).href, { colorScheme: 'light' });
      t.deepEqual(await page.evaluate('coveredTexts()'), []);
      t.true((await page.evaluate<number>("document.querySelectorAll('text').length")) > 15);
      const ink = (): Promise<string> => page.evaluate<string>("getComputedStyle(document.querySelector('text')).fill");
      t.is(await ink(), 'rgb(29, 35, 43)');
      await page.emulateMedia({ colorScheme: 'dark' });
      t.is(await ink(), 'rgb(230, 234, 239)');
      t.deepEqual([complaints, requests], [[], []]);
      await page.context().close();
    },
  );
