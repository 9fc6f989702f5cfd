// Every block of code in README and guides runs, in a folder with the files that it names; what cannot run here says why.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { Tensor } from '../lib/index.js';
import { encodeNpy } from '../lib/io/npy.js';
import { encodeSafetensors } from '../lib/io/safetensors.js';
import { blocksToRun, runBlocks } from './helpers/run-examples.js';
import { readTree } from './helpers/sources.js';

const tree = readTree();
const documents = [...tree].filter(([path]) => path === 'README.md' || path.startsWith('docs/guides/'));

/** Photographs that nobody took: a colour of its own for each class, with stripes. */
async function photograph(hue: number): Promise<Buffer> {
  const pixels = Uint8Array.from({ length: 40 * 40 * 3 }, (_, i) => (i % 3 === hue ? 200 : (i * 7) % 90));
  return sharp(pixels, { raw: { width: 40, height: 40, channels: 3 } })
    .png()
    .toBuffer();
}

const photographs = await Promise.all([0, 1].map(photograph));

/** What the guides read: a table of houses, arrays, and a folder of images of two classes. */
function furnish(folder: string): void {
  const rows = Array.from(
    { length: 60 },
    (_, i) => `${i},${50 + i},${i % 3 === 0 ? 'north' : 'south'},${1000 * (50 + i) + (i % 3 === 0 ? 9000 : 0)}`,
  );
  writeFileSync(join(folder, 'houses.csv'), `id,size,side,price\n${rows.join('\n')}\n`);
  writeFileSync(join(folder, 'new.csv'), 'id,size,side\n1,70,north\n2,90,south\n');
  const flowers = rows.map((_, i) => `${i % 7},${(i * 3) % 11},${i % 7 > 3 ? 'iris' : 'rose'}`);
  writeFileSync(join(folder, 'flowers.csv'), `width,height,kind\n${flowers.join('\n')}\n`);
  const x = Tensor.from(Float32Array.from({ length: 40 }, (_, i) => i / 40)).reshape([10, 4]);
  const y = Tensor.from(Int32Array.from({ length: 10 }, (_, i) => i % 2));
  writeFileSync(join(folder, 'x.npy'), Buffer.concat(encodeNpy(x, 'x')));
  writeFileSync(join(folder, 'y.npy'), Buffer.concat(encodeNpy(y, 'y')));
  writeFileSync(join(folder, 'model.safetensors'), encodeSafetensors(new Map([['weight', x]])));
  for (const [i, name] of ['cat', 'dog'].entries()) {
    mkdirSync(join(folder, 'photos', name), { recursive: true });
    for (let n = 0; n < 10; n++) writeFileSync(join(folder, 'photos', name, `${n}.png`), photographs[i]);
  }
}

test('the guides that a beginner reads first have blocks, all of which run, but for one that needs weights of others', (t) => {
  for (const name of ['first-network', 'own-data', 'three-levels', 'deployment', 'performance']) {
    const blocks = blocksToRun(tree.get(`docs/guides/${name}.md`) ?? '');
    t.true(blocks.length > 0, name);
    t.deepEqual(
      blocks.filter(({ notRun }) => notRun !== null && notRun !== "it needs a file of torchvision's weights"),
      [],
      name,
    );
  }
});

test.serial('a block that fails is named with its place; one that is marked is left out', async (t) => {
  const text =
    "# A\n\n```ts\nimport { relu } from 'nodegrad';\nthrow new Error(typeof relu);\n```\n\n<!-- not run: for no reason -->\n```ts\nthrow 1;\n```\n";
  t.deepEqual((await runBlocks('docs/a.md', blocksToRun(text))).problems, ['docs/a.md:4 throws null: function']);
  const silent = '<!-- throws -->\n```ts\nlet a = 1;\n```\n\n```text\nERR_A: b\n```\n';
  t.deepEqual((await runBlocks('docs/b.md', blocksToRun(silent))).problems, ['docs/b.md:3 does not throw']);
});

test.serial('the three ways to train print the same loss', async (t) => {
  const path = 'docs/guides/three-levels.md';
  const { problems, printed } = await runBlocks(path, blocksToRun(tree.get(path) ?? ''));
  t.deepEqual(problems, []);
  const losses = [...printed.matchAll(/^(fit|loop|step) ([\d.]+)$/gm)].map(([, name, loss]) => ({ name, loss }));
  t.deepEqual(
    losses.map(({ name }) => name),
    ['fit', 'loop', 'step'],
  );
  t.is(new Set(losses.map(({ loss }) => loss)).size, 1, printed);
});

for (const [path, text] of documents) {
  const blocks = blocksToRun(text);
  if (blocks.length > 0 && path !== 'docs/guides/three-levels.md')
    test.serial(`${path}: every block runs`, async (t) => t.deepEqual((await runBlocks(path, blocks, furnish)).problems, []));
}
