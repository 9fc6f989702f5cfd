// The measuring instruments are tested before anything is measured with them: each must reject what it exists to reject.
import test, { type ExecutionContext } from 'ava';
import { close, identical, worst } from './close.js';
import { outputDifference } from './expected-output.js';
import { generatorSha256, golden, goldenStems, Lcg, largeNet, values } from './golden.js';
import { specials } from './special.js';
import { order32, steps32, steps64, ulp32, ulpSize32 } from './ulp.js';

/** True when `body` fails an assertion; the failure itself is discarded. */
async function rejects(t: ExecutionContext, body: (inner: ExecutionContext) => void): Promise<boolean> {
  const attempt = await t.try((inner) => body(inner));
  attempt.discard();
  return !attempt.passed;
}

test('closeness names the worst element, not the first or the largest', (t) => {
  const found = worst({ data: [1, 2.5, 1000.2, 4], shape: [2, 2] }, [1, 2, 1000, 4], { relative: 1e-3 });
  t.is(found?.index, 1);
  t.deepEqual(found?.place, [0, 1]);
  t.is(found?.error, 0.5);
});

test('closeness does not loosen with the number of elements', async (t) => {
  const many = new Float64Array(100_000).fill(1);
  const off = many.slice();
  off[77_777] = 1 + 2e-6;
  t.true(await rejects(t, (inner) => close(inner, off, many, { relative: 1e-6 })));
  t.false(await rejects(t, (inner) => close(inner, off, many, { relative: 3e-6 })));
});

test('closeness rejects NaN, infinities, other shapes and other lengths', async (t) => {
  for (const [actual, expected] of [
    [NaN, 1],
    [1, NaN],
    [Infinity, 1],
    [Infinity, -Infinity],
    [1, Infinity],
  ]) {
    t.true(await rejects(t, (inner) => close(inner, [actual], [expected], { absolute: 1e308, relative: 1 })), `${actual} for ${expected}`);
  }
  t.true(await rejects(t, (inner) => close(inner, { data: [1, 2], shape: [2] }, { data: [1, 2], shape: [1, 2] }, { absolute: 1 })));
  t.true(await rejects(t, (inner) => close(inner, [1, 2], [1], { absolute: 10 })));
  t.true(await rejects(t, (inner) => close(inner, [1 + 1e-12], [1], { absolute: NaN })));
  t.true(await rejects(t, (inner) => close(inner, [1e-300], [0], { relative: 1 })));
  t.false(await rejects(t, (inner) => close(inner, [NaN, Infinity, -0], [NaN, Infinity, 0], {})));
});

test('identity tells -0 from 0, one unit in the last place from none, and takes every NaN for NaN', async (t) => {
  t.true(await rejects(t, (inner) => identical(inner, [-0], [0])));
  t.true(await rejects(t, (inner) => identical(inner, [1 + Number.EPSILON], [1])));
  t.true(await rejects(t, (inner) => identical(inner, [1], [1, 2])));
  t.false(await rejects(t, (inner) => identical(inner, [NaN, -0], [NaN, -0])));
});

test('a correctly rounded float32 lies within half a unit of its float64 reference, over the whole range', (t) => {
  const lcg = new Lcg(1);
  for (let count = 0; count < 2000; count++) {
    const reference = (lcg.next() + 0.5) * 2 ** Math.floor(lcg.next() * 276 - 149) * (count % 2 === 0 ? 1 : -1);
    const distance = ulp32(Math.fround(reference), reference);
    t.true(distance <= 0.5, `${reference}: ${distance}`);
  }
  t.is(ulpSize32(1), 2 ** -23);
  t.is(ulpSize32(0.999), 2 ** -24);
  t.is(ulpSize32(0), 2 ** -149);
  t.is(ulpSize32(3.4e38), 2 ** 104);
});

