// `npm run test:install`: every package manager × setting of install scripts × Node.js version that people have, the types under every
// TypeScript, two versions side by side, and the way out that the error without a compiled part names. It takes a while; `npm run smoke`
// has one row of each manager. `-- --only 'yarn 4'` fills the rows whose name has these words, `--only rooms` is the clean rooms alone, `--node 22`
// one column, `--first` the first row of each manager: from a registry, with its own setting of scripts.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkTypes } from './check-types.mjs';
import { checkRooms } from './clean-rooms.mjs';
import { managers } from './install-managers.mjs';
import { nameOf, rowsOf, runMatrix } from './install-matrix.mjs';
import { checkNeighbours, checkWaysOut, installPlainly } from './install-special.mjs';
import { fetchPackages, packInto, temporaryFolder } from './install-tools.mjs';

const { values } = parseArgs({
  options: { only: { type: 'string', default: '' }, node: { type: 'string', default: '20,22,24,26' }, first: { type: 'boolean' } },
});
const whole = values.only === '' && !values.first;
const isFirst = ({ manager, source, scripts }) => source === 'registry' && scripts === Object.keys(managers[manager].scripts)[0];
const isWanted = (row) => nameOf(row).includes(values.only) && (!values.first || isFirst(row));
const compilers = whole ? ['5.0', '5.4', '5.5', '5.6', '5.9', '6.0', '7.0'] : [];
const majors = values.node.split(',');

const folder = temporaryFolder();
const vendor = join(folder, 'vendor');
packInto(vendor);
const nodePackage = (major) => `node-${process.platform}-${process.arch}@${major}`;
const roomsAlone = values.only === 'rooms';
const rows = roomsAlone ? [] : rowsOf().filter(isWanted);
if (rows.length === 0 && !roomsAlone) throw new Error(`no row has "${values.only}" in its name, such as "${nameOf(rowsOf()[0])}"`);
const wanted = roomsAlone ? ['npm@11'] : rows.map(({ manager }) => managers[manager].package);
const specifications = [...wanted, ...majors.map(nodePackage), ...compilers.map((version) => `typescript@${version}`)];
console.log(`\nGetting ${new Set(specifications).size} tools from the npm registry …`);
const tools = fetchPackages(join(folder, 'tools'), specifications);
const missing = specifications.filter((specification) => !tools.has(specification));
const versionOf = (specification) => JSON.parse(readFileSync(join(tools.get(specification), 'package.json'), 'utf8')).version;

let red = 0;
const nodes = Object.fromEntries(
  majors
    .filter((major) => tools.has(nodePackage(major)))
    .map((major) => [versionOf(nodePackage(major)), join(tools.get(nodePackage(major)), 'bin/node')]),
);
const home = (name) => tools.get(managers[name].package);
const wants = (row) => tools.has(managers[row.manager].package) && isWanted(row);
if (!roomsAlone) {
  console.log('\n== installing and training');
  red += await runMatrix({ folder, vendor, nodes, home, wants });
}
if (whole || roomsAlone) {
  console.log('\n== in rooms that hold nothing');
  red += await checkRooms({ folder: join(folder, 'rooms'), vendor, nodes, npm: tools.get('npm@11') });
}

if (whole) {
  console.log('\n== two versions side by side');
  red += await checkNeighbours({ folder, vendor, home, wants });
  console.log('\n== without the compiled part');
  red += await checkWaysOut({ folder, vendor });
  console.log('\n== types');
  const app = await installPlainly({ folder: join(folder, 'types'), vendor });
  const found = compilers.map((version) => `typescript@${version}`).filter((specification) => tools.has(specification));
  red += checkTypes(app, Object.fromEntries(found.map((specification) => [versionOf(specification), tools.get(specification)])));
}

for (const specification of missing) console.log(`NOT TRIED, because the registry has no such package: ${specification}`);
console.log(red === 0 ? '\nnodegrad installs, trains and compiles everywhere that was tried.' : `\n${red} red`);
process.exitCode = red === 0 ? 0 : 1;
