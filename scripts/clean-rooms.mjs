// Installations in rooms that hold nothing: a Debian of the smallest kind, and a root of musl alone; without network, without compiler, as a
// user who is not root, in a folder whose name has spaces and letters beyond ASCII, with node_modules read-only once they are there.
// The second is not Alpine itself: scripts/musl.mjs says what it is.

import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDebian } from './debian.mjs';
import { manifestOf } from './install-registry.mjs';
import { makeMuslRoot, muslNode } from './musl.mjs';
import { root as repository } from './steps.mjs';

const nobody = '65534:65534';
const place = 'home/Jörg Müller/mein Netz ☂';

/**
 * By name: the platform of the room, the commands it `needs` with the Debian packages that have them, and how it is made; `make` gives the
 * programs of Node.js in it by version.
 */
const rooms = {
  'Debian, minbase': { platform: 'linux-x64-gnu', needs: { debootstrap: 'debootstrap' }, make: makeDebian },
  'musl alone': { platform: 'linux-x64-musl', needs: {}, make: makeMusl },
};

/**
 * Installs and trains in every room; gives the number of red ones. `nodes` are folders of Node.js by version, `npm` is npm's folder.
 */
export async function checkRooms({ folder, vendor, nodes, npm }) {
  let red = 0;
  if (process.getuid?.() !== 0 || spawnSync('unshare', ['-mn', 'true']).status !== 0) {
    console.log('NOT TRIED, because rooms need root and namespaces');
    return 0;
  }
  for (const [name, { platform, needs, make }] of Object.entries(rooms)) {
    if (!readdirSync(vendor).some((file) => file.startsWith(`nodegrad-${platform}-`))) {
      console.log(`${name}: NOT TRIED, because ${platform} is not built: npm run build:platform -- ${platform}`);
      continue;
    }
    const room = join(folder, platform);
    try {
      await ensureDebian(needs);
      for (const [version, program] of Object.entries(make(room, nodes))) {
        const started = performance.now();
        visit({ room, vendor, platform, program, npm });
        console.log(`${name}, Node.js ${version}: ok ${((performance.now() - started) / 1000).toFixed(0)} s`);
      }
    } catch (error) {
      red += 1;
      console.log(`${name}: FAILED\n${String(error.message).slice(-3000).replace(/^/gm, '    ')}`);
    }
    rmSync(room, { recursive: true, force: true });
  }
  return red;
}

function visit({ room, vendor, platform, program, npm }) {
  const app = join(room, place);
  rmSync(app, { recursive: true, force: true });
  mkdirSync(app, { recursive: true });
  cpSync(vendor, join(app, 'vendor'), { recursive: true, filter: (path) => !isForeign(path, platform) });
  cpSync(npm, join(room, 'opt/npm'), { recursive: true, dereference: true });
  const files = readdirSync(join(app, 'vendor'));
  const dependencies = Object.fromEntries(files.map((file) => [manifestOf(join(app, 'vendor', file)).name, `file:vendor/${file}`]));
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', private: true, type: 'module', dependencies }));
  copyFileSync(join(repository, 'scripts/smoke-train.mjs'), join(app, 'train.mjs'));
  const example = /```(?:ts|js)\n([\s\S]*?from 'nodegrad'[\s\S]*?)```/.exec(readFileSync(join(repository, 'README.md'), 'utf8'))[1];
  writeFileSync(join(app, 'readme.mjs'), example);
  execFileSync('chown', ['-R', nobody, join(room, place.split('/')[0])]);
  const run = (...words) => runIn(room, [program, ...words]);
  run('/opt/npm/bin/npm-cli.js', 'install', '--offline', '--no-audit', '--no-fund');
  // As in an image of which only the data may be written.
  const modules = join(app, 'node_modules');
  execFileSync('chown', ['-R', '0:0', modules]);
  execFileSync('chmod', ['-R', 'a-w', modules]);
  run('train.mjs');
  run('readme.mjs');
}

/** Another platform's tarball, `nodegrad-dist-` being what trains in several processes there. */
function isForeign(path, platform) {
  const name = /nodegrad-(?:dist-)?(\w+-\w+(?:-\w+)?)-\d+\.\d+\.\d+\.tgz$/.exec(path)?.[1];
  return name !== undefined && name !== platform;
}

/** Runs a command in the room's folder as nobody, without network. */
function runIn(room, words) {
  const inside = `mount -t proc proc "$1/proc" && exec chroot --userspec=${nobody} "$1" /bin/sh -c 'PATH=/usr/bin:/bin && cd "$0" && exec "$@"' "/$2" "\${@:3}"`;
  // Nothing of the user's: `npm run` says where its cache is, which nobody may write there.
  const env = { PATH: process.env.PATH, HOME: `/${place}`, LANG: 'C.UTF-8', NO_UPDATE_NOTIFIER: '1' };
  const args = ['-mnpf', 'bash', '-c', inside, 'bash', room, place, ...words];
  const { status, signal, stdout, stderr } = spawnSync('unshare', args, {
    env,
    encoding: 'utf8',
    timeout: 600_000,
  });
  if (status !== 0) throw new Error(`${words.join(' ')} ended with ${signal ?? status}\n${stdout}\n${stderr}`);
}

/** What is included is what Node.js itself needs. */
function makeDebian(room, nodes) {
  if (!existsSync(join(room, 'bin')))
    execFileSync('debootstrap', ['--variant=minbase', '--include=libstdc++6,libatomic1', 'bookworm', room], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  mkdirSync(join(room, 'opt'), { recursive: true });
  return Object.fromEntries(
    Object.entries(nodes).map(([version, program]) => {
      copyFileSync(program, join(room, 'opt', `node-${version}`));
      return [version, `/opt/node-${version}`];
    }),
  );
}

function makeMusl(room) {
  makeMuslRoot(room);
  return { [muslNode]: '/opt/node' };
}
