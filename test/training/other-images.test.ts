// Proves lib/training/other-images.ts: images of another size or with other channels than the model's are refused in words, with what to do.

import test from 'ava';
import {
  Adam,
  CrossEntropyLoss,
  Flatten,
  Linear,
  Sequential,
  ShapeError,
  TensorDataset,
  cifarResnet,
  smallConvNet,
  tensor,
  zeros,
} from '../../lib/index.js';

const images = (...shape: number[]) => new TensorDataset(zeros([2, ...shape]), tensor([0, 1], { dtype: 'int32' }), { name: 'photos' });
const loss = new CrossEntropyLoss();
const quiet = { loss, progress: false, sitter: false, log: false } as const;

test('images of another size are refused by fit, evaluate, predict and as validation data, with both sizes and what to do', async (t) => {
  const model = smallConvNet({ imageSize: 16, channels: 3, classes: 2 });
  const says = (name: string) =>
    `the model was built for images of 16×16×3 (height×width×channels), those of '${name}' are 8×8×3. Load them with \`imageSize: 16\` ` +
    '(datasets.imageFolder, readImages), or build the model for them: `inputShape: [8, 8, 3]`, or `imageSize: 8, channels: 3` of a ready network';
  const fit = { ...quiet, optimizer: new Adam(model) };
  await t.throwsAsync(model.fit(images(8, 8, 3), fit), { instanceOf: ShapeError, message: says('photos') });
  await t.throwsAsync(model.fit(images(8, 8, 3), { ...fit, eager: true }), { message: says('photos') });
  await t.throwsAsync(model.evaluate(images(8, 8, 3), { loss }), { message: says('photos') });
  const { cause } = await t.throwsAsync(model.predict(zeros([2, 8, 8, 3])), { message: says('inputs') });
  t.regex((cause as Error).message, /^in layer '.*expected \d+ input features/);
  await t.throwsAsync(model.fit(images(16, 16, 3), { ...fit, validation: images(8, 8, 3) }), {
    message: `the validation data 'photos' do not fit: ${says('photos')}`,
  });
});

test('other channels are told the option that makes grey images or colours', async (t) => {
  const at = async (channels: number, ...shape: number[]): Promise<string> => {
    const model = smallConvNet({ imageSize: 16, channels, classes: 2 });
    return (await t.throwsAsync(model.evaluate(images(...shape), { loss })))!.message;
  };
  t.regex(await at(1, 16, 16, 3), /of 16×16×1 .*are 16×16×3\. Load them with `grey: true` \(/);
  t.regex(await at(3, 16, 16, 1), /Load them with `grey: false` .*concat\(\[x, x, x\], -1\)$/);
  t.regex(await at(3, 12, 10, 1), /with `imageSize: 16` and `grey: false` .*: `inputShape: \[12, 10, 1\]`\. Grey/);
  t.regex(await at(3, 16, 16, 4), /are 16×16×4\. Build the model for them: /);
  t.regex(await at(3, 3, 16, 16), /^in layer .*\[N, C, H, W\]/, 'channels that come first are another matter');
});

test('a network that takes images of any size is left alone, and so are errors that are not of its layers', async (t) => {
  const model = cifarResnet({ classes: 2 });
  await t.notThrowsAsync(model.predict(zeros([1, 16, 16, 3])));
  const wrong = new TensorDataset(zeros([2, 16, 16, 3]), zeros([2, 5]), { name: 'photos' });
  await t.throwsAsync(model.evaluate(wrong, { loss }), { message: /^(?!.*built for)/ });
  const unknown = new Sequential([new Flatten(), new Linear(48, 2)]);
  await t.throwsAsync(unknown.predict(zeros([1, 8, 8, 3])), { message: /^in layer '1'/ });
});
