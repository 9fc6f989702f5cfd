// The faults that users met: each id of the list stands in the title of a test that holds the rule it broke.
import test from 'ava';
import ts from 'typescript';
import { parse, readTree, walk } from '../helpers/sources.js';

const numbered = (letter: string, numbers: readonly number[]): string[] => numbers.map((n) => `${letter}${String(n).padStart(2, '0')}`);
const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

/** F20, F27, F29, F33 and R19 were never given away. */
const faults = [
  ...numbered(
    'F',
    upTo(35).filter((n) => ![20, 27, 29, 33].includes(n)),
  ),
  ...numbered(
    'R',
    upTo(21).filter((n) => n !== 19),
  ),
];

/** Ids in a title: `… (fault F08)`, `… (faults R01, R02)`. */
function faultsIn(title: string): string[] {
  return [...title.matchAll(/\(faults? ([FR]\d\d(?:, [FR]\d\d)*)\)/g)].flatMap(([, ids]) => ids.split(', '));
}

/** The first argument of every `test(…)`, `test.serial(…)` and the like, as it is written. */
function titles(path: string, text: string): string[] {
  const found: string[] = [];
  walk(parse(path, text), (node) => {
    if (ts.isCallExpression(node) && /^test(\.\w+)*$/.test(node.expression.getText()) && node.arguments.length > 1)
      found.push(node.arguments[0].getText());
  });
  return found;
}

test('every fault of the list is named by the test of its rule, and no test names another', (t) => {
  const files = [...readTree()].filter(([path]) => /^test\/.*\.test\.ts$/.test(path));
  const named = new Set(files.flatMap(([path, text]) => titles(path, text).flatMap(faultsIn)));
  t.deepEqual(
    faults.filter((id) => !named.has(id)),
    [],
  );
  t.deepEqual(
    [...named].filter((id) => !faults.includes(id)),
    [],
  );
});
