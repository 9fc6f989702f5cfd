// `npm run bench:install`: what an installation costs, in seconds and megabytes: nodegrad beside onnxruntime-node, TensorFlow.js and PyTorch, each into an
// empty folder with an empty cache, in one run; writes bench/INSTALL.md. nodegrad comes from a registry on loopback, the others over the network.
// `-- --skip PyTorch` leaves out whose name has this word: its packages are gigabytes.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startRegistry } from './install-registry.mjs';
import { npmCommand, packInto, temporaryFolder, withoutNpmVariables } from './install-tools.mjs';
import { root } from './steps.mjs';

const { values } = parseArgs({ options: { skip: { type: 'string' } } });
const folder = temporaryFolder();
const vendor = join(folder, 'vendor');
packInto(vendor);
const registry = await startRegistry(vendor);
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const npm = (name, ...words) => [...npmCommand(), 'install', name, '--no-audit', '--no-fund', '--cache', join(folder, 'cache'), ...words];
const contestants = {
  [`nodegrad ${version}`]: npm(`nodegrad@${version}`, '--registry', registry.url),
  'onnxruntime-node': npm('onnxruntime-node'),
  '@tensorflow/tfjs-node': npm('@tensorflow/tfjs-node'),
  'PyTorch (torch, pip)': ['python3', '-m', 'pip', 'install', '--quiet', '--no-cache-dir', '--target', 'site', 'torch'],
};

const busy = loadavg()[0].toFixed(1);
const rows = [];
for (const [name, command] of Object.entries(contestants)) {
  if (values.skip && name.includes(values.skip)) {
    rows.push([name, '', '', 'left out of this run']);
    continue;
  }
  let { code, seconds, megabytes, said } = await installation(command);
  let remark = '';
  if (code !== 0) {
    const why = said.split('\n').find((line) => /error/i.test(line) && /ENOTFOUND|EAI_AGAIN|ECONN|status|refused|failed/i.test(line));
    remark = code === null ? 'not there after ten minutes' : `not installed here: ${why?.trim().slice(0, 120) ?? `code ${code}`}`;
    if (command.includes('install') && command[0] !== 'python3') {
      ({ code, seconds, megabytes } = await installation([...command, '--ignore-scripts']));
      remark = `without its install script, which fails here (it downloads from another host): ${why?.trim().slice(0, 120) ?? ''}`;
    }
  }
  rows.push(code === 0 ? [name, seconds.toFixed(1), megabytes.toFixed(1), remark] : [name, '', '', remark]);
  console.log(rows.at(-1).join('  '));
}
registry.close();
const table = [['', 'Seconds', 'MB on disk', ''], ['---', '---:', '---:', '---'], ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
writeFileSync(
  join(root, 'bench/INSTALL.md'),
  `# What an installation costs

One run of \`npm run bench:install\` on ${cpus()[0]?.model ?? 'this machine'}, Node.js ${process.version}, ${new Date().toISOString().slice(0, 10)}: each into an empty folder with an empty cache,
without tidying up after it. nodegrad comes from a registry on the same machine, so that its seconds hold no network; those of the others do, and depend on it. Megabytes are
10^6 bytes of files with all dependencies. Others' work on the machine when it began: a load of ${busy} on ${cpus().length} CPUs.

${table}
`,
);

async function installation(command) {
  const place = join(folder, 'place');
  for (const path of [place, join(folder, 'cache')]) rmSync(path, { recursive: true, force: true });
  mkdirSync(place);
  writeFileSync(join(place, 'package.json'), '{ "private": true }');
  const started = performance.now();
  const { code, said } = await run(command, place);
  const seconds = (performance.now() - started) / 1000;
  const megabytes = Number(spawnSync('du', ['-sb', place], { encoding: 'utf8' }).stdout.split('\t')[0]) / 1e6;
  return { code, said, seconds, megabytes };
}

function run([command, ...args], cwd) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env: withoutNpmVariables(), stdio: ['ignore', 'pipe', 'pipe'], timeout: 600_000 });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
    child.on('error', (error) => resolve({ code: 1, said: error.message }));
    child.on('close', (code) => resolve({ code, said }));
  });
}
