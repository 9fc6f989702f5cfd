// What this machine has of what the build needs, how to get the rest on each system, and the asking and installing.

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { runStep, StepError, say } from './steps.mjs';

const minimumCMake = [3, 15];

/** What can be missing: `needed` pieces stop the build, the others only cost speed. */
export const pieces = {
  compiler: { what: 'a C++20 compiler (GCC 10 or newer, or Clang 12 or newer)', needed: true },
  make: { what: 'make or ninja', needed: true },
  cmake: { what: `CMake ${minimumCMake.join('.')} or newer`, needed: true },
  openblas: { what: "OpenBLAS's run-time library (matrix products then use nodegrad's own kernels)", needed: false },
};

const apt = (packages) => [
  ['apt-get', 'update'],
  ['apt-get', 'install', '-y', '--no-install-recommends', ...packages],
];
const systems = {
  debian: {
    name: 'Debian/Ubuntu',
    packages: { compiler: 'g++', make: 'make', cmake: 'cmake', openblas: 'libopenblas0-pthread' },
    commands: apt,
  },
  fedora: {
    name: 'Fedora',
    packages: { compiler: 'gcc-c++', make: 'make', cmake: 'cmake', openblas: 'openblas' },
    commands: (packages) => [['dnf', 'install', '-y', ...packages]],
  },
  arch: {
    name: 'Arch',
    packages: { compiler: 'gcc', make: 'make', cmake: 'cmake', openblas: 'openblas' },
    commands: (packages) => [['pacman', '-Sy', '--noconfirm', '--needed', ...packages]],
  },
  alpine: {
    name: 'Alpine',
    packages: { compiler: 'g++', make: 'make', cmake: 'cmake', openblas: 'openblas' },
    commands: (packages) => [['apk', 'add', ...packages]],
  },
  macos: {
    name: 'macOS',
    packages: { cmake: 'cmake', openblas: 'openblas' },
    commands: (packages, missing) => [
      ...(missing.includes('compiler') || missing.includes('make') ? [['xcode-select', '--install']] : []),
      ...(packages.length > 0 ? [['brew', 'install', ...packages]] : []),
    ],
  },
};

/** Which of `systems` this machine is, or undefined. */
export function detectSystem() {
  if (process.platform === 'darwin') return 'macos';
  let release = '';
  try {
    release = readFileSync('/etc/os-release', 'utf8');
  } catch {
    return undefined;
  }
  const words = [...release.matchAll(/^(?:ID|ID_LIKE)=(.*)$/gm)].flatMap((match) => match[1].replaceAll(/["']/g, '').split(/\s+/));
  if (words.includes('debian') || words.includes('ubuntu')) return 'debian';
  if (words.some((word) => ['fedora', 'rhel', 'centos'].includes(word))) return 'fedora';
  return ['arch', 'alpine'].find((name) => words.includes(name));
}

function run(command, args, input) {
  return spawnSync(command, args, { encoding: 'utf8', input, timeout: 60_000 });
}

function hasCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['g++', 'clang++'];
  const program =
    '#include <bit>\n#include <concepts>\ntemplate <std::integral T> int f(T x) { return std::popcount(unsigned(x)); }\nint main() { return f(0); }\n';
  return candidates.some((candidate) => run(candidate, ['-std=c++20', '-fsyntax-only', '-x', 'c++', '-'], program).status === 0);
}

function hasCMake() {
  const version = /cmake version (\d+)\.(\d+)/.exec(run('cmake', ['--version']).stdout ?? '');
  if (version === null) return false;
  const [major, minor] = [Number(version[1]), Number(version[2])];
  return major > minimumCMake[0] || (major === minimumCMake[0] && minor >= minimumCMake[1]);
}

function hasMake() {
  return ['ninja', 'make'].some((tool) => run(tool, ['--version']).status === 0);
}

/** Whether the addon will find OpenBLAS: the same names and places as the dynamic linker's. */
export function hasOpenBlas() {
  const wanted = process.env.NODEGRAD_OPENBLAS;
  if (wanted) return existsSync(wanted);
  if (process.env.NODEGRAD_GEMM === 'own') return true;
  if (process.platform === 'darwin') {
    return ['/opt/homebrew', '/usr/local'].some((prefix) => existsSync(join(prefix, 'opt/openblas/lib/libopenblas.dylib')));
  }
  const names = ['libopenblas.so.0', 'libopenblas.so.3', 'libopenblas.so'];
  const triplet = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch];
  const folders = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== '');
  if (triplet) folders.push(`/usr/lib/${triplet}`, `/lib/${triplet}`);
  folders.push('/usr/lib64', '/usr/local/lib', '/usr/lib');
  if (folders.some((folder) => names.some((name) => existsSync(join(folder, name))))) return true;
  const cache = ['/sbin/ldconfig', 'ldconfig'].map((tool) => run(tool, ['-p']).stdout ?? '').find((text) => text !== '');
  return cache?.includes('libopenblas.so') ?? false;
}

