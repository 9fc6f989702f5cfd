// `npm run check:third-party`: what the linker put into the release builds beside our own objects, by its maps, and whether THIRD-PARTY.md has it.

import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { placesOf, platforms } from './platforms.mjs';
import { root } from './steps.mjs';

/** Archives of the run-time libraries, and the words for them in THIRD-PARTY.md. */
const known = {
  'libc++.a': 'libc++',
  'libc++abi.a': 'libc++abi',
  'libunwind.a': 'libunwind',
  'libstdc++.a': 'libstdc++',
  'libgcc.a': 'libgcc',
  'libc_nonshared.a': 'libc_nonshared',
  'c++.lib': 'libc++',
  'c++abi.lib': 'libc++abi',
  'unwind.lib': 'libunwind',
  'dllcrt2.obj': 'mingw-w64',
  'libmingw32.lib': 'mingw-w64',
  'compiler_rt.lib': 'compiler_rt',
  'zigc.lib': 'zigc',
};
/** Objects that build-platform.mjs writes, and lists of what Windows has. */
const nothing =
  /^(single_threaded\.o|node_api\.obj|(api-ms-win-crt-[a-z]+-l1-1-0|advapi32|comdlg32|gdi32|kernel32|ntdll|ole32|oleaut32|shell32|user32|winspool)\.lib)$/;

/** The archives and foreign objects in a map of lld: of ELF a line for each section with its file, else a list of files. The line that called lld names what it was offered, too. */
export function linkedParts(map) {
  const parts = new Set();
  const inside = map.replace(/^ld\.lld .*$/gm, '');
  for (const [, path] of inside.matchAll(/(?:\s|^\[ *\d+\] )(\S+?\.(?:a|o|lib|obj))(?:\([^)\n]*\)$|(?:\([^)]*\))?:\(|$)/gm)) {
    const name = path.split('/').at(-1);
    if (!/^CMakeFiles\/nodegrad(_distributed|_gloo)?\.dir\//.test(path) && !nothing.test(name)) parts.add(name);
  }
  return [...parts].sort();
}

/** What is wrong: parts that nobody knows, and those that the text does not name. */
export function problemsOf(parts, text) {
  return parts.flatMap((part) => {
    if (!(part in known)) return [`${part} is linked in, and nobody has looked at its licence`];
    return text.includes(known[part]) ? [] : [`${known[part]} is linked in, and THIRD-PARTY.md does not name it`];
  });
}

if (process.argv[1] === resolve(import.meta.filename)) {
  const text = readFileSync(join(root, 'THIRD-PARTY.md'), 'utf8');
  let problems = 0;
  for (const platform of Object.keys(platforms)) {
    const { map } = placesOf(platform);
    const content = existsSync(join(root, map)) ? readFileSync(join(root, map), 'utf8') : '';
    if (content === '') {
      console.log(`${platform}: no map`);
      continue;
    }
    const parts = linkedParts(content);
    const found = problemsOf(parts, text);
    console.log(`${platform}: ${parts.join(', ')}${found.map((problem) => `\n  ${problem}`).join('')}`);
    problems += found.length;
  }
  process.exitCode = problems === 0 ? 0 : 1;
}
