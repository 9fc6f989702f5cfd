// A registry of npm packages on this machine alone: it serves the tarballs of a folder and nothing else, so that an installation
// from it is one "from a registry", of packages that no registry has yet, and proves that no other package is asked for.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const lifecycle = ['preinstall', 'install', 'postinstall'];

/** Serves the tarballs of `folder` on loopback; gives the address, what was asked for in vain, and `close`. */
export async function startRegistry(folder, serves = () => true) {
  const packages = readPackages(folder, serves);
  const refused = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url, 'http://localhost').pathname).slice(1);
    const [name, file] = path.split('/-/');
    const versions = packages.get(name);
    const tarball = versions?.find((entry) => entry.file === file);
    if (file !== undefined && tarball) {
      response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(tarball.bytes);
    } else if (file === undefined && versions) {
      const base = `http://${request.headers.host}`;
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document(name, versions, base)));
    } else {
      refused.push(path);
      response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"not found"}');
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    refused,
    latest: (name) => latest(packages.get(name)),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** The manifest in a tarball. */
export function manifestOf(tarball) {
  return JSON.parse(execFileSync('tar', ['-xzOf', tarball, 'package/package.json'], { encoding: 'utf8' }));
}

function readPackages(folder, serves) {
  const packages = new Map();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.tgz') && serves(name))) {
    const path = join(folder, file);
    const entry = { file, manifest: manifestOf(path), bytes: readFileSync(path) };
    packages.set(entry.manifest.name, [...(packages.get(entry.manifest.name) ?? []), entry]);
  }
  return packages;
}

function latest(entries) {
  const versions = entries.map(({ manifest }) => manifest.version);
  return versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
}

/** What a registry says of a package; published in the past, since some managers refuse what is younger than some days. */
function document(name, entries, base) {
  const published = '2024-01-01T00:00:00.000Z';
  const hash = (bytes, algorithm, encoding) => createHash(algorithm).update(bytes).digest(encoding);
  const versions = entries.map(({ file, manifest, bytes }) => {
    const dist = {
      tarball: `${base}/${name}/-/${file}`,
      shasum: hash(bytes, 'sha1', 'hex'),
      integrity: `sha512-${hash(bytes, 'sha512', 'base64')}`,
    };
    const hasInstallScript = lifecycle.some((script) => script in (manifest.scripts ?? {}));
    return { ...manifest, _id: `${name}@${manifest.version}`, dist, ...(hasInstallScript ? { hasInstallScript } : {}) };
  });
  const numbers = versions.map(({ version }) => version);
  return {
    _id: name,
    name,
    'dist-tags': { latest: latest(entries) },
    versions: Object.fromEntries(versions.map((version) => [version.version, version])),
    time: Object.fromEntries(['created', 'modified', ...numbers].map((key) => [key, published])),
  };
}