/** The missing pieces among those asked for, as keys of `pieces`. */
export function missingPieces(wanted) {
  const checks = { compiler: hasCompiler, make: hasMake, cmake: hasCMake, openblas: hasOpenBlas };
  return wanted.filter((piece) => !checks[piece]());
}

/** The commands that install `missing` on a system, each a list of words. */
export function installCommands(system, missing) {
  const { packages, commands } = systems[system];
  const names = missing.map((piece) => packages[piece]).filter((name) => name !== undefined);
  return commands(names, missing);
}

function commandText(system, missing, prefix = '') {
  return installCommands(system, missing)
    .map((words) => `${words[0] === 'brew' || words[0] === 'xcode-select' ? '' : prefix}${words.join(' ')}`)
    .join(' && ');
}

/** Names what is missing, installs it where that is allowed (see `mayInstall`), and throws StepError if a needed piece stays away. */
export async function ensurePieces(wanted) {
  let missing = missingPieces(wanted);
  if (missing.length === 0) return;
  const system = detectSystem();
  const isRoot = process.getuid?.() === 0;
  say('nodegrad needs something that this machine does not have:');
  for (const piece of missing) say(`  - ${pieces[piece].what}`);
  if (system === undefined) {
    say('\nThe command that installs it:');
    for (const [key, { name }] of Object.entries(systems)) say(`  ${name.padEnd(14)} ${commandText(key, missing, 'sudo ')}`);
  } else {
    say(
      `\nOn this system (${systems[system].name}) this installs it:\n  ${commandText(system, missing, isRoot || system === 'macos' ? '' : 'sudo ')}\n`,
    );
    if (await mayInstall(system, isRoot)) {
      for (const words of installCommands(system, missing)) {
        try {
          await install(words, isRoot);
        } catch (error) {
          // Not the end: lists of packages that one broken source keeps from being refreshed may still serve.
          if (!(error instanceof StepError)) throw error;
        }
      }
      missing = missingPieces(missing);
    }
  }
  const fatal = missing.filter((piece) => pieces[piece].needed);
  if (fatal.length > 0) {
    say(`Still missing: ${fatal.map((piece) => pieces[piece].what).join('; ')}. Run the command above, then this one again.`);
    throw new StepError('missing tools');
  }
  if (missing.includes('openblas')) say("Going on without OpenBLAS: nodegrad's own matrix kernels serve.\n");
}

async function install(words, isRoot) {
  const onMac = process.platform === 'darwin';
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  if (isRoot || onMac) return runStep(words.slice(0, 2).join(' '), words[0], words.slice(1), { env });
  // sudo talks to the terminal itself, so its output is not captured.
  say(`$ sudo ${words.join(' ')}`);
  const { status } = spawnSync('sudo', words, { stdio: 'inherit', env });
  if (status !== 0) throw new StepError(words[0]);
}

/** On a terminal the user decides; where nobody can be asked, root goes ahead and anybody else is only told. */
async function mayInstall(system, isRoot) {
  const canAsk = process.stdin.isTTY === true && process.stderr.isTTY === true && !process.env.CI;
  if (!canAsk) return isRoot && system !== 'macos';
  if (isRoot && system === 'macos') return false;
  // Root may be an unattended terminal (a container with -t), so there silence means yes.
  const limit = isRoot ? 30 : 0;
  const question = `Run it now? [Y/n]${limit > 0 ? ` (yes in ${limit} s)` : ''} `;
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await new Promise((resolve) => {
    const timer = limit > 0 ? setTimeout(() => resolve(''), limit * 1000) : undefined;
    lines.once('close', () => resolve('n'));
    lines.question(question, (text) => {
      clearTimeout(timer);
      resolve(text.trim());
    });
  });
  lines.removeAllListeners('close');
  lines.close();
  if (answer === '') say('');
  return answer === '' || /^y/i.test(answer);
}
