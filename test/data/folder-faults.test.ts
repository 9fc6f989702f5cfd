// Proves lib/data/folder-faults.ts: what is wrong with a folder of images is said at once, each kind with its first few.

import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { FolderFaults } from '../../lib/data/folder-faults.js';
import { ArgumentError, FileFormatError, datasets } from '../../lib/index.js';
import { plant, pngOf } from '../helpers/pictures.js';

const isThere = await import('sharp').then(
  () => true,
  () => false,
);
const folder = mkdtempSync(join(tmpdir(), 'nodegrad-faults-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test('one fault is the error that it is alone, and none is none', (t) => {
  const faults = new FolderFaults('photos');
  t.notThrows(() => faults.refuse());
  const error = new ArgumentError('the images of photos are of several sizes');
  faults.add(error);
  t.is(
    t.throws(() => faults.refuse()),
    error,
  );
});

test('many files are counted, the first three by their paths are named, and the way out stands once', (t) => {
  const faults = new FolderFaults('photos');
  for (const name of ['e', 'c', 'a', 'd', 'b']) faults.addFile(`cat/${name}.png`, ' is no file');
  const { message } = t.throws(() => faults.refuse(), { instanceOf: FileFormatError })!;
  t.regex(message, /^photos: cat\/a\.png is no file; cat\/b\.png is no file; cat\/c\.png is no file; and 2 more\. `damaged: 'skip'`[^`]*$/);
});

(isThere ? test : test.skip)('a folder with faults of several kinds is refused once, with all of them', async (t) => {
  const path = plant(join(folder, 'photos'), {
    'cat/0.png': pngOf([1, 1, 1], 5, 5),
    'cat/1.png': pngOf([1, 1, 1], 4, 4),
    'cat/cut.png': Buffer.from('noise'),
    'cat/last.png': Buffer.from('noise'),
    'dog/readme.txt': Buffer.from('no image'),
    'emu/readme.txt': Buffer.from('no image'),
  });
  symlinkSync('nowhere.png', join(path, 'cat/link.png'));
  const { message } = (await t.throwsAsync(datasets.imageFolder(path, { cache: false, raw: true }), { code: 'ERR_FILE_FORMAT' }))!;
  const [head, classes, sizes, damage] = message.split('\n');
  t.is(head, `${path}: 3 things are wrong`);
  t.regex(classes, /^1\. the folder dog holds no image that can be read \(.*\); the folder emu holds no image .*\. Take it away, /);
  t.regex(sizes, /^2\. the images of .* are of several sizes \(cat\/0\.png is 5×5, cat\/1\.png is 4×4\): say which with `imageSize`$/);
  t.regex(
    damage,
    /^3\. cat\/cut\.png: this image cannot be decoded: .*; cat\/last\.png: .*; cat\/link\.png is a symbolic link that leads nowhere/,
  );
});
