// Errors lead to their pages: every code has one, its examples do what they say, and each error carries the address.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import test from 'ava';
import ts from 'typescript';
import { NodegradError, tensor } from '../lib/index.js';
import { blocksToRun, runBlocks } from './helpers/run-examples.js';
import { parse, readTree, type Tree, walk } from './helpers/sources.js';

const tree = readTree();
const pages = new Map([...tree].filter(([path]) => path.startsWith('docs/errors/')));

/** Codes of the errors that lib makes: the first argument of `new NodegradError(…)`, and of `super(…)` in its classes. */
function codesOf(files: Tree): Set<string> {
  const codes = new Set<string>();
  for (const [path, text] of files) {
    if (!/^lib\/.*\.ts$/.test(path)) continue;
    walk(parse(path, text), (node) => {
      const isSuper = ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.SuperKeyword;
      if (!isSuper && !(ts.isNewExpression(node) && node.expression.getText() === 'NodegradError')) return;
      const [first] = node.arguments ?? [];
      if (first !== undefined && ts.isStringLiteral(first) && first.text.startsWith('ERR_')) codes.add(first.text);
    });
  }
  return codes;
}

test('every code that lib throws has a page, and every page is of a code', (t) => {
  const codes = [...codesOf(tree)].sort();
  t.true(codes.length >= 12);
  t.deepEqual([...pages.keys()].map((path) => path.slice('docs/errors/'.length, -'.md'.length)).sort(), codes);
  const invented = new Map([
    ['lib/a.ts', "class A extends NodegradError { constructor() { super('ERR_A'); } }\nthrow new NodegradError('ERR_B', '');"],
  ]);
  t.deepEqual([...codesOf(invented)], ['ERR_A', 'ERR_B']);
});

test('a page opens with its code and what it means', (t) => {
  for (const [path, text] of pages) t.regex(text, /^---\ntitle: (ERR_\w+)\n---\n\n# \1: \w.*\n\n\w/, path);
});

test('an error has the address of its page as a property of its own, which Node.js prints', (t) => {
  const error = t.throws<NodegradError>(() => tensor([1, 2]).add(tensor([1, 2, 3])), { instanceOf: NodegradError });
  t.regex(error.help ?? '', /^file:.*\/docs\/errors\/ERR_SHAPE\.md$/);
  t.true(existsSync(fileURLToPath(error.help ?? '')));
  t.true(Object.keys(error).includes('help'));
  t.true(inspect(error).includes(`help: '${error.help}'`));
  t.is(new NodegradError('MY_CODE', 'of a class of a user').help, undefined);
});

for (const [path, text] of pages)
  test.serial(`${path}: its examples throw the messages that stand below them, and the others run`, async (t) =>
    t.deepEqual((await runBlocks(path, blocksToRun(text))).problems, []),
  );
