#!/usr/bin/env bash
# npm 10.9.9 and 11.19.1: `"gypfile": false` of a package is obeyed by the first `npm install` and forgotten by every installation from the lock file.
#
# A package that ships prebuilt addons, and a binding.gyp for those who want to build from source, says `"gypfile": false` in its package.json
# so that npm runs nothing. That holds once. package-lock.json does not keep the field; `npm ci`, and `npm install` with a lock file and without
# node_modules, find the binding.gyp and run `node-gyp rebuild` as if the field were not there. Authors who test `npm install` in an empty folder
# do not see it; users' deployments compile, or fail where there is no compiler. The way out: publish no binding.gyp (or leave the name to a copy
# that the build makes).
#
# What npm wants to run is read from a stand-in for the shell (`script-shell`), so that nothing is compiled or downloaded.
#
# Seen, Node.js 20.20.2, Linux x86-64, npm 10.9.9 and 11.19.1 alike:
#   npm install, no lock file: node-gyp not started     npm ci: node-gyp started     npm install from the lock file: node-gyp started
#
# Exit code 0: as described. 1: the behaviour changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir tools prebuilt
echo '{ "private": true }' >tools/package.json
quiet="--no-audit --no-fund --loglevel=error --cache $folder/cache --script-shell $folder/shell"
(cd tools && npm install --ignore-scripts --no-audit --no-fund --loglevel=error npm10@npm:npm@10.9.9 npm11@npm:npm@11.19.1 >/dev/null)

echo '{ "name": "prebuilt", "version": "1.0.0", "gypfile": false }' >prebuilt/package.json
echo "{ 'targets': [] }" >prebuilt/binding.gyp
(cd prebuilt && npm pack --silent --pack-destination "$folder" >/dev/null)
printf '#!/bin/sh\necho "$2" >>"%s/started"\n' "$folder" >shell
chmod +x shell

verdict() {
  rm -f "$folder/started"
  "$@" >/dev/null
  if grep -qx 'node-gyp rebuild' "$folder/started" 2>/dev/null; then echo started; else echo 'not started'; fi
}

changed=0
for major in 10 11; do
  npm="node $folder/tools/node_modules/npm$major/bin/npm-cli.js"
  rm -rf app && mkdir app && cd app
  echo '{ "name": "app", "version": "1.0.0", "private": true, "dependencies": { "prebuilt": "file:../prebuilt-1.0.0.tgz" } }' >package.json
  first=$(verdict $npm install $quiet)
  rm -rf node_modules
  frozen=$(verdict $npm ci $quiet)
  rm -rf node_modules
  again=$(verdict $npm install $quiet)
  echo "npm $($npm --version)   install: node-gyp $first   ci: node-gyp $frozen   install from the lock file: node-gyp $again"
  [ "$first/$frozen/$again" = 'not started/started/started' ] || changed=1
  cd ..
done
exit $changed
