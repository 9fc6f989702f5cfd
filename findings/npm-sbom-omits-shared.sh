#!/usr/bin/env bash
# npm 11.21.2: `npm sbom --omit dev` leaves out a run-time dependency where a development package needs it, too, and all that it brings.
#
# The software bill of materials of a release is made with `--omit dev`, so that it lists what users get. A package that the project depends on and that some
# development tool depends on as well is then not in the list, nor are the packages below it, although `npm ci --omit dev` installs them: whoever looks for
# a vulnerable package in such lists does not find it. `npm ls --omit dev` has it. The way out: make the whole list, and take from it what has no property
# `cdx:npm:package:development` and whose scope is required.
#
# Seen, Node.js 20.20.2, Linux x86-64:
#   npm sbom --omit dev: alone                     npm ls --omit dev: alone shared
#
# Exit code 0: as described. 1: the behaviour changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir tools app
echo '{ "private": true }' >tools/package.json
(cd tools && npm install --ignore-scripts --no-audit --no-fund --loglevel=error npm@11.21.2 >/dev/null)
npm="node $folder/tools/node_modules/npm/bin/npm-cli.js"

cd app
echo '{ "name": "app", "version": "1.0.0", "dependencies": { "alone": "1.0.0", "shared": "1.0.0" }, "devDependencies": { "tool": "1.0.0" } }' >package.json
cat >package-lock.json <<'LOCK'
{
  "name": "app",
  "version": "1.0.0",
  "lockfileVersion": 3,
  "packages": {
    "": { "name": "app", "version": "1.0.0", "dependencies": { "alone": "1.0.0", "shared": "1.0.0" }, "devDependencies": { "tool": "1.0.0" } },
    "node_modules/alone": { "version": "1.0.0" },
    "node_modules/shared": { "version": "1.0.0" },
    "node_modules/tool": { "version": "1.0.0", "dev": true, "dependencies": { "shared": "1.0.0" } }
  }
}
LOCK
names() { node -e "
  const of = { sbom: ({ components }) => components.map(({ name }) => name), ls: ({ dependencies }) => Object.keys(dependencies) };
  console.log(of['$1'](JSON.parse(require('node:fs').readFileSync(0, 'utf8'))).sort().join(' '));"; }
listed=$($npm sbom --omit dev --sbom-format cyclonedx --package-lock-only | names sbom)
installed=$($npm ls --omit dev --package-lock-only --json | names ls)
echo "npm sbom --omit dev: $listed"
echo "npm ls --omit dev: $installed"
[ "$listed" = alone ] && [ "$installed" = 'alone shared' ]
