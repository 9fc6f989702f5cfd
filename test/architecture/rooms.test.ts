// The map of the house as a test: which way arrows point, and what each room must not say.
import test from 'ava';
import { circles, moduleState, type NativeRoom, roomOf, wrongImports, wrongNative, wrongUsers } from '../helpers/architecture.js';
import { readTree, type Tree } from '../helpers/sources.js';

const tree = readTree();
const invent = (files: Record<string, string>): Tree => new Map(Object.entries(files));

// ---- lib ----

const basics = ['foreign', 'names', 'words', 'progress', 'errors', 'dtype', 'environment', 'recording', 'context', 'options'];
const tensors = [...basics, 'random', 'seed', 'ops', 'tensor'];
const models = [...tensors, 'create', 'initializers', 'parameter', 'buffer', 'layers'];

/** Which rooms of lib, and which packages, each room may import. Everybody may use Node's own modules. */
const arrows: Record<string, readonly string[]> = {
  environment: [],
  installation: [],
  help: ['installation'],
  foreign: ['installation'],
  names: [],
  words: [],
  progress: ['errors', 'words'],
  errors: ['foreign', 'help', 'names', 'words'],
  dtype: ['foreign', 'errors'],
  options: ['errors'],
  // Types alone: of what each room holds in it.
  context: ['recording', 'ops', 'layers'],
  recording: ['names', 'errors', 'context'],
  platform: [],
  loader: ['errors', 'installation', 'bindings'],
  memory: ['errors'],
  native: [...basics, 'loader', 'memory'],
  runtime: ['errors', 'environment', 'installation', 'native', 'recording'],
  philox: [],
  random: ['foreign', 'names', 'errors', 'recording', 'philox'],
  seed: ['errors', 'recording', 'random'],
  // A tensor's methods are ops, and ops make tensors: lib/tensor/methods.ts joins the two.
  tensor: [...tensors, 'native'],
  create: [...tensors, 'native'],
  ops: [...tensors, 'native'],
  // What a file is going to take is compared with the memory that there is.
  io: [...tensors, 'memory', 'native', 'csv-parse', 'h5wasm'],
  initializers: tensors,
  preprocessing: [...tensors, 'native', 'data', 'tree'],
  parameter: [...tensors, 'native', 'initializers'],
  buffer: [...tensors, 'native'],
  // A copy of a model in training is taken between two steps. What a model gives may be several tensors.
  // What a picture of an architecture shows, the picture says.
  layers: [...models, 'program', 'tree', 'pictures'],
  tree: [...basics, 'tensor'],
  losses: [...tensors, 'tree'],
  metrics: tensors,
  regularizers: [...models, 'optimizers'],
  schedules: tensors,
  optimizers: [...models, 'native', 'schedules'],
  // What a feed is, the engine says: it knows no data set.
  data: [...tensors, 'create', 'native', 'io', 'memory', 'sharp', 'hyparquet', 'apache-arrow', 'tree', 'program'],
  models: [...models, 'io', 'training', 'tree'],
  program: [...tensors, 'native', 'memory', 'tree'],
  training: [
    ...models,
    'distributed',
    'losses',
    'metrics',
    'optimizers',
    'schedules',
    'data',
    'io',
    'preprocessing',
    'program',
    'regularizers',
    'runtime',
    'report',
    'sitter',
    'tree',
    'pictures',
  ],
  // What is done to inputs first may go into the file; the wire format is a package's business.
  onnx: [...models, 'memory', 'io', 'preprocessing', 'program', 'runtime', 'training', 'tree', '@bufbuild/protobuf/wire'],
  // A report is made of logs; for the last look at a trained model it needs what predicts, and what that is compared with.
  report: [...basics, 'installation', 'tensor', 'ops', 'io', 'data', 'layers', 'losses', 'sitter', 'training', 'evaluation'],
  // What mends a run scales its schedules.
  sitter: [
    ...models,
    'runtime',
    'losses',
    'metrics',
    'optimizers',
    'schedules',
    'data',
    'io',
    'preprocessing',
    'regularizers',
    'training',
    'tree',
  ],
  // A study that processes share lies in the store in which they meet.
  search: [...tensors, 'distributed', 'installation', 'native', 'io', 'data', 'sitter', 'training', 'tree', 'pg'],
  // Files are written and refusals worded as everywhere; what is started begins with a file of the package.
  distributed: [...tensors, 'io', 'native', 'loader', 'installation', 'program'],
  evaluation: [...models, 'losses', 'metrics', 'optimizers', 'data', 'preprocessing', 'program', 'tree', 'training'],
  // Pictures know no tensor: they draw numbers.
  pictures: ['errors', 'foreign', 'names'],
  finders: [...models, 'losses', 'optimizers', 'data', 'pictures', 'preprocessing', 'regularizers', 'seed', 'training'],
  // What they show is made of everything else.
  experiments: ['*'],
  cli: ['*', 'commander', 'yaml'],
  index: ['*'],
};

