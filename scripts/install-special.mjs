// Installations that are no row of the matrix: two versions in one project, and a project without the compiled part.

import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { managers } from './install-managers.mjs';
import { Cell, CannotRun } from './install-matrix.mjs';
import { startRegistry } from './install-registry.mjs';
import { asDependencies, npmCommand, withoutNpmVariables } from './install-tools.mjs';
import { root } from './steps.mjs';

const older = '0.0.9';

/** Installs nodegrad from the files with this machine's npm, without its registry; gives the folder. */
export function installPlainly({ folder, vendor }) {
  mkdirSync(folder, { recursive: true });
  const dependencies = asDependencies(vendor);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'app', version: '1.0.0', private: true, type: 'module', dependencies }));
  const [npm, ...before] = npmCommand();
  const args = [...before, 'install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  execFileSync(npm, args, { cwd: folder, env: withoutNpmVariables(), stdio: ['ignore', 'inherit', 'inherit'] });
  return folder;
}

/** Two versions in one project: each must find the compiled part of its own version. Gives the number of red managers. */
export async function checkNeighbours({ folder, vendor, home, wants }) {
  const both = join(folder, 'vendor-of-two');
  cpSync(vendor, both, { recursive: true });
  for (const file of readdirSync(vendor).filter((name) => name.startsWith('nodegrad-')))
    repack(join(vendor, file), both, join(folder, 'older'));
  const registry = await startRegistry(both);
  let red = 0;
  for (const manager of Object.keys(managers)) {
    const row = { manager, source: 'registry', scripts: Object.keys(managers[manager].scripts)[0] };
    if (!wants(row)) continue;
    // A home of its own: Yarn remembers by host, not by port, what the matrix's registry said.
    const place = join(folder, 'neighbours');
    const cell = new Neighbours({ folder: place, vendor: both, registry, node: process.execPath, row, home: home(manager) });
    const problem = await cell.run().catch((error) => error);
    if (problem === undefined) console.log(`${manager}: ok`);
    else if (problem instanceof CannotRun) console.log(`${manager}: does not run on Node.js ${process.version}`);
    else {
      red += 1;
      console.log(`${manager}: FAILED\n${problem.message.replace(/^/gm, '    ')}`);
    }
    rmSync(cell.app, { recursive: true, force: true });
  }
  registry.close();
  return red;
}

/** The same package as if it were of another version. */
function repack(tarball, target, stage) {
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage);
  execFileSync('tar', ['-xzf', tarball, '-C', stage]);
  const path = join(stage, 'package/package.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  manifest.version = older;
  for (const name of Object.keys(manifest.optionalDependencies ?? {})) manifest.optionalDependencies[name] = older;
  writeFileSync(path, JSON.stringify(manifest));
  const name = manifest.name.replace('@', '').replace('/', '-');
  execFileSync('tar', ['-czf', join(target, `${name}-${older}.tgz`), '-C', stage, 'package']);
}

const neighbourProgram = `
  import { readFileSync } from 'node:fs';
  import { dirname, join } from 'node:path';
  const { info } = await import(process.argv[2]);
  const { version, binary } = info();
  const manifest = join(dirname(binary.replace(/^platform package: /, '')), 'package.json');
  console.log(JSON.stringify([version, JSON.parse(readFileSync(manifest, 'utf8')).version]));
`;

class Neighbours extends Cell {
  dependencies() {
    return { ...super.dependencies(), older: `npm:nodegrad@${older}` };
  }

  async run() {
    await this.mustStart();
    this.prepare();
    writeFileSync(join(this.app, 'neighbours.mjs'), neighbourProgram);
    await this.manage([...this.manager.install, ...this.settings.args], 'install');
    for (const name of ['nodegrad', 'older']) {
      const [version, compiled] = JSON.parse(await this.program('neighbours.mjs', name, name));
      if (version !== compiled || (name === 'older') !== (version === older))
        throw new Error(`${name}: lib ${version}, compiled part ${compiled}`);
    }
  }
}

/**
 * Without the compiled part the error names two ways out; both are taken, as they are printed. Building takes minutes, a compiler and
 * the npm registry.
 */
export async function checkWaysOut({ folder, vendor }) {
  const registry = await startRegistry(vendor);
  const [npm, ...before] = npmCommand();
  const app = join(folder, 'ways');
  const ways = {
    'the prebuilt package': { pattern: /^ {2}npm (install .*)$/m, origin: 'platform package' },
    'a build in place': { pattern: /^ {2}(cd .* && npm .*)$/m, origin: 'local build' },
  };
  let red = 0;
  for (const [name, { pattern, origin }] of Object.entries(ways)) {
    const started = performance.now();
    try {
      rmSync(app, { recursive: true, force: true });
      mkdirSync(app, { recursive: true });
      copyFileSync(join(root, 'scripts/smoke-require.cjs'), join(app, 'require.cjs'));
      writeFileSync(join(app, 'package.json'), '{ "name": "app", "version": "1.0.0", "private": true }');
      writeFileSync(join(app, '.npmrc'), `registry=${registry.url}\naudit=false\nfund=false\n`);
      // Not the synchronous kind: the registry is in this process.
      const run = (program, args) => {
        return new Promise((resolve) => {
          const options = { cwd: app, env: withoutNpmVariables(), maxBuffer: 64 << 20 };
          execFile(program, args, options, (error, stdout, stderr) => resolve({ failed: error !== null, output: `${stdout}${stderr}` }));
        });
      };
      const must = (what, { failed, output }) => {
        if (failed) throw new Error(`${what}:\n${output.trimEnd().split('\n').slice(-20).join('\n')}`);
        return output;
      };
      must('installing', await run(npm, [...before, 'install', 'nodegrad', '--omit=optional']));
      const { failed, output } = await run(process.execPath, ['require.cjs']);
      const [line, command] = pattern.exec(output) ?? [];
      if (!failed || command === undefined) throw new Error(`the error does not name it:\n${output}`);
      console.log(line);
      if (command.startsWith('cd ')) must('building', await run('/bin/sh', ['-c', command]));
      else must('installing it', await run(npm, [...before, ...command.split(' ')]));
      must('require', await run(process.execPath, ['require.cjs']));
      const facts = JSON.parse(must('info', await run(process.execPath, ['-p', "JSON.stringify(require('nodegrad').info())"])));
      if (!facts.binary.startsWith(origin)) throw new Error(`the compiled part in use is ${facts.binary}`);
      console.log(`${name}: ok, ${((performance.now() - started) / 1000).toFixed(0)} s`);
    } catch (error) {
      red += 1;
      console.log(`${name}: FAILED\n${error.message.replace(/^/gm, '    ')}`);
    }
  }
  rmSync(app, { recursive: true, force: true });
  registry.close();
  return red;
}
