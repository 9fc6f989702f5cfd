// Proves that a mistyped data set or path is told what was meant.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { dataName } from '../../lib/cli/data-name.js';

test('a data set or a path that is there is taken, and for another one the near name is told', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-data-name-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'clean.csv');
  writeFileSync(file, '');
  t.is(dataName('mnist'), 'mnist');
  t.is(dataName(file), file);
  for (const name of ['claen.csv', 'cleann.csv', 'clen.csv'])
    t.throws(() => dataName(join(folder, name)), { message: /Did you mean .*clean\.csv\?/ }, name);
  t.throws(() => dataName('minst'), { message: /Did you mean mnist\?/ });
  t.throws(() => dataName(join(folder, 'prices.xlsx')), { message: /A spreadsheet is not read: save it as \.csv/ });
});
