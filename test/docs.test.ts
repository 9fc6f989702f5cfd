// What the documents say is checked: examples compile, links lead somewhere, variables and commands exist.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';
import { compileExamples, environmentVariables, examplesOf } from './helpers/examples.js';
import { readTree, root, type Tree } from './helpers/sources.js';

const tree = readTree();
const documents = [...tree].filter(([path]) => path.endsWith('.md'));
const invent = (files: Record<string, string>): Tree => new Map(Object.entries(files));

test('every example in the documentation compiles against the built declarations', (t) => {
  const examples = examplesOf(tree);
  const places = new Set(examples.map(({ path }) => path));
  for (const path of ['README.md', 'CONTRIBUTING.md', 'lib/tensor/core.ts', 'lib/data/index.ts'])
    t.true(places.has(path), `no example was found in ${path}`);
  t.deepEqual(compileExamples(examples), []);
});

test('an example that does not compile is named with its place', (t) => {
  const wrong = invent({
    'lib/a.ts':
      "// A.\n\n/**\n * Text.\n *\n * @example\n * ```ts\n * import { relu } from 'nodegrad';\n * relu('no');\n * ```\n */\nexport const a = 1;\n",
    'README.md': "# B\n\n```ts\nimport { nothing } from 'nodegrad';\n```\n\n```sh\nnpm test\n```\n",
  });
  const examples = examplesOf(wrong);
  t.deepEqual(
    examples.map(({ path, line }) => [path, line]),
    [
      ['lib/a.ts', 8],
      ['README.md', 4],
    ],
  );
  const problems = compileExamples(examples);
  t.is(problems.length, 2);
  t.regex(problems[0], /^lib\/a\.ts:9: Argument of type 'string'/);
  t.regex(problems[1], /^README\.md:4: .*no exported member 'nothing'/);
});

/** What a link may name behind #: the headings of a document, as forges and the site write them. */
function anchorsOf(text: string): Set<string> {
  const seen = new Map<string, number>();
  const prose = text.replace(/```[\s\S]*?```/g, '');
  const own = [...prose.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id);
  return new Set([
    ...own,
    ...[...prose.matchAll(/^#{1,6} (.*)$/gm)].map(([, heading]) => {
      const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll('`', '');
      const name = words
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-');
      const count = seen.get(name) ?? 0;
      seen.set(name, count + 1);
      return count === 0 ? name : `${name}-${count}`;
    }),
  ]);
}

/** Links of documents that lead to no file, or to no heading of it. */
function deadLinks(files: Tree, isThere: (path: string) => boolean): string[] {
  const dead: string[] = [];
  for (const [path, text] of files) {
    const prose = text.replace(/```[\s\S]*?```|`[^`\n]*`/g, '');
    for (const [, target, anchor] of prose.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)) {
      const file = target === '' ? path : normalize(join(dirname(path), target)).replaceAll('\\', '/');
      const page = files.get(file);
      if (page === undefined ? !isThere(file) : anchor !== undefined && !anchorsOf(page).has(anchor))
        dead.push(`${path} links to ${target}${anchor === undefined ? '' : `#${anchor}`}`);
    }
  }
  return dead;
}

test('links between documents lead to files that exist, and to headings that they have', (t) => {
  t.deepEqual(
    deadLinks(new Map(documents), (path) => existsSync(join(root, path))),
    [],
  );
});

test('a link that leads nowhere is named with its document', (t) => {
  const files = invent({
    'a.md': '# A `b` [c](d.md)?\n\n[one](b.md#two) [two](b.md#to) [three](#a-b-c) [four](c.md) [five](x.png) [six](y.png#part)\n',
    'b.md': '# Two\n\n```sh\n# to\n```\n',
    'd.md': '',
  });
  t.deepEqual(
    deadLinks(files, (path) => path === 'x.png'),
    ['a.md links to b.md#to', 'a.md links to c.md', 'a.md links to y.png#part'],
  );
});

test('the pictures of the guides are what npm run pictures draws, each is shown with a text that says what one sees, and all are small', (t) => {
  const folder = join(root, 'docs/pictures');
  const drawn = spawnSync(process.execPath, [join(root, 'scripts/pictures.mjs'), '--check'], {
    encoding: 'utf8',
    env: { ...process.env, NODEGRAD_ISA: undefined }, // every instruction set draws the same, but scalar code takes a quarter of an hour
  });
  t.is(drawn.status, 0, drawn.stdout + drawn.stderr);
  const names = new Set([...drawn.stdout.matchAll(/^([\w-]+\.svg) {2}\d+ kB$/gm)].map(([, name]) => name));
  const files = readdirSync(folder);
  t.deepEqual(
    files.filter((name) => !names.has(name)),
    ['report.png'],
    'a photograph of a page',
  );
  const shown = new Map(
    documents.flatMap(([, text]) => [...text.matchAll(/!\[([^\]]*)\]\([^)]*\/([\w-]+\.\w+)\)/g)].map(([, alt, name]) => [name, alt])),
  );
  for (const name of files) t.true((shown.get(name) ?? '').length > 30, `${name} is shown nowhere, or nothing says what one sees`);
  t.true(files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) < 1e6);
});

test('every environment variable that the code reads stands in the table of CONTRIBUTING.md, and the other way round', (t) => {
  const read = environmentVariables(tree);
  const table = new Set([...(tree.get('CONTRIBUTING.md') ?? '').matchAll(/^\| `(NODEGRAD_[A-Z_0-9]+)/gm)].map((match) => match[1]));
  t.deepEqual([...read.keys()].filter((name) => !table.has(name)).sort(), [], 'read, but not in the table');
  t.deepEqual([...table].filter((name) => !read.has(name)).sort(), [], 'in the table, but not read');
});

test('every npm command that the documents name exists', (t) => {
  const { scripts } = JSON.parse(tree.get('package.json') ?? '{}') as { scripts: Record<string, string> };
  for (const [path, text] of documents) {
    for (const [, name] of text.matchAll(/\bnpm run (?:--silent )?([\w:-]*\w)/g)) t.true(name in scripts, `${path} names npm run ${name}`);
  }
});

test('every flag of a nodegrad command in a shell block of README and guides is one that the command has', (t) => {
  const main = join(root, 'dist/lib/cli/main.js');
  const flags = new Map<string, Set<string>>();
  const flagsOf = (command: string): Set<string> => {
    const help =
      flags.get(command) ?? new Set(execFileSync(process.execPath, [main, command, '--help'], { encoding: 'utf8' }).match(/--[a-z-]+/g));
    flags.set(command, help);
    return help;
  };
  let count = 0;
  for (const [path, text] of documents.filter(([name]) => name === 'README.md' || name.startsWith('docs/'))) {
    for (const [, block] of text.matchAll(/```sh\n([\s\S]*?)```/g)) {
      for (const [, command, rest] of block.replaceAll('\\\n', ' ').matchAll(/\bnodegrad ([a-z]+)((?:(?!\bnodegrad )[^#\n])*)/g)) {
        for (const [flag] of rest.matchAll(/--[a-z-]+/g)) {
          t.true(flagsOf(command).has(flag), `${path}: nodegrad ${command} has no ${flag}`);
          count += 1;
        }
      }
    }
  }
  t.true(count > 20, `${count} flags were found`);
});
