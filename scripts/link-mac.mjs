// What links an addon for macOS: LLVM's linker, between Zig's clang and its copies of libc++ and of what libSystem has. Zig's own linker ends with a
// segmentation fault for a bundle, and cannot keep a library's operators new and delete to itself.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { entries } from './check-binary.mjs';
import { ensureDebian } from './debian.mjs';
import { StepError } from './steps.mjs';

/** Debian's package is called lld-19. */
const linker = 'ld64.lld-19';

/** CMake's rule that links for `target` of Zig, with what it needs in `folder`, and writes the linker's map to `map`. */
export async function linkedByLld(zig, target, folder, map) {
  await ensureDebian({ [linker]: 'lld-19' });
  mkdirSync(folder, { recursive: true });
  const { archives, headers } = partsOfZig(zig, target, folder);
  // Zig names arm64e where it means arm64 too, and an arm64e.x1 that LLVM 19 does not know.
  const library = readFileSync(join(headers, 'libSystem.tbd'), 'utf8');
  const system = join(folder, 'libSystem.tbd');
  writeFileSync(system, library.replace(/,\s*arm64e\.x1-\w+/g, '').replaceAll('arm64e-', 'arm64-'));
  const [processor, version] = [target.split('-')[0].replace('aarch64', 'arm64'), target.split('macos.')[1]];
  const words = [
    ...[linker, '-arch', processor, '-platform_version', 'macos', version, version, '-bundle', '-undefined', 'dynamic_lookup'],
    ...entries.flatMap((name) => ['-exported_symbol', `_${name}`]),
    ...['-dead_strip', '-x', '-map', quoted(map), '-o', '<TARGET>', '<OBJECTS>', ...archives.map(quoted), quoted(system)],
  ];
  return `set(CMAKE_CXX_CREATE_SHARED_MODULE "${words.join(' ')}")\n`;
}

const quoted = (path) => `\\"${path}\\"`;

/** Zig compiles libc++ and libc++abi when something is linked first, and says then where they lie below its cache. */
function partsOfZig(zig, target, folder) {
  const source = join(folder, 'nothing.cc');
  writeFileSync(source, 'int nothing = 0;\n');
  const words = ['c++', '-target', target, '-g0', '-O3', '-fPIC', '-shared', source, '-o', join(folder, 'nothing.dylib')];
  const { stderr } = spawnSync(zig, words, { encoding: 'utf8', env: { ...process.env, ZIG_VERBOSE_LINK: '1' } });
  const archives = stderr.match(/\bo\/[0-9a-f]+\/libc\+\+(abi)?\.a(?=\s)/g) ?? [];
  if (archives.length !== 2) throw new StepError(`Zig does not say where its libc++ and libc++abi are:\n${stderr}`);
  const environment = execFileSync(zig, ['env'], { encoding: 'utf8' });
  const placeOf = (name) => JSON.parse(new RegExp(`\\.${name} = (".*")`).exec(environment)[1]);
  return {
    archives: archives.map((name) => join(placeOf('global_cache_dir'), name)),
    headers: join(placeOf('lib_dir'), 'libc/darwin'),
  };
}
