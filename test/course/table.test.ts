// The table of the course: every row that is not on the list of open rows has the proof that its kind asks for, and docs/course.md says so.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { root } from '../helpers/sources.js';

interface Proof {
  readonly kind: string;
  readonly path: string;
  readonly words: string;
  readonly api: readonly string[];
}
interface Section {
  readonly section: string;
  readonly title: string;
  readonly rows: readonly { readonly id: string; readonly kind: string; readonly what: string }[];
}
interface Course {
  courseRows(text: string): string[];
  readCourse(): { sections: Section[]; proofs: Map<string, Proof[]>; open: string[]; page: string };
  readProofs(files: ReadonlyMap<string, string>): Map<string, Proof[]>;
  readApi(files: ReadonlyMap<string, string>): Map<string, string[]>;
  judge(sections: readonly Section[], proofs: ReadonlyMap<string, Proof[]>, open: readonly string[]): string[];
  render(sections: readonly Section[], proofs: ReadonlyMap<string, Proof[]>, api: ReadonlyMap<string, string[]>): string;
}

const course = (await import(pathToFileURL(join(root, 'scripts/course.mjs')).href)) as Course;

test('every row of the course is proven or on the list of open rows, and docs/course.md is up to date', (t) => {
  const { sections, proofs, open, page } = course.readCourse();
  t.deepEqual(course.judge(sections, proofs, open), []);
  t.is(readFileSync(join(root, 'docs/course.md'), 'utf8'), page, 'npm run course -- --update writes it');
});

test('the rows are 382, each once, in order', (t) => {
  const { sections } = course.readCourse();
  const ids = sections.flatMap(({ rows }) => rows.map(({ id }) => id));
  t.is(ids.length, 382);
  t.deepEqual(ids, [...new Set(ids)].sort());
  for (const { section, rows } of sections) {
    for (const { id, kind } of rows) {
      t.is(id[0], section);
      t.true(['test', 'bench', 'script', 'documentation'].includes(kind), `${id} is of the kind ${kind}`);
    }
  }
});

const files = new Map([
  ['lib/index.ts', "export { relu } from './relu.js';\nexport * from './elu.js';\n"],
  [
    'lib/relu.ts',
    '// ReLU.\n/** Course rows A11–A13 and A20. */\nexport function relu() {}\n/** Course row A14. */\nexport function hidden() {}\n',
  ],
  ['lib/elu.ts', '// ELU.\nexport function elu() {}\n'],
  [
    'test/a.test.ts',
    [
      "import { elu, relu } from '../lib/index.js';",
      'const grad = () => elu();',
      "test('[A11, P20] works', () => relu());",
      "test('works too [A30]', () => grad());",
      "test.skip('[A31] not yet', () => relu());",
      '// [A32] in a comment is no title',
      "for (const title of ['[A33] computed elsewhere']) test(title, () => elu());",
    ].join('\n'),
  ],
  ['bench/cases/a.ts', '// A sigmoid. [A06]\nconst a = "[A07]";\n'],
  ['examples/a.ts', '// Trains. [A14]\n// [A16]\nconst a = 1; // [A17]\n'],
  ['docs/guides/a.md', '# Guide\n\nUse `relu` first. <!-- [A44] -->\n\n<!-- [A15] -->\n\n[A18] is named, not marked.\n'],
]);

test('proofs are titles of tests, comments of benches and scripts, and sentences of documents with a mark beside them', (t) => {
  const found = [...course.readProofs(files)].map(([id, proofs]) => [id, ...proofs.map(({ kind, api }) => [kind, ...api].join(' '))]);
  t.deepEqual(found.sort(), [
    ['A06', 'bench'],
    ['A11', 'test relu'],
    ['A14', 'script'],
    ['A16', 'script'],
    ['A30', 'test elu'],
    ['A33', 'test elu'],
    ['A44', 'documentation relu'],
    ['P20', 'test relu'],
  ]);
  t.deepEqual(course.courseRows('[C13] [P07] and [D02, D03], not [d04] or [D5]'), ['C13', 'P07', 'D02', 'D03']);
});

test('the place of a row in the API is what its documentation says', (t) => {
  t.deepEqual(
    [...course.readApi(files)],
    ['A11', 'A12', 'A13', 'A20'].map((id) => [id, ['relu']]),
  );
});

test('a row that is open and not listed is refused, and so is one that is listed and proven, or unknown, or proven by another kind', (t) => {
  const row = (id: string, kind: string) => ({ id, kind, what: 'a thing' });
  const rows = [row('A11', 'test'), row('A14', 'script'), row('A30', 'documentation'), row('A44', 'documentation'), row('A99', 'test')];
  const sections = [{ section: 'A', title: 'Activations', rows }];
  const proofs = new Map([...course.readProofs(files)].filter(([id]) => ['A06', 'A11', 'A30', 'A44'].includes(id)));
  t.deepEqual(course.judge(sections, proofs, ['A44', 'A99', 'B01']), [
    'bench/cases/a.ts names A06, which is no row of the course',
    'test/course/open.txt names B01, which is no row of the course',
    'A14 (a thing) is open: it wants the first comment of a script (examples, scripts) that names it',
    'A30 (a thing) is open: it wants a sentence in README.md or docs/guides with <!-- [id] --> beside it',
    'A44 is proven by docs/guides/a.md and still on the list of open rows: npm run course -- --update takes it off',
  ]);
  const page = course.render(sections, proofs, new Map([['A14', ['fit']]]));
  t.true(page.includes('| [A. Activations](#a-activations) | 5 | 2 |'));
  t.true(page.includes('| A11 | a thing | `relu` | test | [works](../test/a.test.ts) |'));
  t.true(page.includes('| A14 | a thing | `fit` | script | open |'));
});
