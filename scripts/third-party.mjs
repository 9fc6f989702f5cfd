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
};

/** The archives and foreign objects in a map of lld. */
export function linkedParts(map) {
  const parts = new Set();
  for (const [, path] of map.matchAll(/\s(\S+?\.(?:a|o|lib|obj))(?:\([^)]*\))?:\(/g)) {
    if (!/^CMakeFiles\/nodegrad(_distributed|_gloo)?\.dir\//.test(path) && !path.endsWith('/single_threaded.o'))
      parts.add(path.split('/').at(-1));
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
