// Arguments that crashed other libraries, in terms of today's operations, and those that once harmed this one: refused, and at once.
import test, { type ExecutionContext } from 'ava';
import {
  Adam,
  concat,
  crossEntropy,
  ExponentialDecay,
  full,
  histogram,
  Linear,
  logSoftmax,
  mlp,
  NodegradError,
  ones,
  Parameter,
  Random,
  Sequential,
  softmax,
  stack,
  StepDecay,
  Tensor,
  tensor,
  where,
  Zeros,
  zeros,
} from '../../lib/index.js';
import { nativeOps, run } from '../../lib/native.js';

type Call = () => unknown;

// The processor time of a call in milliseconds: other work on the machine does not count.
function cost(call: Call): number {
  const before = process.cpuUsage();
  call();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function refused(t: ExecutionContext, name: string, call: Call): void {
  let error: unknown;
  const spent = cost(() => {
    try {
      call();
    } catch (caught) {
      error = caught;
    }
  });
  t.true(error instanceof NodegradError, `${name}: ${error === undefined ? 'was not refused' : String(error)}`);
  t.true(spent < 1000, `${name} took ${spent} ms`);
}

const x = (): Tensor => ones([2, 3]);
const huge = 2 ** 32;
const corpus: Record<string, Call> = {
  // pytorch#161877, #161875: padding near 2^63
  'padding 9223372036854775803': () => x().pad([[0, 0], [9223372036854775803, 0]]), // biome-ignore format: one line
  'padding of both sides that overflows together': () => x().pad([[2 ** 31, 2 ** 31], [2 ** 31, 2 ** 31]]), // biome-ignore format: one line
  'negative padding': () => x().pad([[-1, 0], [0, 0]]), // biome-ignore format: one line
  // pytorch#73190, #142454: kernel 8608480567731124087 with padding 1250999896764
  'kernel 8608480567731124087 as a dimension': () => x().reshape([8608480567731124087, 1]),
  'kernel 8608480567731124087 as a slice': () => x().slice([0, 0], [2, 8608480567731124087]),
  'padding 1250999896764': () => x().pad([[1250999896764, 1250999896764], [0, 0]]), // biome-ignore format: one line
  // pytorch#136719: kernel and dilation 536870912 and 1879048192
  'split into 1879048192 parts': () => x().split(1879048192, 1),
  'split into sizes that overflow an int32 together': () => x().split([1879048192, -1879048189], 1),
  'gather beyond the table': () => x().gather([536870912]),
  'gather of 2^31': () => x().gather([2 ** 31]),
  // TensorFlow CVE-2021-41197, CVE-2022-23567: products of dimensions that overflow
  'zeros of [2^32, 2^32]': () => zeros([huge, huge]),
  'zeros of [2^32, 2^32, 2^32, 2^32]': () => zeros([huge, huge, huge, huge]),
  'zeros of [2^32, 0]': () => zeros([huge, huge, 0]),
  'reshape of nothing to [0, 2^53 - 1]': () => zeros([0]).reshape([0, 2 ** 53 - 1]),
  'reshape to a product of 2^64': () => x().reshape([huge, huge]),
  'reshape to a product that wraps round to 6': () => x().reshape([2 ** 33 + 3, 2 ** 31]),
  'a float dimension': () => zeros([1.5]),
  'dimension NaN': () => zeros([NaN]),
  'dimension Infinity': () => zeros([Infinity]),
  'nine dimensions': () => zeros([1, 1, 1, 1, 1, 1, 1, 1, 1]),
  // CVE-2021-29584, CVE-2022-21740: negative and missing parts
  'negative dimensions whose product is positive': () => zeros([-2, -3]),
  'two unknown dimensions': () => x().reshape([-1, -1]),
  'broadcast of 2^20 × 2^20': () => zeros([2 ** 20, 1]).add(zeros([1, 2 ** 20])).add(zeros([2 ** 20])), // biome-ignore format: one line
  'matrix product of 2^20 × 1 × 2^20': () => zeros([2 ** 20, 1]).matmul(zeros([1, 2 ** 20])),
  'stack of nothing': () => stack([]),
  'concat of nothing': () => concat([]),
  'concat of holes': () => concat(new Array<Tensor>(3)),
  'zero batch with an axis outside': () => zeros([0, 3]).max(2),
  'largest of nothing': () => zeros([0, 3]).max(0),
  'labels for no class': () => crossEntropy(zeros([2, 0]), Tensor.from(new Int32Array(2))),
  'label -1': () => crossEntropy(x(), Tensor.from(Int32Array.of(0, -1))),
  'label 2^31 - 1': () => crossEntropy(x(), Tensor.from(Int32Array.of(0, 2 ** 31 - 1))),
  'bins 2^31': () => histogram(x(), { bins: 2 ** 31 }),
  'range of the whole line': () => histogram(x(), { range: [-1.7e308, 1.7e308] }),
  'a condition of floats': () => where(x() as never, x(), x()),
  'a hidden layer of 2^31 units': () => mlp({ hidden: [2 ** 31] }).parameters()[0].data,
  'a Linear of 2^26 × 2^26': () => new Linear(2 ** 26, 2 ** 26).weight.data,
  'toArray of 2^27 empty arrays': () => zeros([2 ** 27, 0]).toArray(),
  'an empty axis in 2^24 parts': () => zeros([0]).split(2 ** 24),
  'a gradient of another size': () => {
    new Parameter([3], { init: new Zeros() }).grad = tensor([1]);
  },
  'a permutation of 2^31': () => new Random(1).permutation(2 ** 31),
};

for (const [name, call] of Object.entries(corpus)) {
  test(`${name} is refused at once`, (t) => refused(t, name, call));
}

const soon: Record<string, Call> = {
  'the sum over a long axis of an empty tensor': () => zeros([2 ** 40, 0]).sum(0),
  'the softmax of 2^40 empty rows': () => softmax(zeros([2 ** 40, 0])),
  'the log-softmax of 2^40 empty rows': () => logSoftmax(zeros([2 ** 40, 0])),
  'the largest of 2^40 empty columns': () => zeros([2 ** 40, 3, 0]).max(1),
  'the concatenation of 2^40 empty rows': () => concat([zeros([2 ** 40, 0]), zeros([2 ** 40, 0])], 1),
  'the transpose of an empty tensor': () => zeros([2 ** 40, 0]).transpose(),
  'the broadcast of an empty tensor': () => zeros([2 ** 30, 0]).add(zeros([1, 1])),
  'the gradient of the largest of empty columns': () => {
    const leaf = zeros([2 ** 38, 3, 0]);
    leaf.requiresGrad = true;
    leaf.max(1).sum().backward();
  },
  'a matrix product without an inner dimension': () =>
    ones([3, 0])
      .matmul(ones([0, 2]))
      .toArray(),
  'a learning rate after 2^53 - 1 epochs': () => {
    new StepDecay(0.1, { every: 1 }).at(2 ** 53 - 1);
    new ExponentialDecay(0.1, { factor: 0.5 }).at(2 ** 53 - 1);
  },
  'a step of Adam after 2^52 others': () => {
    const model = new Linear(2, 2);
    const optimizer = new Adam(model);
    optimizer.loadStateDict({ ...optimizer.stateDict(), step: 2 ** 52, counts: Object.fromEntries(Object.keys(optimizer.stateDict().counts).map((k) => [k, 2 ** 52])) }); // biome-ignore format: one line
    model
      .forward(ones([1, 2]))
      .sum()
      .backward();
    optimizer.step();
  },
};

for (const [name, call] of Object.entries(soon)) {
  test(`${name} is there at once`, (t) => {
    let problem = '';
    const spent = cost(() => {
      try {
        call();
      } catch (error) {
        // Too large is an answer too.
        if (!(error instanceof NodegradError)) problem = String(error);
      }
    });
    t.is(problem, '');
    t.true(spent < 1500, `${spent} ms`);
  });
}

test('a failed constructor leaves nothing behind that other layers stumble over', (t) => {
  t.throws(() => new Sequential('layers' as never), { instanceOf: NodegradError });
  t.throws(() => new Sequential([new Linear(2, 2), null as never]), { instanceOf: NodegradError });
  t.is(new Parameter([3], { init: new Zeros() }).data.length, 3);
  t.is(new Linear(2, 3).weight.data.length, 6);
});

test('a state that cannot be loaded leaves the model as it was', (t) => {
  const model = new Sequential([new Linear(2, 3), new Linear(3, 2)]);
  const before = model.parameters().map((parameter) => [...parameter.data]);
  const gone = new Float32Array(2);
  const lost = Tensor.from(gone);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  const state = new Map<string, Tensor>([...model.stateDict()].map(([path, value]) => [path, full([...value.shape], 7) as Tensor]));
  state.set('1.bias', lost);
  t.throws(() => model.loadStateDict(state), { instanceOf: NodegradError });
  t.deepEqual(
    model.parameters().map((parameter) => [...parameter.data]),
    before,
  );
});

test('memory that is transferred away between forward and backward is an error that says so', (t) => {
  for (const make of [
    (a: Tensor) => a.mul(a).sum(),
    (a: Tensor) => a.matmul(ones([3, 2])).sum(),
    (a: Tensor) => softmax(a).sum(),
    (a: Tensor) => a.max(1).sum(),
    (a: Tensor) => new Linear(3, 2).forward(a).sum(),
    (a: Tensor) => a.reshape([3, 2]).transpose().slice(0, 1).pow(2).sum(),
  ]) {
    const data = Float32Array.from({ length: 6 }, (_, i) => i);
    const leaf = Tensor.from(data, [2, 3]);
    leaf.requiresGrad = true;
    const loss = make(leaf);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    try {
      loss.backward();
    } catch (error) {
      t.true(error instanceof NodegradError, String(error));
      t.regex((error as Error).message, /lost its memory/);
    }
  }
  const labels = new Int32Array(2);
  const target = Tensor.from(labels);
  structuredClone(labels.buffer, { transfer: [labels.buffer] });
  t.throws(() => crossEntropy(x(), target), { instanceOf: NodegradError, message: /lost its memory/ });
  t.throws(() => x().gather(target), { instanceOf: NodegradError });
});

test('proxies of tensors and of typed arrays are refused with a name', (t) => {
  t.throws(() => x().add(new Proxy(x(), {})), { instanceOf: NodegradError });
  t.throws(() => x().add(Object.create(Tensor.prototype) as Tensor), { instanceOf: NodegradError });
  t.throws(() => Tensor.from(new Proxy(new Float32Array(4), {})), { instanceOf: NodegradError });
  t.throws(() => Tensor.from(Object.create(Float32Array.prototype) as Float32Array), { instanceOf: NodegradError });
});

// ---- below lib: the native checks alone keep the process alive ----

test('every native operation refuses dimensions that do not fit its operands, whatever they are', (t) => {
  const numbers = [-1, 0, 1, 2, 3, 4, 8, 2 ** 31, 2 ** 32, 2 ** 52, 2 ** 53 - 1, -(2 ** 53 - 1), 0.5, NaN, Infinity];
  const operands = [
    new Float32Array(0),
    new Float32Array(1),
    new Float32Array(4),
    new Float32Array(8),
    new Float64Array(6),
    new Float64Array(8),
    new Int32Array(2),
    Int32Array.of(-1, 2 ** 30, 3, 0, 0, 0),
    new Uint8Array(4),
  ];
  const random = new Random(20261120);
  const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)];
  let accepted = 0;
  const began = process.cpuUsage();
  for (let i = 0; i < 60_000; i++) {
    const index = random.integer(nativeOps.length);
    const { signature, ints, reals } = nativeOps[index];
    const [plain, takes] = signature.split(';');
    const described = takes !== undefined && random.integer(2) === 0;
    // Mostly of the right dtype, so that the op's own check is reached; a descriptor may ask for some more.
    const letters = plain.replace(/[:*]/g, '') + (described ? 'T'.repeat(random.integer(3)) : '');
    const count = random.integer(20) === 0 ? random.integer(5) : letters.length;
    const chosen = Array.from({ length: count }, (_, j) => {
      const fitting =
        letters[j] === 'I'
          ? operands.slice(6, 8)
          : letters[j] === 'B'
            ? operands.slice(8)
            : letters[j] === 'D'
              ? operands.slice(4, 6)
              : operands.slice(0, 4);
      return (random.integer(10) === 0 ? pick(operands) : pick(fitting)).slice();
    });
    const integers = Array.from({ length: ints >= 0 ? ints : random.integer(12) }, () =>
      pick(random.integer(3) === 0 ? numbers : numbers.slice(1, 7)),
    );
    if (described) integers.push(random.integer(3) === 0 ? -1 - random.integer(1 << 18) : -1 - 2 ** random.integer(9));
    const more = described && random.integer(2) === 0 ? 2 : 0;
    const floats = Array.from({ length: Math.max(0, reals) + more }, () => pick(numbers));
    try {
      run(index, chosen, integers, floats);
      accepted++;
    } catch (error) {
      t.true(error instanceof NodegradError);
    }
  }
  const { user, system } = process.cpuUsage(began);
  t.log(`${accepted} of 60000 calls were valid`);
  t.true(accepted > 500);
  t.true((user + system) / 1e6 < 60);
});
