// `npm run course`: which rows of the course are proven, by what, and where they stand in the API. With --update it writes docs/course.md.
// The rows stand in test/course/rows.json; proofs are read from the sources, and test/course/open.txt lists the rows that may still be open.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { root } from './steps.mjs';

/**
 * @typedef {{ id: string, kind: Kind, what: string }} Row
 * @typedef {'test' | 'bench' | 'script' | 'documentation'} Kind
 * @typedef {{ kind: Kind, path: string, words: string, api: string[] }} Proof
 */

const openList = 'test/course/open.txt';

/** What proves a row of each kind, in words. */
const wanted = {
  test: 'the title of a test that names it',
  bench: 'a comment of bench/cases that names it',
  script: 'the first comment of a script (examples, scripts) that names it',
  documentation: 'a sentence in README.md or docs/guides with <!-- [id] --> beside it',
};

/** Rows of the course that a text names in brackets: `[A12]`, `[A12, P21]`. */
export function courseRows(text) {
  return [...text.matchAll(/\[([A-Z]\d{2}(?:\s*,\s*[A-Z]\d{2})*)\]/g)].flatMap((match) => match[1].split(/\s*,\s*/));
}

/** The texts that proofs and the API are read from, by path. */
export function readSources(folder = root) {
  const files = new Map();
  for (const room of ['lib', 'test', 'bench/cases', 'examples', 'scripts', 'docs/guides']) {
    for (const entry of readdirSync(join(folder, room), { recursive: true, withFileTypes: true })) {
      const path = relative(folder, join(entry.parentPath, entry.name)).replaceAll('\\', '/');
      if (entry.isFile() && /\.(ts|mjs|md)$/.test(path)) files.set(path, readFileSync(join(folder, path), 'utf8'));
    }
  }
  files.set('README.md', readFileSync(join(folder, 'README.md'), 'utf8'));
  // Its titles are about the table; scripts/course.mjs is the table.
  for (const own of ['test/course/table.test.ts', 'scripts/course.mjs']) files.delete(own);
  return files;
}