/** Who may take what from the one file that holds the binary. */
const usersOfNative: Record<string, readonly string[]> = {
  run: ['lib/ops/emit.ts'],
  allocate: ['lib/ops/emit.ts', 'lib/create.ts', 'lib/io/byte-source.ts'],
  allocateShared: [
    'lib/parameter.ts',
    'lib/buffer.ts',
    'lib/optimizers/state-memory.ts',
    'lib/data/feed.ts',
    'lib/data/images.ts',
    'lib/preprocessing/transformed.ts',
    'lib/program/program.ts',
    'lib/search/shared-data.ts',
  ],
  nativeOps: ['lib/ops/define.ts'],
  binding: ['lib/runtime.ts', 'lib/program/program.ts', 'lib/program/driver.ts', 'lib/program/describe.ts'],
  binaryOrigin: ['lib/runtime.ts'],
  binaryPath: ['lib/runtime.ts'],
  calibrate: [],
};

test('imports of lib follow the arrows', (t) => {
  t.deepEqual(wrongImports(tree, arrows), []);
  const wrong = invent({
    'lib/ops/a.ts': "import { Linear } from '../layers/linear.js';",
    'lib/data/b.ts': "export type { X } from '../../test/x.js';\nimport cheerio from 'cheerio';",
    'lib/attic/c.ts': "import { add } from '../ops/a.js';",
    'lib/tensor.ts': "const { fit } = await import('./training/fit.js');",
  });
  t.deepEqual(wrongImports(wrong, arrows), [
    'lib/ops/a.ts imports lib/layers/linear.ts: no arrow from ops to layers',
    'lib/data/b.ts imports test/x.ts, which is outside of lib',
    'lib/data/b.ts imports the package cheerio',
    'lib/attic/c.ts: the room attic is not on the map',
    'lib/tensor.ts imports lib/training/fit.ts: no arrow from tensor to training',
  ]);
  t.is(roomOf('lib/tensor.ts'), 'tensor');
});

test('no file needs itself to be loaded, but for the circles that are named here', (t) => {
  t.deepEqual(circles(tree), [
    // Gradients of broadcasting sum, and those of sums broadcast.
    ['lib/ops/elementwise.ts', 'lib/ops/reduce.ts', 'lib/ops/shape.ts'],
    // An operation is emitted on tensors and makes tensors, which know how to leave the tape.
    ['lib/ops/emit.ts', 'lib/tensor/core.ts'],
    // What may move in a list depends on what may refuse a step.
    ['lib/program/passes/checks.ts', 'lib/program/passes/list.ts'],
    // A step checks its loss as an evaluation does, which measures as a step does.
    ['lib/training/evaluate.ts', 'lib/training/train-step.ts'],
  ]);
  const wrong = invent({
    'lib/layers/layer.ts': "import { fit } from '../training/fit.js';",
    'lib/training/fit.ts': "import { check } from '../layers/check.js';\nimport type { History } from './history.js';",
    'lib/training/history.ts': "import { fit } from './fit.js';",
    'lib/layers/check.ts': "import { Layer } from './layer.js';",
  });
  t.deepEqual(circles(wrong), [['lib/layers/check.ts', 'lib/layers/layer.ts', 'lib/training/fit.ts']]);
});

test('the binary is loaded in one file, held in one, and every operation passes one place', (t) => {
  t.deepEqual(wrongUsers(tree, 'lib/loader.ts', { loadBinding: ['lib/native.ts'] }), []);
  t.deepEqual(wrongUsers(tree, 'lib/native.ts', usersOfNative), []);
  const loads = [...tree].filter(([path, text]) => /^lib\/.*\.ts$/.test(path) && /\b(createRequire|dlopen)\b/.test(text));
  t.deepEqual(
    loads.map(([path]) => path),
    // The second addon is another binary.
    ['lib/distributed/addon.ts', 'lib/loader.ts'],
  );
  const wrong = invent({ 'lib/layers/a.ts': "import { run, type NativeOp } from '../native.js';\nimport * as all from '../native.js';" });
  t.deepEqual(wrongUsers(wrong, 'lib/native.ts', usersOfNative), [
    'lib/layers/a.ts takes run from lib/native.ts',
    'lib/layers/a.ts takes * from lib/native.ts',
  ]);
});

/** Variables of the whole process in lib, by why they are none of the context's fields, which are in force for a call. */
const ofTheProcess: Record<string, readonly string[]> = {
  'counts: a number that was given is never given again': [
    'ops/emit: nextId',
    'seed: eras',
    'program/program: counted',
    'program/stream: streams',
  ],
  'what native threads have under way, which outlasts every call': [
    'ops/busy: count',
    'program/driver: driver',
    'program/driver: queued',
    'program/driver: trimming',
    'program/driver: lastTurn',
    'program/driver: turn',
    'program/driver: held',
  ],
  'the memory of the machine': ['memory: limits', 'memory: worthComparing', 'memory: since', 'memory: collect'],
  'set once, when the file that knows is loaded': [
    'layers/layer: mode',
    'layers/layer: rest',
    'layers/registry: noConfig',
    'parameter: prepareOwner',
  ],
  'kept to be used again: what it is changes no result': ['tensor/core: lastShape', 'data/feed: counting'],
  'the second addon': ['distributed/addon: loaded'],
  'the event loop, which is one': ['training/modes: lastTurn'],
  'the one search of a process or thread': ['cli/search-objective: prepared', 'search/worker: controller'],
  'how the command ends': ['cli/output: mustFinish', 'cli/output: isLost'],
};

