// What is read from the headers of PE and Mach-O files, and what a release build is refused for, on small libraries that Zig makes here.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { root } from '../helpers/sources.js';

interface Pe {
  readonly machine: number;
  readonly imports: Record<string, readonly string[]>;
  readonly exported: readonly string[];
  readonly randomAddress: boolean;
  readonly noExecutableData: boolean;
  readonly system: string;
}
interface MachO {
  readonly processor: number;
  readonly imports: Record<string, readonly string[]>;
  readonly ofLoader: readonly string[];
  readonly exported: readonly string[];
  readonly system: string;
  readonly signed: boolean;
}
interface Headers {
  readPe(bytes: Uint8Array): Pe;
  readMachO(bytes: Uint8Array): MachO;
}
const script = <T>(name: string): Promise<T> => import(pathToFileURL(join(root, 'scripts', name)).href) as Promise<T>;
const { readPe, readMachO } = await script<Headers>('binary-headers.mjs');
const { checkRelease } = await script<{ checkRelease(platform: string, path: string): string }>('check-binary.mjs');
const zig = (await script<{ findZig(): string | undefined }>('zig.mjs')).findZig();

const entries = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
const shown = (names: readonly string[]): string =>
  names.map((name) => `__attribute__((visibility("default"))) int ${name}(void) { return 9; }`).join('\n');
const [arm, intel] = [0x0100000c, 0x01000007];

/** A library of `source` for `target`, or undefined, where there is no Zig. */
function made(t: ExecutionContext, target: string, source: string, flags: readonly string[]): string | undefined {
  if (zig === undefined) {
    t.log('skipped: npm run build:platform has not installed Zig here');
    t.pass();
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-headers-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const [text, library] = [join(folder, 'library.c'), join(folder, 'library.node')];
  writeFileSync(text, source);
  execFileSync(zig, ['cc', '-target', target, '-g0', '-O1', '-fvisibility=hidden', '-fno-builtin', '-shared', ...flags, text, '-o', library]);
  return library;
}

const windows = (t: ExecutionContext, source: string, ...flags: string[]): string | undefined => {
  const text = source.replaceAll('visibility("default")', 'dllexport');
  return made(t, 'x86_64-windows-gnu', `int DllMain(void* a, int b, void* c) { return 1; }\n${text}`, [
    '-nostdlib',
    '-Wl,-e,DllMain',
    ...flags,
  ]);
};
const mac = (t: ExecutionContext, cpu: string, source: string, version = '11.0'): string | undefined =>
  made(t, `${cpu}-macos.${version}`, source, ['-undefined', 'dynamic_lookup']);

test('of a PE file its libraries with what it takes from each, what it shows, and how it may be loaded', (t) => {
  const library = windows(
    t,
    `__declspec(dllimport) void* GetProcAddress(void*, const char*);\n__declspec(dllimport) void* GetModuleHandleA(const char*);
    ${shown(entries)}\n__attribute__((visibility("default"))) void* host(void) { return GetProcAddress(GetModuleHandleA(0), "napi_throw"); }`,
    '-lkernel32',
  );
  if (library === undefined) return;
  const { machine, imports, exported, randomAddress, noExecutableData, system } = readPe(readFileSync(library));
  t.is(machine, 0x8664);
  t.deepEqual(
    Object.entries(imports).map(([name, names]) => [name.toLowerCase(), [...names].sort()]),
    [['kernel32.dll', ['GetModuleHandleA', 'GetProcAddress']]],
  );
  t.deepEqual([...exported].sort(), ['host', ...entries]);
  t.true(randomAddress && noExecutableData);
  t.regex(system, /^\d+\.\d+$/);
  t.throws(() => checkRelease('win32-x64', library), { message: /it shows host, napi_register_module_v1/ });
});

test('a release for Windows that lies at a fixed address, executes data or takes an exponential of the system is refused', (t) => {
  const library = windows(
    t,
    `__declspec(dllimport) double exp(double);\n__declspec(dllimport) int MessageBeep(unsigned);\n${shown(entries)}
    __attribute__((visibility("default"))) double value(double x) { return exp(x) + MessageBeep(0); }`,
    ...['-lapi-ms-win-crt-math-l1-1-0', '-luser32'],
  );
  if (library === undefined) return;
  const bytes = readFileSync(library);
  const flags = bytes.readUInt32LE(0x3c) + 24 + 70; // DllCharacteristics; Zig's linker always asks for both
  bytes.writeUInt16LE(bytes.readUInt16LE(flags) & ~0x160, flags);
  writeFileSync(library, bytes);
  const { randomAddress, noExecutableData } = readPe(readFileSync(library));
  t.false(randomAddress || noExecutableData);
  const { message } = t.throws(() => checkRelease('win32-x64', library));
  for (const fault of [
    'an address that nobody knows',
    'data may be executed',
    'may lack: user32.dll',
    'transcendental functions or fma of the system: exp',
  ])
    t.true(message.toLowerCase().includes(fault), `${fault}\n${message}`);
});

for (const [cpu, platform, processor] of [
  ['aarch64', 'darwin-arm64', arm],
  ['x86_64', 'darwin-x64', intel],
] as const) {
  const source = `int napi_throw(int); unsigned long strlen(const char*);
    ${shown(entries)}\n__attribute__((visibility("default"))) int other(const char* x) { return napi_throw((int)strlen(x)); }\nint hidden(void) { return other("a"); }`;

  test(`of a Mach-O file for ${cpu} its libraries, what it leaves to its loader, what it shows, and the oldest macOS`, (t) => {
    const library = mac(t, cpu, source);
    if (library === undefined) return;
    const found = readMachO(readFileSync(library));
    t.is(found.processor, processor);
    t.is(found.system, '11.0');
    t.deepEqual(Object.keys(found.imports), ['/usr/lib/libSystem.B.dylib']);
    t.true(found.imports['/usr/lib/libSystem.B.dylib']!.includes('strlen'));
    t.deepEqual([...found.ofLoader], ['napi_throw']);
    for (const name of ['other', ...entries]) t.true(found.exported.includes(name), name);
    t.false(found.exported.includes('hidden'));
    if (cpu === 'aarch64') t.true(found.signed);
  });

  test(`a release as ${platform} is refused for another processor, another macOS, names that Node.js lacks, and what it shows beside its entries`, (t) => {
    const library = mac(
      t,
      cpu,
      `int strange(void);\ndouble cosh(double);\n${shown(['other', ...entries])}\nint use(void) { return strange() + (int)cosh(1); }
      __attribute__((visibility("default"))) int (*const uses)(void) = use;`,
      '12.3',
    );
    if (library === undefined) return;
    const wrong = platform === 'darwin-x64' ? 'darwin-arm64' : 'darwin-x64';
    const { message } = t.throws(() => checkRelease(wrong, library));
    t.true(message.includes(`it is not for ${wrong.slice(7)}`), message);
    const faults = [
      'it is for macOS 12.3',
      'names that Node.js may lack: strange',
      'transcendental functions or fma of the system: cosh',
      'it shows ',
    ];
    for (const fault of faults) t.true(message.includes(fault), `${fault}\n${message}`);
  });
}

test('other bytes are neither', (t) => {
  const bytes = Buffer.alloc(512, 'MZ');
  bytes.writeUInt32LE(64, 0x3c);
  t.throws(() => readPe(bytes), { message: 'not a 64-bit PE file' });
  t.throws(() => readMachO(bytes), { message: 'not a Mach-O file of 64 bits' });
});