/** Every proof by row: titles of tests, comments of benches and scripts, sentences of documents. */
export function readProofs(files) {
  /** @type {Map<string, Proof[]>} */
  const proofs = new Map();
  const exported = publicNames(files);
  const add = (ids, proof) => {
    for (const id of ids) proofs.set(id, [...(proofs.get(id) ?? []), proof]);
  };
  for (const [path, text] of [...files].sort()) {
    if (courseRows(text).length === 0) continue;
    if (/^test\/.*\.test\.ts$/.test(path)) {
      for (const { title, api } of titles(path, text, exported)) add(courseRows(title), { kind: 'test', path, words: bare(title), api });
    } else if (path.startsWith('bench/cases/')) {
      for (const [comment] of text.matchAll(/\/\*[\s\S]*?\*\/|(?:^\s*\/\/.*\n)+/gm))
        add(courseRows(comment), { kind: 'bench', path, words: path, api: [] });
    } else if (/^(examples|scripts)\//.test(path)) {
      const [comment] = /^(?:#!.*\n)?(?:\/\*[\s\S]*?\*\/|(?:\/\/.*\n)+)/.exec(text) ?? [''];
      add(courseRows(comment), { kind: 'script', path, words: path, api: [] });
    } else if (path.endsWith('.md')) {
      let heading = path;
      for (const block of text.split(/\n\s*\n/)) {
        heading = /^#+ (.*)/m.exec(block)?.[1] ?? heading;
        const said = block.replace(/<!--[\s\S]*?-->|^#.*$/gm, '').trim();
        const marked = [...block.matchAll(/<!--([\s\S]*?)-->/g)].flatMap((match) => courseRows(match[1]));
        const api = [...new Set([...said.matchAll(/`(?:new )?(\w+)/g)].map((match) => match[1]))].filter((name) => exported.has(name));
        // A mark with no sentence beside it says nothing.
        if (said !== '') add(marked, { kind: 'documentation', path, words: bare(heading), api });
      }
    }
  }
  return proofs;
}

const bare = (title) => title.replace(/\s*\[[A-Z]\d{2}[^\]]*\]\s*/g, ' ').trim();

/** The strings of a file of tests that name rows, skipped tests left out, with the public names that the test uses. */
function titles(path, text, exported) {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imported = new Set();
  /** Functions and constants of the file, whose bodies belong to the tests that name them. */
  const own = new Map();
  for (const statement of source.statements) {
    if (ts.isImportDeclaration(statement) && /\/lib\//.test(statement.moduleSpecifier.text)) {
      const bindings = statement.importClause?.namedBindings;
      if (bindings !== undefined && ts.isNamedImports(bindings)) for (const { name } of bindings.elements) imported.add(name.text);
    } else if (ts.isFunctionDeclaration(statement)) own.set(statement.name?.text, statement);
    else if (ts.isVariableStatement(statement)) {
      for (const { name, initializer } of statement.declarationList.declarations)
        if (initializer !== undefined) own.set(name.getText(), initializer);
    }
  }
  const used = (node) => {
    const names = new Set();
    const seen = new Set();
    const visit = (part) => {
      if (ts.isIdentifier(part)) {
        if (imported.has(part.text) && exported.has(part.text)) names.add(part.text);
        const body = own.get(part.text);
        if (body !== undefined && !seen.has(body)) {
          seen.add(body);
          visit(body);
        }
      }
      part.forEachChild(visit);
    };
    visit(node);
    return [...names].sort();
  };
  const found = [];
  const visit = (node) => {
    const title = ts.isStringLiteralLike(node) ? node.text : ts.isTemplateExpression(node) ? template(node) : '';
    if (courseRows(title).length > 0) {
      const { parent } = node;
      const called = ts.isCallExpression(parent) ? parent.expression.getText() : '';
      if (!/\.(skip|todo|failing)\b/.test(called))
        found.push({ title, api: used(ts.isArrayLiteralExpression(parent) ? statementOf(node) : parent) });
    }
    node.forEachChild(visit);
  };
  visit(source);
  return found;
}

const statementOf = (node) => (ts.isSourceFile(node.parent) ? node : statementOf(node.parent));

const template = (node) => node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('');

/** The names that lib/index.ts exports. */
function publicNames(files) {
  const names = new Set();
  const index = files.get('lib/index.ts') ?? '';
  for (const statement of ts.createSourceFile('lib/index.ts', index, ts.ScriptTarget.Latest, true).statements) {
    if (!ts.isExportDeclaration(statement)) continue;
    const clause = statement.exportClause;
    if (clause !== undefined && ts.isNamedExports(clause)) for (const { name } of clause.elements) names.add(name.text);
    else if (statement.moduleSpecifier !== undefined) {
      const text = files.get(join('lib', statement.moduleSpecifier.text).replaceAll('\\', '/').replace(/\.js$/, '.ts')) ?? '';
      for (const [, name] of text.matchAll(/^export (?:declare )?(?:abstract )?(?:class|function|const|interface|type) (\w+)/gm))
        names.add(name);
    }
  }
  return names;
}

/** The declarations of lib whose documentation names rows: `Course row A11`, `course rows E10–E12, E30`. */
export function readApi(files) {
  const api = new Map();
  const exported = publicNames(files);
  for (const [path, text] of [...files].sort()) {
    if (!path.startsWith('lib/') || !/course rows? [A-Z]\d\d/i.test(text)) continue;
    const visit = (node, around) => {
      const name = 'name' in node && node.name !== undefined && ts.isIdentifier(node.name) ? node.name.text : undefined;
      const full = name === undefined ? around : around === undefined || !exported.has(around) ? name : `${around}.${name}`;
      for (const doc of node.jsDoc ?? []) {
        if (full === undefined || !exported.has(full.split('.')[0])) continue;
        for (const [, rows] of doc.getText().matchAll(/course rows? ([A-Z]\d\d(?:(?:, (?:and )?| and |–)[A-Z]?\d\d)*)/gi)) {
          for (const id of rowsOf(rows)) api.set(id, [...new Set([...(api.get(id) ?? []), full])]);
        }
      }
      node.forEachChild((child) => visit(child, ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) ? full : around));
    };
    visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true), undefined);
  }
  return api;
}

/** `E10–E12, E30` as single rows. */
function rowsOf(text) {
  return [...text.matchAll(/([A-Z])(\d\d)(?:–[A-Z]?(\d\d))?/g)].flatMap(([, letter, first, last = first]) =>
    Array.from({ length: Number(last) - Number(first) + 1 }, (_, at) => letter + String(Number(first) + at).padStart(2, '0')),
  );
}

/** The list of rows that may be open: one id a line, `#` before a remark. */
export function parseOpen(text) {
  return text
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim())
    .filter((line) => line !== '');
}

/** Everything that is wrong with the table, one sentence each. */
export function judge(sections, proofs, open) {
  const rows = new Map(sections.flatMap((section) => section.rows.map((row) => [row.id, row])));
  const problems = [];
  for (const [id, [proof]] of proofs) if (!rows.has(id)) problems.push(`${proof.path} names ${id}, which is no row of the course`);
  for (const id of open) if (!rows.has(id)) problems.push(`${openList} names ${id}, which is no row of the course`);
  for (const row of rows.values()) {
    const proof = provenBy(row, proofs);
    if (proof === undefined && !open.includes(row.id)) problems.push(`${row.id} (${row.what}) is open: it wants ${wanted[row.kind]}`);
    if (proof !== undefined && open.includes(row.id))
      problems.push(`${row.id} is proven by ${proof.path} and still on the list of open rows: npm run course -- --update takes it off`);
  }
  return problems;
}

const provenBy = (row, proofs) => proofs.get(row.id)?.find(({ kind }) => kind === row.kind);

// Names that stand in nearly every test and say nothing about its row.
const everywhere = new Set(['AnyTensor', 'Random', 'Tensor', 'full', 'noGrad', 'ones', 'setSeed', 'tensor', 'zeros']);

/** docs/course.md. */
export function render(sections, proofs, api) {
  const lines = [
    '# The course, row by row',
    '',
    'What a course on training neural networks teaches, where it stands in nodegrad, and what proves it: a test, a bench, a script or a sentence of',
    'the documentation. Written by `npm run course -- --update` from the sources; [CONTRIBUTING.md](../CONTRIBUTING.md#tests) says how.',
    '',
    '| Section | Rows | Proven |',
    '|---|---|---|',
    ...sections.map(({ section, title, rows }) => {
      const proven = rows.filter((row) => provenBy(row, proofs) !== undefined).length;
      return `| [${section}. ${title}](#${`${section}. ${title}`
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-')}) | ${rows.length} | ${proven} |`;
    }),
  ];
  for (const { section, title, rows } of sections) {
    lines.push('', `## ${section}. ${title}`, '', '| Row | What | Where | Kind | Proof |', '|---|---|---|---|---|');
    for (const row of rows) {
      const found = proofs.get(row.id) ?? [];
      const used = [...new Set(found.flatMap((proof) => proof.api))];
      const telling = used.filter((name) => !everywhere.has(name));
      const where = api.get(row.id) ?? (telling.length > 0 ? telling : used).slice(0, 8);
      const proof = provenBy(row, proofs) === undefined ? 'open' : [...new Set(found.map(link))].join('; ');
      lines.push(`| ${row.id} | ${cell(row.what)} | ${where.map((name) => `\`${name}\``).join(', ')} | ${row.kind} | ${proof} |`);
    }
  }
  return `${lines.join('\n')}\n`;
}

const cell = (text) => text.replaceAll('|', '\\|');
const link = ({ path, words }) => `[${cell(words).replace(/[[\]<>]/g, '\\$&')}](../${path})`;

/** The table as it stands in the working tree. */
export function readCourse(folder = root) {
  const read = (path) => readFileSync(join(folder, path), 'utf8');
  const files = readSources(folder);
  const sections = JSON.parse(read('test/course/rows.json'));
  const proofs = readProofs(files);
  return { sections, proofs, open: parseOpen(read(openList)), page: render(sections, proofs, readApi(files)) };
}

/** The list of open rows without those that are proven, by section. */
function shortened(sections, open) {
  const lines = sections.flatMap(({ section, title, rows }) => {
    const left = rows.map(({ id }) => id).filter((id) => open.includes(id));
    return left.length > 0 ? ['', `# ${section}. ${title}`, ...left] : [];
  });
  const head = '# Rows of the course that may be open; the list only gets shorter. npm run course -- --update takes off what is proven.';
  return `${[head, ...lines].join('\n')}\n`;
}

function main() {
  const { sections, proofs, page, ...course } = readCourse();
  const rows = sections.flatMap((section) => section.rows);
  const openRows = rows.filter((row) => provenBy(row, proofs) === undefined).map(({ id }) => id);
  let { open } = course;
  if (process.argv.includes('--update')) {
    open = open.filter((id) => openRows.includes(id));
    writeFileSync(join(root, openList), shortened(sections, open));
    writeFileSync(join(root, 'docs/course.md'), page);
  }
  for (const { section, title, rows } of sections) {
    const left = rows.filter(({ id }) => openRows.includes(id));
    console.log(`${section}. ${title}: ${rows.length - left.length} of ${rows.length}`);
    for (const { id, kind, what } of left) console.log(`    ${id}  ${kind.padEnd(13)}  ${what}`);
  }
  const problems = judge(sections, proofs, open);
  if (readFileSync(join(root, 'docs/course.md'), 'utf8') !== page)
    problems.push('docs/course.md is out of date: npm run course -- --update writes it');
  if (problems.length > 0) console.log(`\n${problems.join('\n')}`);
  console.log(`\n${rows.length} rows, ${rows.length - openRows.length} proven, ${openRows.length} open`);
  process.exitCode = problems.length > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
