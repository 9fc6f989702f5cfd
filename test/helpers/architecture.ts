// The rules of the house as functions from files to complaints; test/architecture holds the rooms, the exceptions and their reasons.
import ts from 'typescript';
import { importsOf, includesOf, nativeCode, parse, resolveModule, stemOf, type Tree, walk } from './sources.js';

/** Why something stands outside a rule, by what it is. */
export type Exceptions = Readonly<Record<string, string>>;

const under = (tree: Tree, pattern: RegExp): [string, string][] => [...tree].filter(([path]) => pattern.test(path));

/** The room of a file of lib: its folder, or its stem where it stands at the top. */
export function roomOf(path: string): string {
  const parts = path.split('/');
  return parts.length > 2 ? parts[1] : stemOf(path);
}

/** Imports of lib that no arrow allows: `arrows` says for each room which rooms and which other modules it may import. */
export function wrongImports(tree: Tree, arrows: Readonly<Record<string, readonly string[]>>): string[] {
  return under(tree, /^lib\/.*\.ts$/).flatMap(([path, text]) => {
    const room = roomOf(path);
    const allowed = arrows[room];
    if (allowed === undefined) return [`${path}: the room ${room} is not on the map`];
    return importsOf(path, text).flatMap(({ module }) => {
      if (module.startsWith('node:')) return [];
      const target = module.startsWith('.') ? resolveModule(path, module) : module;
      if (!module.startsWith('.')) return allowed.includes(module) ? [] : [`${path} imports the package ${module}`];
      if (!target.startsWith('lib/')) return [`${path} imports ${target}, which is outside of lib`];
      const to = roomOf(target);
      return to === room || allowed.includes('*') || allowed.includes(to) ? [] : [`${path} imports ${target}: no arrow from ${room} to ${to}`];
    });
  });
}

/** Groups of files of lib that need each other's values when they are loaded, and the files of each, in the order of their names. */
export function circles(tree: Tree): string[][] {
  const needed = new Map(
    under(tree, /^lib\/.*\.ts$/).map(([path, text]) => {
      const modules = importsOf(path, text).filter(({ module, values }) => module.startsWith('.') && values.length > 0);
      return [path, modules.map(({ module }) => resolveModule(path, module))];
    }),
  );
  const reached = (from: string): ReadonlySet<string> => {
    const found = new Set<string>();
    const open = [from];
    for (let at = open.pop(); at !== undefined; at = open.pop())
      for (const next of needed.get(at) ?? []) if (!found.has(next)) open.push(found.add(next) && next);
    return found;
  };
  const below = new Map([...needed.keys()].map((path) => [path, reached(path)]));
  const groups = [...below].filter(([path, found]) => found.has(path));
  const circleOf = ([path, found]: [string, ReadonlySet<string>]): string[] => [...found].filter((other) => below.get(other)?.has(path)).sort();
  // In an order of their own: that of the files of a folder changes with every import.
  const found = new Map(groups.map((group) => [circleOf(group).join(), circleOf(group)]));
  return [...found.keys()].sort().map((names) => found.get(names) as string[]);
}

/** Values of one module that are taken by files which may not; names that the table lacks may be taken by all. */
export function wrongUsers(tree: Tree, module: string, users: Readonly<Record<string, readonly string[]>>): string[] {
  return under(tree, /^lib\/.*\.ts$/).flatMap(([path, text]) =>
    importsOf(path, text)
      .filter(({ module: from }) => from.startsWith('.') && resolveModule(path, from) === module)
      .flatMap(({ values }) => values)
      .filter((name) => (name === '*' ? true : users[name] !== undefined && !users[name].includes(path)))
      .map((name) => `${path} takes ${name} from ${module}`),
  );
}

/** What a room of native may include, and the words that must not stand in its code. */
export interface NativeRoom {
  /** Rooms whose headers it may include, its own aside. */
  readonly rooms: readonly string[];
  /** System headers it may include. */
  readonly system: RegExp;
  /** What its code must not say, by what it would mean. */
  readonly banned: Readonly<Record<string, RegExp>>;
}

/** Includes and words of native that the rooms do not allow. An exception is named `file → header`. */
export function wrongNative(tree: Tree, rooms: Readonly<Record<string, NativeRoom>>, exceptions: Exceptions): string[] {
  return under(tree, /^native\/.*\.(cc|h)$/).flatMap(([path, text]) => {
    const name = path.split('/')[1];
    const room = rooms[name];
    if (room === undefined) return [`${path}: the room ${name} is not on the map`];
    const includes = includesOf(path, text)
      .filter((header) => {
        if (`${path} → ${header}` in exceptions) return false;
        if (header.startsWith('<')) return !room.system.test(header.slice(1, -1));
        return ![name, ...room.rooms].includes(header.split('/')[1]);
      })
      .map((header) => `${path} includes ${header}`);
    const code = nativeCode(text);
    const words = Object.entries(room.banned)
      .filter(([, pattern]) => pattern.test(code))
      .map(([meaning, pattern]) => `${path} ${meaning}: ${pattern.exec(code)?.[0].trim()}`)
      .filter((complaint) => !(complaint.replace(/:[^:]*$/, '') in exceptions));
    return [...includes, ...words];
  });
}