test('what is in force for a call is a field of the context: variables of the process have a reason', (t) => {
  const named = Object.values(ofTheProcess).flatMap((names) => names.map((name) => `lib/${name.replace(':', '.ts:')}`));
  t.deepEqual(moduleState(tree).sort(), named.sort());
  const wrong = invent({ 'lib/ops/a.ts': 'let depth = 0;\nconst limit = 3;\nexport function f() {\n  let i = 0;\n  return i;\n}\n' });
  t.deepEqual(moduleState(wrong), ['lib/ops/a.ts: depth']);
});

// ---- native ----

const nodeApi = /\bNapi::|\bnapi_\w+/;
const intrinsics = /\b_mm\d*_\w+|\b__m(?:128|256|512)\w*|\b__mmask\d+|\bv\w+_[fsu](?:8|16|32|64)\b|\b(?:float|uint|int)\d+x\d+_t\b/;
const threads = /\bstd::(?:thread|mutex|atomic|async|condition_variable)\b|\bpthread_\w+|\bparallelFor\b/;
const allocation = /\bnew\s+[A-Z\w:]+[\s({[]|\b(?:malloc|calloc|realloc|aligned_alloc|mmap)\s*\(|\bstd::(?:vector|string|map|unique_ptr)\b/;
const throws = /\bthrow\b|\btry\s*\{|\bcatch\s*\(/;

const nativeRooms: Record<string, NativeRoom> = {
  kernels: {
    rooms: [],
    system: /^(cstdint|cstddef|immintrin\.h|arm_neon\.h)$/,
    banned: { 'mentions Node-API': nodeApi, 'starts or meets threads': threads, allocates: allocation, throws },
  },
  ops: {
    rooms: ['kernels', 'runtime', 'group'],
    system: /^(algorithm|atomic|cstddef|cstdint|cstdlib|cstring|limits)$/,
    banned: { 'mentions Node-API': nodeApi, 'holds an intrinsic': intrinsics, throws, allocates: allocation },
  },
  program: {
    rooms: ['kernels', 'runtime', 'ops'],
    system: /./,
    banned: { 'mentions Node-API': nodeApi, 'holds an intrinsic': intrinsics, throws },
  },
  runtime: { rooms: [], system: /./, banned: { 'mentions Node-API': nodeApi, throws } },
  group: {
    rooms: [],
    system: /./,
    banned: {
      'mentions Node-API': nodeApi,
      'holds an intrinsic': intrinsics,
      throws,
      'starts threads': /\bstd::(?:thread|async)\b|\bpthread_\w+/,
    },
  },
  // An addon of its own, on a library that throws.
  distributed: { rooms: ['group'], system: /./, banned: { 'holds an intrinsic': intrinsics } },
  binding: {
    rooms: ['ops', 'program', 'runtime', 'kernels', 'group'],
    system: /./,
    banned: { 'holds an intrinsic': intrinsics, throws, 'starts threads': threads },
  },
};
const nativeExceptions = {
  'native/kernels/table.h → native/runtime/cpu.h': 'the table is chosen by the CPU probe: the type of an instruction set stands there',
};

test('native code includes and says only what its room allows', (t) => {
  t.deepEqual(wrongNative(tree, nativeRooms, nativeExceptions), []);
  const wrong = invent({
    'native/kernels/a.h': '#include <vector>\n#include "../ops/op.h"\n// Napi:: in a comment is fine\nint* p = new int[3];',
    'native/ops/b.cc': '#include "../binding/binding.h"\n__m256 x = _mm256_setzero_ps();',
    'native/ops/e.cc': 'auto x = vaddq_f32(y, z);',
    'native/runtime/c.cc': '#include "../kernels/table.h"\nconst char* text = "napi_ok";',
    'native/attic/d.cc': '',
  });
  t.deepEqual(wrongNative(wrong, nativeRooms, nativeExceptions), [
    'native/kernels/a.h includes <vector>',
    'native/kernels/a.h includes native/ops/op.h',
    'native/kernels/a.h allocates: new int[',
    'native/ops/b.cc includes native/binding/binding.h',
    'native/ops/b.cc holds an intrinsic: __m256',
    'native/ops/e.cc holds an intrinsic: vaddq_f32',
    'native/runtime/c.cc includes native/kernels/table.h',
    'native/attic/d.cc: the room attic is not on the map',
  ]);
});

test('a kernel header includes nothing: it is compiled once per instruction set, inside a namespace', (t) => {
  const outside = ['all.h', 'table.h', 'bfloat16.h'];
  const headers = [...tree].filter(([path]) => /^native\/kernels\/.*\.h$/.test(path) && !outside.some((name) => path.endsWith(`/${name}`)));
  t.true(headers.length > 5);
  t.deepEqual(
    headers.filter(([, text]) => /^\s*#\s*include/m.test(text)).map(([path]) => path),
    [],
  );
});
