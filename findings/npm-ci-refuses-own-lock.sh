#!/usr/bin/env bash
# npm 11.21.2 and 12.2.2: `npm ci` refuses the lock file that the same npm has just written, where an optional dependency could not be had. npm 10.9.9 takes it.
#
# A package names a binary for each platform in `optionalDependencies`. Where the registry has none of a name (not published yet, a mirror that leaves
# out other platforms, an installation from tarballs), `npm install` goes on without it, as it should, and leaves it out of package-lock.json. npm 11 and 12
# then find that lock file out of step with the package and end with `Missing: name@ from lock file`. Installing again does not help. The way out: the project
# lists those packages itself, as tarballs, or the mirror serves them.
#
# The registry is one on loopback that answers 404 to everything.
#
# Seen, Node.js 20.20.2, Linux x86-64:
#   npm 10.9.9: install 0, ci 0     npm 11.21.2: install 0, ci 1     npm 12.2.2: install 0, ci 1
#
# Exit code 0: as described. 1: the behaviour changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill "$registry" 2>/dev/null; rm -rf "$folder"' EXIT
cd "$folder"
mkdir tools
echo '{ "private": true }' >tools/package.json
(cd tools && npm install --ignore-scripts --no-audit --no-fund --loglevel=error npm10@npm:npm@10.9.9 npm11@npm:npm@11.21.2 npm12@npm:npm@12.2.2 >/dev/null)

mkdir package
echo '{ "name": "wants-another", "version": "1.0.0", "optionalDependencies": { "not-to-be-had": "1.0.0" } }' >package/package.json
(cd package && npm pack --silent --pack-destination "$folder" >/dev/null)
node -e "
  require('node:http').createServer((request, response) => response.writeHead(404).end('{}')).listen(0, '127.0.0.1', function () {
    require('node:fs').writeFileSync('port', String(this.address().port));
  });" &
registry=$!
until [ -s port ]; do sleep 0.1; done

changed=0
for major in 10 11 12; do
  rm -rf app && mkdir app && cd app
  echo '{ "name": "app", "private": true, "dependencies": { "wants-another": "file:../wants-another-1.0.0.tgz" } }' >package.json
  npm="node $folder/tools/node_modules/npm$major/bin/npm-cli.js"
  words="--registry http://127.0.0.1:$(cat ../port)/ --no-audit --no-fund --cache $folder/cache$major"
  install=0 && $npm install $words >install.log 2>&1 || install=$?
  ci=0 && $npm ci $words >ci.log 2>&1 || ci=$?
  echo "npm $($npm --version): install $install, ci $ci"
  expected=1
  [ "$major" = 10 ] && expected=0
  [ "$install" = 0 ] && [ "$ci" = "$expected" ] || changed=1
  if [ "$expected" = 1 ] && ! grep -q 'Missing: not-to-be-had@ from lock file' ci.log; then changed=1; fi
  cd "$folder"
done
exit $changed
