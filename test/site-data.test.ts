// What the documents say of other frameworks: each foreign name leads to something that is exported, and our defaults are what the table says.
import test from 'ava';
import * as nodegrad from '../lib/index.js';
import {
  Adadelta,
  Adagrad,
  Adam,
  AdamW,
  Adamax,
  BatchNorm2d,
  Dropout,
  EarlyStopping,
  GroupNorm,
  LSTM,
  LayerNorm,
  LeakyReLU,
} from '../lib/index.js';
import { Linear, NAdam, RMSprop, SGD } from '../lib/index.js';
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

test('lib/index.ts puts every exported name under a heading, and README lists every guide', (t) => {
  for (const name of Object.keys(nodegrad)) t.true(headings.has(name), name);
  const guides = guidesOf(read('README.md'));
  for (const path of readTree().keys()) if (path.startsWith('docs/guides/')) t.true(guides.has(path), `README's list of guides lacks ${path}`);
});

test('the tables of the guide on other frameworks are those of docs/aliases.json and docs/defaults.json', (t) => {
  t.is(comingFrom(read), read('docs/guides/coming-from.md'), 'npm run names writes them anew');
});

const settings = (make: new (target: Linear) => { readonly groups: readonly { readonly options: object }[] }) =>
  new make(new Linear(1, 1)).groups[0].options as Record<string, unknown>;

/** Our defaults, as the code has them: the first word of a row is a class, the second its option. */
const ofClass: Record<string, () => Record<string, unknown>> = {
  RMSprop: () => settings(RMSprop),
  Adagrad: () => settings(Adagrad),
  Adadelta: () => settings(Adadelta),
  Adam: () => settings(Adam),
  AdamW: () => settings(AdamW),
  Adamax: () => settings(Adamax),
  NAdam: () => settings(NAdam),
  BatchNorm2d: () => new BatchNorm2d(2).config() as Record<string, unknown>,
  LayerNorm: () => new LayerNorm(2).config() as Record<string, unknown>,
  GroupNorm: () => new GroupNorm(1, 2).config() as Record<string, unknown>,
  LeakyReLU: () => new LeakyReLU().config() as Record<string, unknown>,
  Dropout: () => new Dropout().config() as Record<string, unknown>,
  EarlyStopping: () => ({ ...new EarlyStopping() }),
};

test('our column of the table of defaults is what the code does', (t) => {
  for (const { default: name, here } of JSON.parse(read('docs/defaults.json')) as { default: string; here: string }[]) {
    const [type, option] = name.split(' ');
    if (name === 'SGD lr') {
      t.is(here, 'required');
      // @ts-expect-error the rate is required
      t.throws(() => new SGD(new Linear(1, 1), {}), { code: 'ERR_ARGUMENT' });
    } else if (name === 'LSTM bias of the forget gate') {
      const bias = [...new LSTM(2, 3).parameters()].find(({ shape }) => shape.length === 1);
      t.deepEqual([...(bias?.data ?? [])].slice(3, 6), [1, 1, 1], 'input, forget, cell, output');
    } else t.is(String(ofClass[type]?.()[option]), String(here === 'true' ? here : Number(here)), name);
  }
});