/** Stems of lib that no test of the same name covers, and entries of the list that name what is not there. */
export function uncovered(tree: Tree, elsewhere: Readonly<Record<string, { test: string; why: string }>>): string[] {
  const missing = under(tree, /^lib\/.*\.ts$/)
    .map(([path]) => path)
    .filter((path) => !tree.has(path.replace(/^lib\//, 'test/').replace(/\.ts$/, '.test.ts')) && elsewhere[path] === undefined)
    .map((path) => `${path} has no test of its name`);
  const stale = Object.entries(elsewhere).flatMap(([path, { test }]) =>
    [path, test].filter((name) => !tree.has(name)).map((name) => `${name} is on the list of tests elsewhere and does not exist`),
  );
  return [...missing, ...stale];
}

const defInclude = /^#include "([\w./]+\.def)"$/gm;

/** The lines of a list, with the lists that it includes in their places. */
function listOf(tree: Tree, path: string): string {
  const folder = path.split('/').slice(0, -1).join('/');
  return (tree.get(path) ?? '').replace(defInclude, (_, own: string) => listOf(tree, resolveModule(`${folder}/x`, own)));
}

/** The operations of ops.def, in order. */
export function opNames(tree: Tree): string[] {
  return [...listOf(tree, 'native/ops/ops.def').matchAll(/^(?:OP|MAP|MAP_BACKWARD|OPTIMIZER)\((\w+),/gm)].map((match) => match[1]);
}

/** Backward operations of ops.def that do not stand right under their forward. */
export function looseBackwards(tree: Tree, exceptions: Exceptions): string[] {
  const names = opNames(tree);
  return names.filter((name, at) => {
    if (!name.endsWith('_backward') || name in exceptions) return false;
    return !(names[at - 1] ?? '').startsWith(name.replace(/_backward$/, ''));
  });
}

/** Kernels of kernels.def that no operation calls: as a member of the table, or as the second argument of a family macro. */
export function idleKernels(tree: Tree): string[] {
  // A map's line is its operation, too.
  const kernels = [...(tree.get('native/kernels/kernels.def') ?? '').matchAll(/^KERNEL\((\w+),/gm)].map((match) => match[1]);
  const code = under(tree, /^native\/ops\/.*\.cc$/)
    .map(([, text]) => nativeCode(text))
    .join('\n');
  return kernels.filter(
    (name) => !new RegExp(`\\b(?:k|kernels|(?:kernelsOf|storedKernels)<\\w+>\\(\\))\\.${name}\\b|^[A-Z_]+\\(\\w+, ${name}\\)`, 'm').test(code),
  );
}

/** Families of native/ops without the same stem in lib/ops. */
export function looseStems(tree: Tree, exceptions: Exceptions): string[] {
  return under(tree, /^native\/ops\/.*\.cc$/)
    .map(([path]) => path)
    .filter((path) => !(path in exceptions) && !tree.has(`lib/ops/${stemOf(path)}.ts`));
}

const written = /\.(ts|mjs|py|cc|h|def)$/;

/** Files above `most` lines, or above the ceiling of their own. */
export function longFiles(tree: Tree, most: number, ceilings: Readonly<Record<string, { most: number; why: string }>>): string[] {
  const stale = Object.keys(ceilings).filter((path) => (tree.get(path)?.split('\n').length ?? most + 2) - 1 <= most);
  const long = under(tree, written).flatMap(([path, text]) => {
    const lines = text.split('\n').length - 1;
    return lines > (ceilings[path]?.most ?? most) ? [`${path} has ${lines} lines`] : [];
  });
  return [...long, ...stale.map((path) => `${path} no longer needs its ceiling`)];
}

/** Files that do not open with a sentence in a comment. */
export function withoutOpening(tree: Tree): string[] {
  return under(tree, written)
    .filter(([, text]) => {
      const body = text.replace(/^#!.*\n/, '');
      const comment = /^(?:(?:\/\/|#) ?[^\n]*\n)+/.exec(body)?.[0].replace(/^(?:\/\/|#) ?/gm, '') ?? /^"""([\s\S]*?)"""/.exec(body)?.[1] ?? '';
      return !/\S{2,}\s+\S[\s\S]*[.:)]\s*(\n|$)/.test(`${comment.trim()}\n`);
    })
    .map(([path]) => path);
}

const inexact = /^(exp|expm1|log|log1p|log2|log10|pow|sin|cos|tan|sinh|cosh|tanh|asin|acos|atan|atan2|asinh|acosh|atanh|cbrt|hypot)$/;

/** Numbers whose bits depend on the engine or on nothing at all. An exception is named `file: Math.log`. */
export function bannedCalls(tree: Tree, exceptions: Exceptions): string[] {
  const found = new Set<string>();
  for (const [path, text] of under(tree, /^(lib|test|bench|scripts|examples)\/.*\.(ts|mjs)$/)) {
    walk(parse(path, text), (node) => {
      if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'Math') {
        const name = node.name.text;
        if (name === 'random' || (path.startsWith('lib/') && inexact.test(name))) found.add(`${path}: Math.${name}`);
      }
      if (!path.startsWith('lib/') || !ts.isBinaryExpression(node)) return;
      const power =
        node.operatorToken.kind === ts.SyntaxKind.AsteriskAsteriskToken ||
        node.operatorToken.kind === ts.SyntaxKind.AsteriskAsteriskEqualsToken;
      // Of two literals the compiler makes an exact constant: 2 ** 31.
      if (power && !(ts.isNumericLiteral(node.left) && ts.isNumericLiteral(node.right))) found.add(`${path}: **`);
    });
  }
  return [...found].filter((name) => !(name in exceptions));
}

/** Variables at the top of files of lib: state of the whole process. */
export function moduleState(tree: Tree): string[] {
  return under(tree, /^lib\/.*\.ts$/).flatMap(([path, text]) =>
    parse(path, text).statements.flatMap((statement) => {
      if (!ts.isVariableStatement(statement) || (statement.declarationList.flags & ts.NodeFlags.Let) === 0) return [];
      return statement.declarationList.declarations.map(({ name }) => `${path}: ${name.getText()}`);
    }),
  );
}

const forbiddenNative: Readonly<Record<string, RegExp>> = {
  'an approximate instruction': /\b_mm\d*_(?:mask_|maskz_)?r(?:sqrt|cp)(?:14|28)?_\w+/,
  OpenMP: /^\s*#\s*pragma\s+omp/m,
  'a transcendental of libm': /\b(?:std::)(?:exp|exp2|expm1|log|log2|log10|log1p|pow|sin|cos|tan|tanh|sinh|cosh)\s*\(/,
};
const forbiddenFlags = /-ffast-math|-Ofast|-funsafe-math-optimizations|-fassociative-math|-freciprocal-math|-fopenmp|-ffp-contract=(?:fast|on)/;

/** Native code and build files that give up exact arithmetic. */
export function inexactNative(tree: Tree): string[] {
  const code = under(tree, /^native\/.*\.(cc|h)$/).flatMap(([path, text]) =>
    Object.entries(forbiddenNative)
      .filter(([, pattern]) => pattern.test(nativeCode(text)))
      .map(([meaning]) => `${path}: ${meaning}`),
  );
  const flags = under(tree, /^(CMakeLists\.txt|binding\.gyp|package\.json|scripts\/.*)$/).flatMap(([path, text]) => {
    const plain = text.replace(/^\s*(?:#|\/\/).*$/gm, '');
    return forbiddenFlags.test(plain) ? [`${path}: ${forbiddenFlags.exec(plain)?.[0]}`] : [];
  });
  return [...code, ...flags];
}

/** Public symbols without a description, and classes and functions without an example. */
export function undocumented(program: ts.Program, index: ts.SourceFile): string[] {
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(index);
  if (module === undefined) return [`${index.fileName} exports nothing`];
  return checker.getExportsOfModule(module).flatMap((exported) => {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    const name = exported.name;
    const text = ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();
    if (text === '') return [`${name} has no description`];
    const needsExample = symbol.flags & (ts.SymbolFlags.Class | ts.SymbolFlags.Function);
    return needsExample && !symbol.getJsDocTags(checker).some((tag) => tag.name === 'example') ? [`${name} has no @example`] : [];
  });
}

/** Lines by file of lib and native that carry one of the names: whole statements with their comments in lib, lines of code in native. */
export function linesNaming(tree: Tree, names: RegExp): Map<string, number> {
  const found = new Map<string, number>();
  const add = (path: string, lines: number) => found.set(path, (found.get(path) ?? 0) + lines);
  for (const [path, text] of under(tree, /^native\/.*\.(cc|h|def)$/)) {
    const lines = nativeCode(text).split('\n');
    for (const line of lines) if (names.test(line)) add(path, 1);
  }
  for (const [path, text] of under(tree, /^(lib|test)\/(?!architecture\.).*\.ts$/)) {
    const source = parse(path, text);
    for (const statement of source.statements) {
      const mine: ts.Node[] = [];
      walk(statement, (node) => {
        if ((ts.isIdentifier(node) || ts.isStringLiteral(node)) && names.test(node.text)) mine.push(node);
      });
      if (mine.length === 0) continue;
      // Of a list (an import, a table) only the lines with the name are its own.
      const isOwn = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement);
      const lineOf = (at: number) => source.getLineAndCharacterOfPosition(at).line;
      add(path, isOwn ? statement.getFullText().trim().split('\n').length : new Set(mine.map((node) => lineOf(node.getStart()))).size);
    }
  }
  return found;
}
