// What the site is made of: each foreign name leads to something that is exported, each guide and each public name stands under a heading.
import test from 'ava';
import * as nodegrad from '../lib/index.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { readTree, root } from './helpers/sources.js';

interface Name {
  readonly name: string;
  readonly framework: string;
}

interface SiteData {
  headingsOf(contents: string): Map<string, string>;
  guidesOf(readme: string): Map<string, string>;
  aliasesOf(text: string): Map<string, Name[]>;
  wordsOf(names: readonly Name[]): string;
  comingFrom(read: (path: string) => string): string;
}

const { headingsOf, guidesOf, aliasesOf, wordsOf, comingFrom } = (await import(
  pathToFileURL(join(root, 'scripts/site-data.mjs')).href
)) as SiteData;
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const aliases = aliasesOf(read('docs/aliases.json'));
const headings = headingsOf(read('lib/index.ts'));

test('every name of another framework leads to something that is exported, a method included', (t) => {
  t.true(aliases.size > 150);
  for (const [here, names] of aliases) {
    const [top, member] = here.split('.');
    t.true(headings.has(top), `${here}: ${top} is not exported`);
    t.true(names.length > 0, `${here} has no other name`);
    if (member === undefined) continue;
    const type = (nodegrad as Record<string, unknown>)[top] as { prototype: object };
    t.true(member in type || member in type.prototype || new Set(['data']).has(member), `${here} has no such member`);
  }
});

test('the names that people look for first lead where they should', (t) => {
  const found = (word: string) => [...aliases].filter(([, names]) => wordsOf(names).split(' ').includes(word)).map(([here]) => here);
  t.deepEqual(found('Dense'), ['Linear']);
  t.deepEqual(found('Conv2D'), ['Conv2d']);
  t.deepEqual(found('nn.Linear'), ['Linear']);
  t.deepEqual(found('tf.layers.dense'), ['Linear']);
  t.deepEqual(found('BatchNormalization'), ['BatchNorm1d', 'BatchNorm2d']);
  t.deepEqual(found('ReduceLROnPlateau'), ['ReduceOnPlateau']);
  t.deepEqual(found('state_dict'), ['Layer.stateDict']);
});

test('the table of names shows nothing that cannot be imported, and no loss that is another formula', (t) => {
  const rows = JSON.parse(read('docs/aliases.json')) as { readonly here: string; readonly shown?: string }[];
  const types = rows.filter(({ here, shown }) => shown === undefined && !(here.split('.')[0] in nodegrad));
  t.deepEqual(types, [], 'a type alone: say in `shown` what is written in its place');
  const found = (word: string) => [...aliases].filter(([, names]) => names.some(({ name }) => name.endsWith(word))).map(([here]) => here);
  t.deepEqual(found('HingeEmbeddingLoss'), []);
  t.deepEqual(found('LambdaLR'), ['Schedule']);
  t.deepEqual(found('torch.gather'), ['pick']);
});

test('lib/index.ts puts every exported name under a heading, and README lists every guide', (t) => {
  for (const name of Object.keys(nodegrad)) t.true(headings.has(name), name);
  const guides = guidesOf(read('README.md'));
  for (const path of readTree().keys()) if (path.startsWith('docs/guides/')) t.true(guides.has(path), `README's list of guides lacks ${path}`);
});

test('the tables of the guide on other frameworks are those of docs/aliases.json and docs/defaults.json', (t) => {
  t.is(comingFrom(read), read('docs/guides/coming-from.md'), 'npm run names writes them anew');
});
