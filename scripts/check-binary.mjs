// Checks what a built addon asks of the machine it will be loaded on: glibc version, libraries, and no transcendental from libm.
// `node scripts/check-binary.mjs <file>` does it by hand.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const highestGlibc = [2, 35];
const allowedLibraries = /^(libc|libm|libdl|libpthread|librt|ld-linux-x86-64|ld-linux-aarch64)\.so/;
// Their last bits differ between C libraries; nodegrad's own are part of its arithmetic. fma, rint and the like are exact.
const transcendental =
  /^(exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|sin|cos|tan|sincos|asin|acos|atan|atan2|sinh|cosh|tanh|asinh|acosh|atanh|erf|erfc|tgamma|lgamma|cbrt|hypot)(f|l)?(_finite)?$/;

/** Throws when `path` needs more than is allowed; gives what it needs. */
export function checkBinary(path) {
  const tool = (command, args) => execFileSync(command, [...args, path], { encoding: 'utf8', maxBuffer: 64 << 20 });
  const symbols = tool('nm', ['-D', '-u'])
    .split('\n')
    .map((line) => line.trim().split(/\s+/).at(-1))
    .filter((symbol) => symbol);
  const libraries = [...tool('readelf', ['-d', '-W']).matchAll(/\(NEEDED\).*\[(.*)\]/g)].map((match) => match[1]);
  const versions = symbols.flatMap((symbol) =>
    [...symbol.matchAll(/@GLIBC_(\d+)\.(\d+)/g)].map(([, major, minor]) => [Number(major), Number(minor)]),
  );
  const highest = versions.sort(([a, b], [c, d]) => a - c || b - d).at(-1) ?? [2, 0];
  const names = symbols.map((symbol) => symbol.split('@')[0]);
  const faults = [];
  const tooNew = symbols.filter((symbol) => {
    const version = /@GLIBC_(\d+)\.(\d+)/.exec(symbol);
    return version && (Number(version[1]) > highestGlibc[0] || Number(version[2]) > highestGlibc[1]);
  });
  if (tooNew.length > 0) faults.push(`symbols newer than glibc ${highestGlibc.join('.')}: ${tooNew.join(', ')}`);
  const fromLibm = names.filter((name) => transcendental.test(name));
  if (fromLibm.length > 0) faults.push(`transcendental functions from libm: ${fromLibm.join(', ')}`);
  const foreign = libraries.filter((library) => !allowedLibraries.test(library));
  if (foreign.length > 0) faults.push(`libraries that a plain system may lack: ${foreign.join(', ')}`);
  if (faults.length > 0) throw new Error(`${path} is not self-contained:\n  ${faults.join('\n  ')}`);
  return { glibc: highest.join('.'), libraries };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { glibc, libraries } = checkBinary(process.argv[2]);
  console.log(`${process.argv[2]} needs glibc ${glibc} or newer and ${libraries.join(', ')}`);
}
