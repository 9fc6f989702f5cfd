// Lists the native sources for binding.gyp, one path a line: `common` is all but the two files that need instruction-set flags.

import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const special = ['native/kernels/avx2.cc', 'native/kernels/avx512.cc'];

const all = readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.cc'))
  .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
  .sort();
const wanted = process.argv[2] === 'common' ? all.filter((path) => !special.includes(path)) : all;
console.log(wanted.join('\n'));
