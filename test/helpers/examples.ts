// Finds the TypeScript examples of the documents (TSDoc of lib, README, guides) and compiles them against the built declarations.
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { parse, root, type Tree, walk } from './sources.js';

/** One ```ts block: where it stands and what it says. */
export interface Example {
  readonly path: string;
  /** Line of its first line in that file, from 1. */
  readonly line: number;
  readonly code: string;
}

/** The blocks of a text in markdown; each line may stand behind the star of a comment. */
function blocksOf(path: string, text: string, start: number): Example[] {
  return [...text.matchAll(/^[ \t]*(?:\*[ \t]?)?```ts[ \t]*\n([\s\S]*?)^[ \t]*(?:\*[ \t]?)?```/gm)].map((match) => {
    const before = text.slice(0, match.index + match[0].indexOf('\n') + 1);
    const inComment = /^[ \t]*\*/.test(match[0]);
    const code = inComment ? match[1].replace(/^[ \t]*\* ?/gm, '') : match[1];
    return { path, line: start + before.split('\n').length - 1, code };
  });
}

/** All examples of the tree: in doc comments of lib, in the documents at the top, in the guides, and the programs of examples/. */
export function examplesOf(tree: Tree): Example[] {
  return [...tree].flatMap(([path, text]) => {
    if (/^([A-Z]+|docs\/(guides|errors)\/[\w/-]+)\.md$/.test(path)) return blocksOf(path, text, 1);
    if (/^examples\/.*\.ts$/.test(path)) return [{ path, line: 1, code: text }];
    if (!/^lib\/.*\.ts$/.test(path)) return [];
    const comments = new Map<number, string>();
    walk(parse(path, text), (node) => {
      for (const doc of ts.getJSDocCommentsAndTags(node)) if (ts.isJSDoc(doc)) comments.set(doc.pos, doc.getText());
    });
    return [...comments].flatMap(([at, comment]) => blocksOf(path, comment, text.slice(0, at).split('\n').length));
  });
}

/** Compiles every example as a module of its own, with `nodegrad` being dist/lib/index.d.ts; gives one line per error. */
export function compileExamples(examples: readonly Example[], more: ts.CompilerOptions = {}): string[] {
  const folder = join(root, 'dist', 'examples');
  const files = new Map(examples.map((example, i) => [join(folder, `${i}.mts`), example]));
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    paths: { nodegrad: [join(root, 'dist', 'lib', 'index.d.ts')] },
    ...more,
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, directoryExists } = host;
  host.getCurrentDirectory = () => root;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path)?.code ?? readFile(path);
  host.directoryExists = (path) => path === folder || (directoryExists?.(path) ?? true);
  const { getSourceFile } = host;
  host.getSourceFile = (path, version, ...rest) => {
    const example = files.get(path);
    // `export {}` makes a module of an example that imports nothing, behind its last line.
    return example === undefined
      ? getSourceFile(path, version, ...rest)
      : ts.createSourceFile(path, `${example.code}\nexport {};`, version, true);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const text = ts.flattenDiagnosticMessageText(messageText, ' ');
    if (file === undefined) return text;
    const example = files.get(file.fileName);
    const line = file.getLineAndCharacterOfPosition(start).line;
    return example === undefined ? `${join(dirname(file.fileName))}: ${text}` : `${example.path}:${example.line + line}: ${text}`;
  });
}

const variable = /^NODEGRAD_[A-Z0-9_]+[A-Z0-9]$/;

/** Environment variables of nodegrad that the code reads, by name, with one file that reads each. */
export function environmentVariables(tree: Tree): Map<string, string> {
  const found = new Map<string, string>();
  const add = (name: string, path: string) => found.set(name, found.get(name) ?? path);
  for (const [path, text] of tree) {
    if (/^(native|test|bench)\/.*\.(cc|h|py)$/.test(path)) {
      for (const [, name] of text.matchAll(/(?:getenv\(|variable(?:Choice|Number)?\(|environ\.get\(|environ\[)"(NODEGRAD_[A-Z0-9_]+)"/g))
        add(name, path);
    }
    if (!/^(lib|test|bench|scripts|examples)\/.*\.(ts|mjs)$/.test(path)) continue;
    walk(parse(path, text), (node) => {
      // variable('NAME'), variableChoice('NAME', …), and of a set of variables from.whole('NAME', …)
      if (ts.isCallExpression(node) && /^(variable(Choice)?|from\.\w+)$/.test(node.expression.getText())) {
        const [name] = node.arguments;
        if (name !== undefined && ts.isStringLiteral(name) && variable.test(name.text)) add(name.text, path);
      }
      // process.env.NAME, process.env['NAME'], { NAME } = process.env
      if (ts.isPropertyAccessExpression(node) && variable.test(node.name.text)) add(node.name.text, path);
      if (ts.isElementAccessExpression(node) && ts.isStringLiteral(node.argumentExpression) && variable.test(node.argumentExpression.text)) {
        add(node.argumentExpression.text, path);
      }
      if (ts.isBindingElement(node)) {
        const name = node.propertyName ?? node.name;
        if (ts.isIdentifier(name) && variable.test(name.text)) add(name.text, path);
      }
    });
  }
  return found;
}
