// Proves lib/report/tensorboard.ts and event-file.ts: records with known checksums, and the numbers that TensorBoard's own reader finds.

import test from 'ava';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArgumentError, TensorBoardLog } from '../../lib/index.js';
import { checksum, encodeRecord } from '../../lib/report/event-file.js';
import { testWithPython } from '../helpers/python.js';
import { inFolder, train } from '../helpers/reports.js';

const filesOf = (folder: string): string[] => readdirSync(folder).map((name) => join(folder, name));

/** The bodies of the records of a file. */
function recordsOf(file: string): Buffer[] {
  const bytes = readFileSync(file);
  const bodies: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 16 + bodies.at(-1)!.length)
    bodies.push(bytes.subarray(at + 12, at + 12 + Number(bytes.readBigUInt64LE(at))));
  return bodies;
}

test('checksums are CRC-32C, and a record is length, checksum, event, checksum', (t) => {
  // RFC 3720, B.4.
  t.is(checksum(Buffer.from('123456789')), 0xe3069283);
  t.is(checksum(Buffer.alloc(32)), 0x8a9136aa);
  t.is(checksum(Buffer.alloc(32, 255)), 0x62a8ab43);
  const record = encodeRecord({ time: 1, step: 300, version: 'brain.Event:2' });
  const body = Buffer.from('09000000000000f03f10ac021a0d627261696e2e4576656e743a32', 'hex');
  t.is(record.readBigUInt64LE(0), BigInt(body.length));
  t.deepEqual(record.subarray(12, 12 + body.length), body);
  const masked = (bytes: Uint8Array): number => (((checksum(bytes) >>> 15) | (checksum(bytes) << 17)) + 0xa282ead8) >>> 0;
  t.is(record.readUInt32LE(8), masked(record.subarray(0, 8)));
  t.is(record.readUInt32LE(12 + body.length), masked(body));
});

test('a run writes one file of whole records, each run its own; a folder that cannot be made is refused', async (t) => {
  await inFolder(async (folder) => {
    const dir = join(folder, 'board');
    await train(folder, { tensorboard: dir });
    await train(folder, { callbacks: [new TensorBoardLog(dir)] });
    t.is(filesOf(dir).length, 2);
    const [a, b] = filesOf(dir).map((file) => recordsOf(file).length);
    t.is(a, b);
    t.true(a > 64 + 4);
    writeFileSync(join(folder, 'file'), '');
    const refused = train(folder, { tensorboard: join(folder, 'file', 'x') });
    await t.throwsAsync(refused, { instanceOf: ArgumentError, message: /a folder that can be made/ });
    t.throws(() => new TensorBoardLog(3 as never), { instanceOf: ArgumentError });
  });
});

const reader = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
board = EventAccumulator(sys.argv[1], size_guidance={'scalars': 0, 'histograms': 0})
board.Reload()
tags = board.Tags()
print(json.dumps({
    'scalars': {tag: [[one.step, one.value] for one in board.Scalars(tag)] for tag in tags['scalars']},
    'histograms': {tag: [[one.step, one.histogram_value.num, one.histogram_value.min, one.histogram_value.max, sum(one.histogram_value.bucket), len(one.histogram_value.bucket_limit)] for one in board.Histograms(tag)] for tag in tags['histograms']},
}))`;

testWithPython('tensorboard', "TensorBoard's own reader finds every loss, score, ratio and histogram", async (t, python) => {
  await inFolder(async (folder) => {
    const losses: number[] = [];
    const dir = join(folder, 'board');
    const { epochs } = await train(folder, { tensorboard: dir, callbacks: [{ onSteps: (steps) => losses.push(...steps.losses) }] });
    const { scalars, histograms } = JSON.parse(python(reader, dir)) as {
      scalars: Record<string, [step: number, value: number][]>;
      histograms: Record<string, [step: number, count: number, min: number, max: number, sum: number, bins: number][]>;
    };
    t.deepEqual(
      scalars['loss/step'],
      losses.map((loss, i) => [i + 1, Math.fround(loss)]),
    );
    const byEpoch = (read: (record: (typeof epochs)[number]) => number): [number, number][] =>
      epochs.map((record) => [16 * record.epoch, Math.fround(read(record))]);
    t.deepEqual(
      scalars['loss/training'],
      byEpoch(({ loss }) => loss),
    );
    t.deepEqual(
      scalars['loss/validation'],
      byEpoch(({ validation }) => validation!.loss),
    );
    t.deepEqual(
      scalars['accuracy/validation'],
      byEpoch(({ validation }) => validation!.metrics['accuracy']),
    );
    t.deepEqual(
      scalars['lr'],
      byEpoch(({ lr }) => lr),
    );
    t.deepEqual(Object.keys(histograms).sort(), ['outputs/1', 'outputs/2']);
    for (const list of Object.values(histograms)) {
      t.true(list.length >= 6);
      for (const [, count, min, max, sum, bins] of list) {
        t.is(count, sum);
        t.true(max > min && bins > 1);
      }
    }
    t.is(histograms['outputs/1'][0][1], 32 * 16);
    t.true(scalars['updates/0.weight'].every(([, ratio]) => ratio > 0) && scalars['gradients/0.weight'].length >= 6);
  });
});
