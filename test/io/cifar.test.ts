// Proves lib/io/cifar.ts: layout, labels, and refusal of everything else.
import test from 'ava';
import fc from 'fast-check';
import { decodeCifar, NodegradError } from '../../lib/index.js';

const record = (labels: number[], value: (channel: number, pixel: number) => number): number[] => [
  ...labels,
  ...Array.from({ length: 3072 }, (_, i) => value(Math.floor(i / 1024), i % 1024) & 255),
];

test('channels one after the other become pixels, for one label byte and for two', (t) => {
  const first = record([3], (c, i) => 50 * c + i);
  const second = record([9], (c, i) => 7 * c + 3 * i);
  const { images, labels } = decodeCifar(Uint8Array.from([...first, ...second]));
  t.deepEqual(labels, Int32Array.of(3, 9));
  for (let i = 0; i < 1024; i++) {
    for (let c = 0; c < 3; c++) {
      t.is(images[3 * i + c], (50 * c + i) & 255);
      t.is(images[3072 + 3 * i + c], (7 * c + 3 * i) & 255);
    }
  }
  const fine = decodeCifar(Uint8Array.from(record([19, 99], (c) => c)), { kind: 'cifar100' });
  t.deepEqual(fine.labels, Int32Array.of(99));
  t.deepEqual([...fine.images.subarray(0, 4)], [0, 1, 2, 0]);
});

test('files that are empty, cut or hold a wrong label are refused with the byte', (t) => {
  const good = record([1], () => 0);
  t.throws(() => decodeCifar(new Uint8Array(0)), { code: 'ERR_FILE_FORMAT' });
  t.throws(() => decodeCifar(Uint8Array.from(good.slice(1)), { name: 'x.bin' }), { code: 'ERR_FILE_FORMAT', message: /^x\.bin: .*3073.*3072/ });
  t.throws(() => decodeCifar(Uint8Array.from([...good, ...record([10], () => 0)])), {
    code: 'ERR_FILE_FORMAT',
    message: /found 10 at byte 3073/,
  });
  t.throws(() => decodeCifar([] as never), { code: 'ERR_ARGUMENT' });
  t.throws(() => decodeCifar(Uint8Array.from(good), { kind: 'cifar' as never }), { code: 'ERR_ARGUMENT' });
});

test('bytes of any sort give images or a typed error', (t) => {
  const property = fc.property(
    fc.nat(3),
    fc.nat(2),
    fc.nat(255),
    fc.constantFrom('cifar10' as const, 'cifar100' as const),
    (count, more, fill, kind) => {
      try {
        decodeCifar(new Uint8Array(count * 3073 + more).fill(fill), { kind });
      } catch (error) {
        t.true(error instanceof NodegradError);
      }
    },
  );
  fc.assert(property);
  t.pass();
});
