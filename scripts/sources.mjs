// Lists the native sources for binding.gyp, one path a line: `common` is all but the files of kernels that have flags of their own.

import { readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const special = ['scalar', 'avx2', 'avx512'].map((name) => `native/kernels/${name}.cc`);

const all = readdirSync(join(root, 'native'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.cc') && !entry.parentPath?.endsWith('distributed'))
  .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)).replaceAll('\\', '/'))
  .sort();
const wanted = process.argv[2] === 'common' ? all.filter((path) => !special.includes(path)) : all;
console.log(wanted.join('\n'));