test('units in the last place are counted across zero, the denormals and the overflow threshold', (t) => {
  t.is(ulp32(Math.fround(1 + 2 ** -23), 1), 1);
  t.is(ulp32(1 - 2 ** -24, 1), 0.5, 'below a power of two the reference binade sets the unit');
  t.is(ulp32(2 ** -149, 0), 1);
  t.is(ulp32(Infinity, 3.5e38), 0);
  t.is(ulp32(Infinity, 3.4e38), Infinity);
  t.is(ulp32(-Infinity, 3.5e38), Infinity);
  t.is(ulp32(NaN, NaN), 0);
  t.is(ulp32(0, NaN), Infinity);
  t.is(steps32(-(2 ** -149), 2 ** -149), 2);
  t.is(steps32(0, -0), 0);
  t.is(steps64(1, 1 + Number.EPSILON), 1);
  t.is(steps64(-Number.MIN_VALUE, Number.MIN_VALUE), 2);
  t.is(order32(Infinity) - order32(3.4028234663852886e38), 1);
});

test('special values are exact in their type and in order, with neighbours where a type ends', (t) => {
  for (const { name, value } of specials('float32')) t.true(Object.is(Math.fround(value), value), name);
  for (const dtype of ['float32', 'float64'] as const) {
    const list = specials(dtype).map((special) => special.value);
    t.is(list.length, 17);
    t.is(new Set(list.map((value) => (Object.is(value, -0) ? '-0' : String(value)))).size, 17);
  }
  const by = new Map(specials('float64').map((special) => [special.name, special.value]));
  t.is(steps64(by.get('+the largest denormal') as number, by.get('+the smallest normal') as number), 1);
  t.is(steps64(by.get('+the largest finite') as number, Infinity), 1);
});

test('every golden file was written by the generator that stands beside it', (t) => {
  for (const stem of goldenStems) {
    const { generator, generatorSha256: stored, ...origin } = golden(stem);
    t.is(stored, generatorSha256(generator), `${stem}.json is stale: run python ${generator}`);
    t.regex('torch' in origin ? origin.torch : origin.optax, /^\d+\.\d+/);
  }
});

test('golden arrays fill their shapes, and inputs are float32 numbers', (t) => {
  for (const one of golden('ops').cases) {
    for (const input of one.inputs) {
      t.is(input.dtype, 'float32', one.name);
      t.true(
        values(input, 'float64').every((value) => Math.fround(value) === value),
        one.name,
      );
    }
    t.notThrows(() => values(one.output, 'float64'), one.name);
  }
});

test('the large net is drawn here exactly as the generator drew it', (t) => {
  const file = golden('mlp-large');
  const { inputs, labels, weights } = largeNet(file);
  t.deepEqual([...inputs.subarray(0, 4)], [...file.firstInputs]);
  t.is(weights[1][weights[1].length - 1], file.lastWeight);
  const counts = new Array<number>(10).fill(0);
  for (const label of labels) counts[label]++;
  t.deepEqual(counts, [...file.labelCounts]);
});

test('what a program printed is compared as text, numbers with ± within that, times and paths by their form', (t) => {
  const expected = 'accuracy 0.93±0.02 after {time}\nsaved {path}, 1,234 weights\n  a  -3±1 {text}\n{lines}\nend of {number}\n';
  const received = 'accuracy 0.914 after 12.5 s\nsaved /tmp/x.svg, 1,234 weights\na -2 and more\n\nanything\nend of 1e-5\n';
  t.is(outputDifference(expected, received), null);
  for (const [right, wrong, place] of [
    ['0.914', '0.909', 'line 1'],
    ['0.914', 'NaN', 'line 1'],
    ['12.5 s', 'soon', 'line 1'],
    ['1,234', '1,235', 'line 2'],
    ['/tmp/x.svg', '', 'line 2'],
    ['-2', '2', 'line 3'],
    ['a -2 and more\n', '', 'line 3'],
    ['end of 1e-5\n', '', 'lines from 4'],
    ['1e-5', '1e-5!', 'lines from 4'],
    ['1e-5\n', '1e-5\nmore', 'line 7'],
  ])
    t.regex(outputDifference(expected, received.replace(right, wrong)) ?? 'equal', new RegExp(`in (the )?${place}`), `${right} → ${wrong}`);
  t.regex(outputDifference('a.c', 'abc') ?? 'equal', /line 1/); // no pattern: text
});
