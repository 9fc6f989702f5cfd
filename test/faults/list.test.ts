// The faults that users met: each id of the list stands in the title of a test that holds the rule it broke.
import test from 'ava';
import { readTree } from '../helpers/sources.js';

const numbered = (letter: string, last: number, unused: readonly number[]): string[] =>
  Array.from({ length: last }, (_, i) => i + 1)
    .filter((n) => !unused.includes(n))
    .map((n) => `${letter}${String(n).padStart(2, '0')}`);

const faults = [...numbered('F', 35, [20, 27, 29, 33]), ...numbered('R', 21, [19])];

/** Ids in titles: `… (fault F08)', `, `… (faults R01, R02)', `. Tests under another name than `test`, and titles in tables, count as well. */
function faultsIn(text: string): string[] {
  return [...text.matchAll(/\(faults? ([FR]\d\d(?:, [FR]\d\d)*)\)['`]/g)].flatMap(([, ids]) => ids.split(', '));
}

test('every fault of the list is named by the test of its rule, and no test names another', (t) => {
  const files = [...readTree()].filter(([path]) => /^test\/.*\.test\.ts$/.test(path));
  const named = new Set(files.flatMap(([, text]) => faultsIn(text)));
  t.is(faults.length, 51);
  t.deepEqual(
    faults.filter((id) => !named.has(id)),
    [],
  );
  t.deepEqual(
    [...named].filter((id) => !faults.includes(id)),
    [],
  );
});
