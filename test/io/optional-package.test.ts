// Proves lib/io/optional-package.ts: a package that is missing is named, with the command that installs it.

import test from 'ava';
import { MissingPackageError } from '../../lib/index.js';
import { optionalPackage } from '../../lib/io/optional-package.js';

test('a package that is not installed is named, with the command that installs it', async (t) => {
  const missing = 'nodegrad-has-no-such-package';
  await t.throwsAsync(
    optionalPackage('Clay tablets are read', missing, () => import(missing)),
    {
      instanceOf: MissingPackageError,
      message: `Clay tablets are read by the package ${missing}, which is not installed: npm install ${missing}`,
    },
  );
  t.is(await optionalPackage('Paths are joined', 'node:path', () => import('node:path')).then(({ sep }) => sep.length), 1);
});
