// Compiles a user's program against the installed package: versions of TypeScript × module resolution × libraries, declarations checked too.
// The package may need neither Node's types nor the DOM's.

import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

const resolutions = {
  nodenext: { module: 'NodeNext', moduleResolution: 'NodeNext' },
  bundler: { module: 'ESNext', moduleResolution: 'Bundler' },
};
const surroundings = {
  nothing: { lib: ['ES2022'], types: [] },
  'the DOM': { lib: ['ES2022', 'DOM'], types: [] },
  'ES2018 alone': { lib: ['ES2018'], target: 'ES2018', types: [] },
  '@types/node': { lib: ['ES2022'], types: ['node'] },
};
/** What a careful project asks of declarations, too. */
const strictest = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, verbatimModuleSyntax: true, isolatedModules: true };

/**
 * @param {string} app - A folder where the package is installed; files are added to it.
 * @param {Record<string, string>} compilers - The folder of each TypeScript by its version.
 * @returns {number} how many combinations have an error
 */
export function checkTypes(app, compilers) {
  copyFileSync(join(root, 'scripts/smoke-types.ts'), join(app, 'types.ts'));
  copyFileSync(join(app, 'types.ts'), join(app, 'types-commonjs.cts'));
  let red = 0;
  for (const [version, compiler] of Object.entries(compilers)) {
    for (const [resolution, options] of Object.entries(resolutions)) {
      for (const [around, settings] of Object.entries(surroundings)) {
        offerNodeTypes(app, around === '@types/node');
        // Before 5.8 TypeScript knows no require() of an ES module.
        const [major, minor] = version.split('.').map(Number);
        const commonjs = resolution === 'nodenext' && (major > 5 || minor >= 8);
        const files = commonjs && around === '@types/node' ? ['types.ts', 'types-commonjs.cts'] : ['types.ts'];
        const strict = around === 'nothing' && !files.includes('types-commonjs.cts') ? strictest : {};
        const compilerOptions = { target: 'ES2022', ...options, ...settings, ...strict, strict: true, noEmit: true, skipLibCheck: false };
        writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
        const { status, stdout, stderr } = spawnSync(process.execPath, [join(compiler, 'bin/tsc'), '-p', 'tsconfig.json'], {
          cwd: app,
          encoding: 'utf8',
        });
        console.log(`TypeScript ${version}, ${resolution}, with ${around}: ${status === 0 ? 'ok' : 'FAILED'}`);
        if (status === 0) continue;
        red += 1;
        console.log(`${stdout}${stderr}`.trimEnd().split('\n').slice(0, 10).join('\n').replace(/^/gm, '    '));
      }
    }
  }
  return red;
}

function offerNodeTypes(app, wanted) {
  const modules = join(app, 'node_modules');
  for (const name of ['@types/node', 'undici-types']) {
    rmSync(join(modules, name), { recursive: true, force: true });
    if (!wanted) continue;
    mkdirSync(join(modules, '@types'), { recursive: true });
    cpSync(join(root, 'node_modules', name), join(modules, name), { recursive: true });
  }
}
