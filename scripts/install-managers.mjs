// The package managers that nodegrad must install with: where each comes from, how it is set up, and its words for the same deeds.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A manager has: `package`, the npm package that it comes in, and `entry`, its file in there; `native`, when that is no JavaScript;
 * `scripts`, its settings of install scripts, its default first; `configure(app, settings)`, which writes its files beside package.json and gives what
 * package.json itself needs; its commands, `node` being how it starts Node.js where plain `node` finds no package; and `resolves`, when
 * an optional package that no registry has must also stand under "resolutions", since yarn wants it to exist.
 */
const npm = {
  entry: 'bin/npm-cli.js',
  scripts: { allowed: { args: [] }, ignored: { args: ['--ignore-scripts'] } },
  configure: writeNpmrc,
  install: ['install'],
  frozen: ['ci'],
  rebuild: ['rebuild'],
  exec: ['exec', '--'],
};

const pnpm = {
  entry: 'bin/pnpm.cjs',
  scripts: { allowed: { args: [] }, ignored: { args: ['--ignore-scripts'] } },
  configure: writeNpmrc,
  install: ['install', '--no-frozen-lockfile'],
  frozen: ['install', '--frozen-lockfile'],
  rebuild: ['rebuild'],
  exec: ['exec'],
};

/** From version 10 on pnpm runs the scripts of approved packages only. */
const approving = {
  ...pnpm,
  scripts: {
    'not approved': { args: [] },
    approved: { args: [], workspace: 'onlyBuiltDependencies:\n  - nodegrad\n  - "@nodegrad/linux-x64-gnu"\n' },
    ignored: { args: ['--ignore-scripts'] },
  },
};

const yarn = {
  package: '@yarnpkg/cli-dist@4',
  entry: 'bin/yarn.js',
  scripts: { allowed: { args: [], enable: true }, ignored: { args: [], enable: false } },
  install: ['install', '--no-immutable'],
  frozen: ['install', '--immutable'],
  rebuild: ['rebuild'],
  exec: ['run'],
  resolves: true,
};

export const managers = {
  'npm 10': { ...npm, package: 'npm@10' },
  'npm 11': { ...npm, package: 'npm@11' },
  'npm 12': { ...npm, package: 'npm@12' },
  'pnpm 8': { ...pnpm, package: 'pnpm@8' },
  'pnpm 9': { ...pnpm, package: 'pnpm@9' },
  'pnpm 10': { ...approving, package: 'pnpm@10' },
  'pnpm 11': {
    ...approving,
    package: 'pnpm@11',
    entry: 'bin/pnpm.mjs',
    scripts: {
      ...approving.scripts,
      approved: { args: [], workspace: 'allowBuilds:\n  nodegrad: true\n  "@nodegrad/linux-x64-gnu": true\n' },
    },
  },
  "yarn 4, Plug'n'Play": { ...yarn, configure: yarnConfiguration('pnp'), node: ['node'] },
  'yarn 4, node_modules': { ...yarn, configure: yarnConfiguration('node-modules') },
  'yarn 4, pnpm linker': { ...yarn, configure: yarnConfiguration('pnpm') },
  'yarn 1': {
    package: 'yarn@1',
    entry: 'bin/yarn.js',
    scripts: { allowed: { args: [] }, ignored: { args: ['--ignore-scripts'] } },
    configure: writeNpmrc,
    install: ['install'],
    frozen: ['install', '--frozen-lockfile'],
    rebuild: ['install', '--force'],
    exec: ['run'],
    resolves: true,
  },
  bun: {
    package: `@oven/bun-${process.platform}-${process.arch}@1`,
    entry: 'bin/bun',
    native: true,
    scripts: {
      'not trusted': { args: [] },
      trusted: { args: [], manifest: { trustedDependencies: ['nodegrad', '@nodegrad/linux-x64-gnu'] } },
      ignored: { args: ['--ignore-scripts'] },
    },
    configure: writeNpmrc,
    install: ['install'],
    frozen: ['install', '--frozen-lockfile'],
    rebuild: ['install', '--force'],
    exec: ['run'],
  },
};

function writeNpmrc(app, { registry, scripts }) {
  writeFileSync(join(app, '.npmrc'), `registry=${registry}\naudit=false\nfund=false\nupdate-notifier=false\n`);
  if (scripts.workspace) writeFileSync(join(app, 'pnpm-workspace.yaml'), scripts.workspace);
  return scripts.manifest ?? {};
}

function yarnConfiguration(linker) {
  return (app, { registry, scripts }) => {
    const lines = [
      `nodeLinker: ${linker}`,
      `npmRegistryServer: "${registry}"`,
      'unsafeHttpWhitelist: ["127.0.0.1"]',
      'enableTelemetry: false',
      `enableScripts: ${scripts.enable}`,
    ];
    writeFileSync(join(app, '.yarnrc.yml'), `${lines.join('\n')}\n`);
    // Without a lock file of its own a folder may belong to a project above it.
    writeFileSync(join(app, 'yarn.lock'), '');
    return {};
  };
}
