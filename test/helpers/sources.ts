// Reads the repository as the tests of its architecture need it: files, imports, includes, code without comments.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** The repository's root folder, seen from dist/test/helpers. */
export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** Texts by path (relative to the root, with slashes): the real files, or a small invented tree. */
export type Tree = ReadonlyMap<string, string>;

const rooms = ['lib', 'native', 'test', 'bench', 'scripts', 'examples', 'docs/guides', 'docs/errors'];
const skipped = /(^|\/)(node_modules|results|golden\/.*\.json|\.gitignore)(\/|$)|(^|\/)(node_modules|results)\//;

/** All files of the rooms and of the root folder that a person wrote. */
export function readTree(): Tree {
  const tree = new Map<string, string>();
  const read = (path: string) => tree.set(path, readFileSync(join(root, path), 'utf8'));
  for (const room of rooms) {
    let entries: ReturnType<typeof list>;
    try {
      entries = list(join(root, room));
    } catch {
      continue; // a room that is not there yet
    }
    for (const path of entries) if (!skipped.test(path) && !/\.(json|npy|safetensors)$/.test(path)) read(path);
  }
  for (const name of readdirSync(root)) if (/^(CMakeLists\.txt|binding\.gyp|[A-Z]+\.md|package\.json)$/.test(name)) read(name);
  return tree;
}

function list(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .sort();
}

/** A TypeScript or JavaScript file as a syntax tree. */
export function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true, path.endsWith('.ts') ? ts.ScriptKind.TS : ts.ScriptKind.JS);
}

/** Visits a node and all nodes below it. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  node.forEachChild((child) => walk(child, visit));
}

/** One import or re-export: the module, and the names taken from it that exist at run time (`*` for all of them). */
export interface Import {
  readonly module: string;
  readonly values: readonly string[];
}

/** What a file takes from other modules: imports, re-exports, `import()` and `require()` of plain strings. */
export function importsOf(path: string, text: string): Import[] {
  const found: Import[] = [];
  walk(parse(path, text), (node) => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
      found.push({ module: (node.moduleSpecifier as ts.StringLiteral).text, values: valuesOf(node) });
    } else if (ts.isCallExpression(node) && node.arguments.length > 0 && ts.isStringLiteralLike(node.arguments[0])) {
      const callee = node.expression;
      const loads = callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require');
      if (loads) found.push({ module: node.arguments[0].text, values: ['*'] });
    }
  });
  return found;
}

function valuesOf(node: ts.ImportDeclaration | ts.ExportDeclaration): string[] {
  if (ts.isExportDeclaration(node)) {
    if (node.isTypeOnly) return [];
    if (node.exportClause === undefined || ts.isNamespaceExport(node.exportClause)) return ['*'];
    return node.exportClause.elements.filter((item) => !item.isTypeOnly).map((item) => (item.propertyName ?? item.name).text);
  }
  const clause = node.importClause;
  if (clause === undefined) return ['*'];
  if (clause.isTypeOnly) return [];
  const names = clause.name === undefined ? [] : ['default'];
  if (clause.namedBindings === undefined) return names;
  if (ts.isNamespaceImport(clause.namedBindings)) return ['*'];
  const named = clause.namedBindings.elements.filter((item) => !item.isTypeOnly);
  return [...names, ...named.map((item) => (item.propertyName ?? item.name).text)];
}

/** The path in the tree that a relative module name means. */
export function resolveModule(from: string, module: string): string {
  const path = relative(root, join(root, dirname(from), module)).replaceAll('\\', '/');
  return path.endsWith('.js') && from.endsWith('.ts') ? path.replace(/\.js$/, '.ts') : path;
}

/** What a native file includes: `<cstdint>` with its brackets, `"op.h"` as a path in the tree. */
export function includesOf(path: string, text: string): string[] {
  return [...text.matchAll(/^\s*#\s*include\s+(?:(<[^>]+>)|"([^"]+)")/gm)].map(
    ([, system, own]) => system ?? relative(root, join(root, dirname(path), own)).replaceAll('\\', '/'),
  );
}

/** C++ without comments and without the contents of strings; line breaks stay. */
export function nativeCode(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"/g, (part) => (part.startsWith('"') ? '""' : part.replace(/[^\n]/g, '')));
}

/** The stem of a file: its name without folder and ending. */
export function stemOf(path: string): string {
  return (path.split('/').pop() ?? path).replace(/\.test\.ts$|\.[^.]*$/, '');
}
