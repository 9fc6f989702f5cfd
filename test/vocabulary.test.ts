// One term for one thing: docs/vocabulary.md says which, and what exports, flags and files are called agrees with it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { declaredOptions } from './helpers/declared.js';
import { readTree, root, stemOf } from './helpers/sources.js';

const text = readFileSync(join(root, 'docs/vocabulary.md'), 'utf8');
const quoted = (cell: string): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, word]) => word);

/** The rows of the table of terms: what a thing is called, and what it is not. */
function rows(page: string): { thing: string; terms: string[]; not: string[] }[] {
  const table = page.slice(page.indexOf('## Terms'), page.indexOf('## Names'));
  const cells = [...table.matchAll(/^\| (.*) \|$/gm)].map(([, row]) => row.split('|').map((cell) => cell.trim()));
  return cells.slice(1).map(([thing, terms, not]) => ({ thing, terms: quoted(terms), not: quoted(not) }));
}

const terms = rows(text);
const forbidden = new Set(terms.flatMap(({ not }) => not));
const own = quoted(/^- Words of the command alone:(.*)$/m.exec(text)?.[1] ?? '');
const options = declaredOptions();
const known = new Set([...options.values()].flatMap((of) => [...of.keys()]));
const tree = readTree();

/** Options by words that the vocabulary gives to another thing, as `Interface.option`. */
const wrongOptions = (all: ReadonlyMap<string, ReadonlyMap<string, boolean>>): string[] =>
  [...all].flatMap(([name, of]) => [...of.keys()].filter((option) => forbidden.has(option)).map((option) => `${name}.${option}`));

const camel = (flag: string): string => flag.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** Flags that are neither an option's name in kebab case, nor two names joined, nor a word of the command alone. */
function wrongFlags(flags: Iterable<string>): string[] {
  const names = new Set([...known, ...own]);
  return [...flags].filter((flag) => {
    const parts = flag.split('-');
    const joined = parts.some(
      (_, at) => at > 0 && names.has(camel(parts.slice(0, at).join('-'))) && names.has(camel(parts.slice(at).join('-'))),
    );
    return forbidden.has(camel(flag)) || !(names.has(camel(flag)) || joined);
  });
}

/** Files of lib in another case than their room's, or called by a word that the vocabulary gives to another thing. */
const wrongStems = (paths: Iterable<string>): string[] =>
  [...paths].filter((path) => {
    const form = path.startsWith('lib/ops/') ? /^[a-z0-9]+(_[a-z0-9]+)*$/ : /^[a-z0-9]+(-[a-z0-9]+)*$/;
    return /^lib\/.*\.ts$/.test(path) && (!form.test(stemOf(path)) || forbidden.has(camel(stemOf(path))));
  });

test('a word stands for one thing in the table of terms', (t) => {
  t.true(terms.length > 20);
  for (const { thing, terms: called } of terms)
    t.false(
      called.some((term) => forbidden.has(term)),
      thing,
    );
  const twice = terms.flatMap(({ terms: called }) => called).filter((term, i, all) => all.indexOf(term) < i && term !== 'p');
  t.deepEqual(twice, []);
});

test('exported options have the names of the vocabulary', (t) => {
  t.true(options.size > 80);
  t.deepEqual(wrongOptions(options), []);
  t.deepEqual(wrongOptions(new Map([['FitOptions', new Map([['clipNorm', true], ['lr', true]])]])), ['FitOptions.clipNorm']); // biome-ignore format: one line
});

test('flags of the command are the names of options in kebab case', (t) => {
  const flags = [...tree]
    .filter(([path]) => path.startsWith('lib/cli/'))
    .flatMap(([, source]) => [...source.matchAll(/(?:option|Option)\(\s*'--(?:no-)?([a-z-]+)/g)].map(([, flag]) => flag));
  t.true(flags.length > 20);
  t.deepEqual(wrongFlags(flags), []);
  t.deepEqual(wrongFlags(['batch', 'batch-size', 'checkpoint-dir', 'wd', 'out']), ['batch', 'wd', 'out']);
});

test('files are named in the case of their room, and by the terms of the vocabulary', (t) => {
  t.deepEqual(wrongStems(tree.keys()), []);
  t.deepEqual(wrongStems(['lib/layers/batch_norm.ts', 'lib/ops/batch-norm.ts', 'lib/ops/batch_norm.ts', 'lib/layers/downsample.ts']), [
    'lib/layers/batch_norm.ts',
    'lib/ops/batch-norm.ts',
    'lib/layers/downsample.ts',
  ]);
});
