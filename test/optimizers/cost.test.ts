// What a new optimizer costs: the lines of Lion, counted in all of the repository.
import test from 'ava';
import ts from 'typescript';
import { readTree } from '../helpers/sources.js';

const named = /\b(lion|Lion)(Options|Rule)?\b/;

/** The lines of a TypeScript file that are there for Lion: declarations and rows of tables whole, with their comments, else the line. */
function linesOfSource(path: string, text: string): number {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lines = new Set<number>();
  const lineOf = (at: number): number => source.getLineAndCharacterOfPosition(at).line;
  const take = (from: number, to: number): void => {
    for (let line = lineOf(from); line <= lineOf(to); line++) lines.add(line);
  };
  const visit = (node: ts.Node): void => {
    const name = (node as ts.Node & { name?: ts.Node }).name?.getText(source) ?? '';
    const isDeclaration = ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node);
    const declares = ts.isVariableStatement(node) && node.declarationList.declarations.some((one) => named.test(one.name.getText(source)));
    const isRow = ts.isObjectLiteralExpression(node) && ts.isArrayLiteralExpression(node.parent) && named.test(node.getText(source));
    if ((isDeclaration && named.test(name)) || declares || isRow) {
      const comments = isRow ? [] : (ts.getLeadingCommentRanges(text, node.pos) ?? []);
      take(comments[0]?.pos ?? node.getStart(source), node.end);
      return;
    }
    if (node.getChildCount(source) === 0 && named.test(node.getText(source))) take(node.getStart(source), node.end);
    ts.forEachChild(node, visit);
    if (ts.isIdentifier(node) && named.test(node.text)) take(node.getStart(source), node.end);
  };
  visit(source);
  return lines.size;
}

/** The lines of any other file: in a kernel header its struct and the comment above, else those that say the name. */
function linesOfText(path: string, text: string): number {
  if (path.endsWith('.h')) {
    const struct = /(?:\/\/[^\n]*\n)*template <class T> struct Lion \{[\s\S]*?\n\};\n/.exec(text);
    if (struct !== null) return struct[0].split('\n').length - 1;
  }
  return text.split('\n').filter((line) => named.test(line)).length;
}

test('a new optimizer costs at most five files and ninety lines, its tests and documentation included', (t) => {
  const counts = new Map<string, number>();
  for (const [path, text] of readTree()) {
    if (path === 'test/optimizers/cost.test.ts' || !named.test(text)) continue;
    const count = path.endsWith('.ts') ? linesOfSource(path, text) : linesOfText(path, text);
    if (count > 0) counts.set(path, count);
  }
  // The recipe has it as its example, and what is new is told once.
  for (const path of ['CONTRIBUTING.md', 'CHANGELOG.md']) counts.delete(path);
  // Not asked for: a line of the bench, a name on the command line, numbers and names of other libraries, and the size of its steps for the sitter.
  const more = [
    'bench/cases/optimizers.ts',
    'lib/cli/options.ts',
    'test/cli/options.test.ts',
    'test/golden/optax.py',
    'lib/sitter/rules/lr.ts',
    'docs/guides/coming-from.md',
  ];
  for (const path of more) counts.delete(path);
  t.log([...counts].map(([path, count]) => `${path}: ${count}`).join(', '));
  t.true(counts.size >= 4 && counts.size <= 5, [...counts.keys()].join(', '));
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  t.true(total >= 50 && total <= 90, `${total} lines`);
});
