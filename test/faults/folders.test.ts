// Folders of images as people have them: no class is dropped or invented, no image counts twice, and each refusal says what was seen.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { datasets, type ImageFolderOptions } from '../../lib/index.js';
import { bmp, packed, plant, pngOf, type Tree } from '../helpers/pictures.js';

// An optional peer: without it nothing can be decoded.
const isThere = await import('sharp').then(
  () => true,
  () => false,
);
const decoding = isThere ? test : test.skip;
const folder = mkdtempSync(join(tmpdir(), 'nodegrad-folders-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

let planted = 0;
const make = (tree: Tree): string => plant(join(folder, `${planted++}`), tree);
const read = (path: string, options: ImageFolderOptions = {}) => datasets.imageFolder(path, { cache: false, ...options, raw: true });
const asText = ({ path, count, reason }: { path: string; count: number; reason: string }): string => `${path} (${count}): ${reason}`;
/** How many examples of each class a part has. */
const perClass = ({ train, test: held }: Awaited<ReturnType<typeof read>>): Record<string, [number, number]> =>
  Object.fromEntries(
    train.classes!.map((name, label) => [
      name,
      [train, held].map(({ targets }) => targets.data.filter((one) => one === label).length) as [number, number],
    ]),
  );

const parts: [what: string, tree: Tree, classes: Record<string, [number, number]>, leftOut: string[]][] = [
  ['test images without a label', { 'train/cat': 10, 'train/dog': 10, test: 5 }, { cat: [9, 1], dog: [9, 1] }, ['test/0.png (5)']],
  ['a preview', { 'train/cat': 3, 'val/cat': 2, docs: 1 }, { cat: [3, 2] }, ['docs/0.png (1)']],
  ['a stray image', { 'train/cat': 3, 'train/dog': 3, 'test/cat': 2, 'test/dog': 2, train: 1 }, { cat: [3, 2], dog: [3, 2] }, ['train/0.png (1)']],
  ['unlabelled images', { 'train/cat': 3, 'train/dog': 3, unlabeled: 9 }, { cat: [2, 1], dog: [2, 1] }, ['unlabeled/0.png (9)']],
  ['other names', { 'training_set/cat': 3, 'training_set/dog': 2, 'test_set/cat': 2, 'test_set/dog': 1 }, { cat: [3, 2], dog: [2, 1] }, []],
  ['dev', { 'dev/cat': 1, 'dev/dog': 1, 'train/cat': 3, 'train/dog': 3 }, { cat: [3, 1], dog: [3, 1] }, []],
  ['names around names', { 'seg_train/seg_train/sea': 3, 'seg_train/seg_train/ice': 2, 'seg_test/seg_test/sea': 1, 'seg_test/seg_test/ice': 1, 'seg_pred/seg_pred': 4 }, { ice: [2, 1], sea: [3, 1] }, ['seg_pred/seg_pred/0.png (4)']],
  ['a folder of images in each class', { 'train/n01/images': 3, 'train/n02/images': 3, 'val/images': 4, 'test/images': 4 }, { n01: [2, 1], n02: [2, 1] }, ['test/images/0.png (4)', 'val/images/0.png (4)']],
  ['a class that is called train', { bus: 4, train: 4, tram: 4 }, { bus: [3, 1], train: [3, 1], tram: [3, 1] }, []],
]; // biome-ignore format: a table

decoding('parts are found by name beside whatever else lies there, and what is left out is listed (fault F02)', async (t) => {
  for (const [what, tree, classes, leftOut] of parts) {
    for (const path of [make(tree), join(make({ 'all.tar': packed(tree) }), 'all.tar')]) {
      const data = await read(path);
      t.deepEqual(perClass(data), classes, what);
      t.deepEqual(data.leftOut.map((one) => asText(one).replace(/:.*/, '')).sort(), leftOut, what);
    }
  }
});

decoding('what is left out is said again when the images come from the cache, and a folder that appears is seen (fault F02)', async (t) => {
  process.env.NODEGRAD_CACHE = join(folder, 'cache');
  const path = make({ 'train/cat': 2, 'train/dog': 2, test: 3 });
  const load = async () => {
    let decoded = 0;
    const onProgress = (progress: { decoded: number }): void => void (decoded = progress.decoded);
    const { leftOut } = await read(path, { cache: true, onProgress });
    return { decoded, leftOut: leftOut.map(asText) };
  };
  const leftOut = ['test/0.png (3): in no folder that names a class'];
  t.deepEqual(await load(), { decoded: 4, leftOut });
  t.deepEqual(await load(), { decoded: 0, leftOut });
  mkdirSync(join(path, 'train/eel'));
  await t.throwsAsync(load, { message: /the folder train\/eel holds no image/ });
});

const doubts: [what: string, tree: Tree, message: RegExp][] = [
  ['parts without classes', { train: 5, test: 5 }, /test|train and test hold images, but no folders for their classes/],
  ['pictures and masks', { images: 4, masks: 4 }, /images and masks look like pictures and what belongs to each/],
  ['no part to train on', { 'test/cat': 3, 'test/dog': 3, 'val/cat': 3 }, /test and val look like parts, and none is to train on/],
  ['parts of unknown names', { 'fold1/cat': 2, 'fold1/dog': 2, 'fold2/cat': 2, 'fold2/dog': 2 }, /fold1 and fold2 hold the same folders \(cat and dog\)/],
  ['a third part with classes', { 'train/cat': 2, 'test/cat': 2, 'extra/cat': 2, 'extra/dog': 2 }, /train may be the part to train on, or a class beside extra/],
  ['a train of several kinds', { 'train/steam': 2, 'train/diesel': 2, bus: 2, car: 2 }, /train may be the part to train on, or a class beside bus and car/],
  ['a class that only the test part has', { 'train/cat': 2, 'test/cat': 2, 'test/dog': 2 }, /test\/dog\/0\.png is of a class without training images/],
  ['more loose images than others', { cat: 2, '.': 5 }, /is in no folder, which would name its class/],
]; // biome-ignore format: a table

decoding('what can be read in several ways is refused with the tree that was seen, and options decide (fault F02)', async (t) => {
  for (const [what, tree, message] of doubts) {
    const error = await t.throwsAsync(read(make(tree)), { code: 'ERR_FILE_FORMAT', message }, what);
    t.regex(error?.message ?? '', /It holds\n( {2}.*\n?)+$/, what);
  }
  const folds = make(doubts[3][1]);
  t.deepEqual(perClass(await read(folds, { parts: { train: 'fold1', test: ['fold2'] } })), { cat: [2, 2], dog: [2, 2] });
  t.deepEqual(perClass(await read(folds, { classes: ['fold2', 'fold1'] })), { fold2: [3, 1], fold1: [3, 1] });
  const extra = await read(make(doubts[4][1]), { parts: { train: ['train', 'extra'] }, classes: ['dog', 'cat'], test: 0 });
  t.deepEqual(perClass(extra), { dog: [2, 0], cat: [4, 0] });
  t.deepEqual(extra.leftOut.map(asText), ['test/cat/0.png (2): in none of the parts']);
  await t.throwsAsync(read(folds, { parts: { train: 'fold3' } }), {
    code: 'ERR_ARGUMENT',
    message: /no folder of images "fold3".*It holds\n/s,
  });
  await t.throwsAsync(read(folds, { classes: ['fold1', 'bird'] }), { code: 'ERR_ARGUMENT', message: /no folder "bird"/ });
  await t.throwsAsync(read(folds, { classes: ['a', 'a'] }), { code: 'ERR_ARGUMENT', message: /options\.classes/ });
  await t.throwsAsync(read(folds, { parts: {} as never }), { code: 'ERR_ARGUMENT', message: /options\.parts\.train/ });
});

decoding('an image is what its first bytes say, whatever its name (fault F03)', async (t) => {
  const one = pngOf([1, 2, 3]);
  const { train } = await read(make({ 'cat/1.jfif': one, 'dog/1': one, 'eel/1.PNG': one, 'fox/1.img': one }), { test: 0 });
  t.deepEqual(train.classes, ['cat', 'dog', 'eel', 'fox']);
  t.is(train.length, 4);
});

decoding(
  'a class folder without a readable image is an error that says what is in it, in folders, parts and archives (fault F03)',
  async (t) => {
    const cases: [Tree, RegExp][] = [
      [
        { cat: 2, 'dog/1.bmp': bmp, 'dog/2.bmp': bmp, eel: 2 },
        /folder dog holds no image .*2 files: BMP images, which this sharp does not decode/,
      ],
      [{ cat: 2, dog: 0, eel: 2 }, /folder dog holds no image that can be read \(nothing\)/],
      [{ cat: 2, 'dog/readme.txt': Buffer.from('x'), eel: 2 }, /folder dog holds no image .*1 file: no images/],
      [{ cat: 2, 'dog/photos.zip': Buffer.from('PK\x03\x04'), eel: 2 }, /folder dog holds no image .*unpack them/],
      [{ 'train/cat': 2, 'train/dog': 0, 'train/eel': 2, 'test/cat': 2 }, /folder train\/dog holds no image/],
      [{ cat: 2, 'dog.tar': packed({ 'notes.txt': Buffer.from('x') }), eel: 2 }, /folder dog holds no image/],
    ];
    for (const [tree, message] of cases) await t.throwsAsync(read(make(tree)), { code: 'ERR_FILE_FORMAT', message }, String(message));
    const { train, leftOut } = await read(make(cases[0][0]), { classes: ['eel', 'cat'], test: 0 });
    t.deepEqual(
      [train.classes, [...train.targets.data]],
      [
        ['eel', 'cat'],
        [1, 1, 0, 0],
      ],
    );
    t.true(leftOut.some(({ path, count }) => path === 'dog/1.bmp' && count === 2));
    const lacking = await read(make({ 'train/cat': 2, 'train/dog': 2, 'test/cat': 2, 'test/dog': 0 }));
    t.deepEqual(lacking.leftOut.map(asText), ['dog (0): the test part has no image of this class']);
  },
);

decoding('a class of two or more images gives the test part its share, and never all; 0 is none (fault F06)', async (t) => {
  const path = make({ ant: 1, bee: 2, cat: 8, dog: 10, eel: 49 });
  const data = await read(path);
  t.deepEqual(perClass(data), { ant: [1, 0], bee: [1, 1], cat: [7, 1], dog: [9, 1], eel: [45, 4] });
  t.deepEqual(data.leftOut.map(asText), ['ant (0): a class of one image: it is trained on, and none is for testing']);
  t.deepEqual(perClass(await read(path, { test: 1 })), { ant: [1, 0], bee: [1, 1], cat: [1, 7], dog: [1, 9], eel: [1, 48] });
  t.is((await read(path, { test: 0 })).test.length, 0);
});

decoding('a file that cannot be read or decoded is named, or left out and listed where that is asked for (fault F26)', async (t) => {
  const whole = pngOf([9, 9, 9], 64, 64);
  const tree = { cat: 3, 'dog/whole.png': whole, 'dog/cut.png': whole.subarray(0, whole.length - 40), eel: 3 };
  const cases: [string, (path: string) => void, RegExp][] = [
    ['dog/cut.png', () => {}, /\/\d+: dog\/cut\.png: this image cannot be decoded: .*damaged: 'skip'/],
    ['dog/link.png', (path) => symlinkSync('nowhere.png', join(path, 'dog/link.png')), /dog\/link\.png is a symbolic link that leads nowhere \(ENOENT\)/],
    ['dog/self.png', (path) => symlinkSync('self.png', join(path, 'dog/self.png')), /dog\/self\.png is a symbolic link that leads nowhere \(ELOOP\)/],
  ]; // biome-ignore format: a table
  for (const [name, spoil, message] of cases) {
    const path = make(name === 'dog/cut.png' ? tree : { ...tree, 'dog/cut.png': whole });
    spoil(path);
    await t.throwsAsync(read(path, { imageSize: 4 }), { code: 'ERR_FILE_FORMAT', message }, name);
    const { train, leftOut } = await read(path, { imageSize: 4, damaged: 'skip', test: 0 });
    t.deepEqual(train.classes, ['cat', 'dog', 'eel']);
    t.is(train.length, name === 'dog/cut.png' ? 7 : 8);
    t.deepEqual([...train.inputs.data.subarray(3 * 48, 3 * 48 + 3)], [9, 9, 9]);
    t.deepEqual(
      leftOut.map(({ path: at }) => at),
      [name],
    );
  }
  const none = make({ cat: 1, 'dog/1.png': Buffer.from('noise') });
  await t.throwsAsync(read(none, { damaged: 'skip' }), {
    code: 'ERR_FILE_FORMAT',
    message: /none of the training images of class dog can be decoded/,
  });
});

(isThere && process.platform === 'linux' ? test : test.skip)('names that are not UTF-8 are read, and told apart (fault F26)', async (t) => {
  const path = make({ a: 2, b: 2, c: 1 });
  const at = (name: string): Buffer => Buffer.concat([Buffer.from(`${path}/`), Buffer.from(name, 'latin1')]);
  renameSync(at('a'), at('caf\xe9'));
  renameSync(at('b'), at('caf\xe8'));
  renameSync(at('c/0.png'), at('c/\xe9.png'));
  const { train } = await read(path, { test: 0 });
  t.deepEqual(train.classes, ['c', 'caf\\xE8', 'caf\\xE9']);
  t.deepEqual([...train.targets.data], [0, 1, 1, 2, 2]);
  writeFileSync(at('caf\xe9/\xff.png'), 'noise');
  await t.throwsAsync(read(path), { message: /caf\\xE9\/\\xFF\.png: this image cannot be decoded/ });
});

decoding(
  'links multiply nothing: each real file counts once, and what a link leads to is found where nothing else does (fault R05)',
  async (t) => {
    const path = make({ 'pets/cat': 10, 'pets/dog': 10, 'elsewhere/fox': 4, 'elsewhere/one.png': pngOf([0, 0, 1]) });
    const pets = join(path, 'pets');
    for (const [to, from] of [['.', 'cat/all'], ['..', 'cat/up'], ['../..', 'dog/top'], ['/', 'dog/root'], ['../dog', 'cat/dogs'], ['../cat/1.png', 'dog/99.png'], ['cat', 'kitten']])
    symlinkSync(to, join(pets, from)); // biome-ignore format: pairs
    const data = await read(pets);
    t.deepEqual(perClass(data), { cat: [9, 1], dog: [9, 1] });
    t.is(
      data.leftOut.reduce((sum, { count }) => sum + count, 0),
      7,
    );
    symlinkSync('../elsewhere/fox', join(pets, 'fox'));
    symlinkSync('../../elsewhere/one.png', join(pets, 'dog/one.png'));
    symlinkSync('../../elsewhere/one.png', join(pets, 'cat/one.png'));
    t.deepEqual(perClass(await read(pets, { test: 0 })), { cat: [11, 0], dog: [10, 0], fox: [4, 0] });
  },
);

decoding('listing looks at the signal, and many links take no longer than few (fault R05)', async (t) => {
  const path = make({ 'a/cat': 3, 'b/cat': 3, 'c/cat': 3 });
  for (const name of ['a', 'b', 'c']) for (let i = 0; i < 4; i++) symlinkSync('../..', join(path, name, 'cat', `up${i}`));
  for (const name of ['a', 'b', 'c']) mkdirSync(join(path, name, 'deep'), { recursive: true });
  for (const name of ['a', 'b', 'c']) symlinkSync('..', join(path, name, 'deep', 'er'));
  const { train } = await read(path, { classes: ['a', 'b', 'c'], test: 0 });
  t.is(train.length, 9);
  const stopper = new AbortController();
  const reading = read(path, { signal: stopper.signal });
  stopper.abort();
  await t.throwsAsync(reading, { code: 'ERR_ABORTED' });
});

decoding('images of several sizes, or more than memory takes, are refused before the rest is decoded (fault R06)', async (t) => {
  const seen: number[] = [];
  const onProgress = ({ decoded }: { decoded: number }): void => void seen.push(decoded);
  const path = make({ 'cat/0.png': pngOf([1, 1, 1], 5, 5), dog: 1200 });
  await t.throwsAsync(read(path, { onProgress }), {
    code: 'ERR_ARGUMENT',
    message: /several sizes \(cat\/0\.png is 5×5, dog\/\d+\.png is 4×4\).*`imageSize`/,
  });
  t.deepEqual(seen, []);
  // A file of a few kilobytes that is 32 MB of pixels, 20,000 times: 640 GB.
  const large = pngOf([1, 1, 1], 3300, 3300);
  const many = make({ 'cat/0.png': large });
  const names = Array.from({ length: 20_000 }, (_, i) => `dog/${i}.png`);
  mkdirSync(join(many, 'dog'));
  writeFileSync(join(many, 'dog', '0.png'), large);
  for (const name of names.slice(1)) writeFileSync(join(many, name), '');
  await t.throwsAsync(read(many, { onProgress }), {
    code: 'ERR_ARGUMENT',
    message: /no memory for the 20001 images of .*, 3300×3300: 653\.4 GB are needed, .*`imageSize`/,
  });
  t.deepEqual(seen, []);
});

decoding(
  'an archive beside the folder that it was unpacked to does not count twice, and a path that occurs twice in one counts once (fault F25)',
  async (t) => {
    const tree: Tree = { 'cat/1.png': pngOf([1, 1, 1]), 'dog/1.png': pngOf([2, 2, 2]) };
    const data = await read(make({ 'train/cat': 2, 'train/dog': 2, 'train.tar': packed(tree), 'test.tar': packed(tree) }));
    t.deepEqual(perClass(data), { cat: [2, 1], dog: [2, 1] });
    t.deepEqual(
      data.leftOut.map(({ path }) => path),
      ['train.tar'],
    );
    const path = make({});
    plant(path, { 'in/cat/1.png': pngOf([1, 1, 1]), 'in/dog/1.png': pngOf([2, 2, 2]) });
    execFileSync('tar', ['-cf', join(path, 'a.tar'), '-C', join(path, 'in'), 'cat', 'dog']);
    writeFileSync(join(path, 'in/cat/1.png'), pngOf([3, 3, 3]));
    execFileSync('tar', ['-rf', join(path, 'a.tar'), '-C', join(path, 'in'), 'cat/1.png']);
    const { train } = await read(join(path, 'a.tar'), { test: 0 });
    t.deepEqual([train.length, train.inputs.data[0]], [2, 3]);
  },
);
