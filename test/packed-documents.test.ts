// The documents that are packed: no picture and no link of theirs leads to a file that is not packed.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { root } from './helpers/sources.js';

interface PackedDocuments {
  withoutDeadEnds(text: string, isThere: (target: string) => boolean): string;
  mendDocuments(folder: string): void;
}

const { mendDocuments, withoutDeadEnds } = (await import(pathToFileURL(join(root, 'scripts/packed-documents.mjs')).href)) as PackedDocuments;

test('a picture that is not there becomes its text, a link its words; what is there, code and the web stay', (t) => {
  const mend = (text: string): string => withoutDeadEnds(text, (target) => target === 'there.md');
  t.is(mend('![Two curves](../pictures/a.svg)'), '*Picture: Two curves*');
  t.is(
    mend('see [`run()`](../x.md#how), [more](there.md#b), [web](https://a.b/c), [here](#d)'),
    'see `run()`, [more](there.md#b), [web](https://a.b/c), [here](#d)',
  );
  t.is(mend('`a[b](c)`\n```ts\nsteps[name](x);\n```\n'), '`a[b](c)`\n```ts\nsteps[name](x);\n```\n');
});

test('README, guides and pages of errors, packed, have no picture and no link that leads nowhere', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-documents-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  mkdirSync(join(folder, 'docs'));
  for (const name of files.filter((one) => /\.md$|^docs\/|^examples$/.test(one)))
    cpSync(join(root, name), join(folder, name), { recursive: true });
  mendDocuments(folder);
  const documents = readdirSync(folder, { recursive: true }).filter((name): name is string => String(name).endsWith('.md'));
  t.true(documents.length > 40, `${documents.length} documents`);
  let pictures = 0;
  for (const name of documents) {
    const text = readFileSync(join(folder, name), 'utf8').replace(/```[\s\S]*?```|`[^`\n]*`/g, '');
    pictures += [...text.matchAll(/\*Picture: /g)].length;
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g))
      t.true(existsSync(join(folder, dirname(name), target)), `${name}: ${target}`);
  }
  t.true(pictures > 20, `${pictures} pictures are described`);
});
