#!/usr/bin/env bash
# Yarn 4.18.1, Plug'n'Play: the FileHandle of fs.promises.open has no working sync() and datasync(), for plain files outside of any archive.
#
# A program that writes a file durably (write, `await handle.sync()`, rename) works with every other layout of packages and fails as soon as
# it is started with `yarn node`: Plug'n'Play replaces fs.promises.open, and the handles that it gives throw "Method not implemented." from
# sync and datasync, also for files that have nothing to do with Yarn. They throw at once instead of giving a promise that is rejected,
# so that `handle.sync().catch(…)` does not catch it. The callback functions fs.fsync and fs.fdatasync on `handle.fd` work: that is the way out.
#
# Seen: @yarnpkg/cli-dist 4.18.1, Node.js 20.20.2 and 22.23.5, Linux x86-64:
#   plain node      sync: ok               datasync: ok               fsync(fd): ok
#   yarn node, PnP  sync: throws at once   datasync: throws at once   fsync(fd): ok
#
# Exit code 0: as described. 1: the behaviour changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir tools app
echo '{ "private": true }' >tools/package.json
(cd tools && npm install --ignore-scripts --no-audit --no-fund --loglevel=error @yarnpkg/cli-dist@4.18.1 >/dev/null)
yarn="$folder/tools/node_modules/@yarnpkg/cli-dist/bin/yarn.js"

cd app
export HOME=$folder YARN_ENABLE_TELEMETRY=0
echo '{ "name": "app", "version": "1.0.0", "private": true }' >package.json
printf 'nodeLinker: pnp\n' >.yarnrc.yml
touch yarn.lock
cat >durable.mjs <<'PROGRAM'
import { fsync } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';

async function outcome(call) {
  let promise;
  try {
    promise = call();
  } catch {
    return 'throws at once';
  }
  return promise.then(() => 'ok', () => 'rejected');
}

const handle = await open('plain.txt', 'w');
await handle.writeFile('text');
const sync = await outcome(() => handle.sync());
const datasync = await outcome(() => handle.datasync());
const descriptor = await outcome(() => promisify(fsync)(handle.fd));
await handle.close();
console.log(`sync: ${sync}, datasync: ${datasync}, fsync(fd): ${descriptor}`);
PROGRAM

YARN_ENABLE_IMMUTABLE_INSTALLS=0 node "$yarn" install >install.log 2>&1 || { cat install.log; exit 1; }
plain=$(node durable.mjs)
pnp=$(node "$yarn" node durable.mjs | tail -n 1)
echo "plain node      $plain"
echo "yarn node, PnP  $pnp"
[ "$plain" = 'sync: ok, datasync: ok, fsync(fd): ok' ]
[ "$pnp" = 'sync: throws at once, datasync: throws at once, fsync(fd): ok' ]
