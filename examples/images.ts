// Images of your own: `node examples/images.ts photos` learns from a folder that has a folder for each class (photos/cat/1.jpg, photos/dog/1.jpg), and
// `node examples/images.ts photos rex.jpg` asks the saved model what an image shows. Without a folder it draws one, of shapes, and learns to tell them apart,
// in four seconds. Images are decoded by a package of their own: `npm install sharp`.

import { existsSync, mkdirSync } from 'node:fs';
import {
  Adam,
  ChannelScaler,
  CrossEntropyLoss,
  Random,
  type Tensor,
  datasets,
  load,
  readImages,
  setSeed,
  smallConvNet,
  softmax,
} from 'nodegrad';
import sharp from 'sharp';

const [, , folder = 'shapes', image] = process.argv;
const imageSize = 32; // all images are scaled and cropped to this
const saved = 'images.safetensors';

/** A folder to try it with: bright circles, squares and triangles of several sizes, turned a little, on dark ground. */
async function draw(): Promise<void> {
  const random = new Random(2);
  const between = (low: number, high: number): number => Math.round(low + (high - low) * random.uniform());
  const colour = (low: number, high: number): string => `rgb(${between(low, high)},${between(low, high)},${between(low, high)})`;
  const shapes = {
    circle: '<circle r="12"/>',
    square: '<rect x="-11" y="-11" width="22" height="22"/>',
    triangle: '<path d="M0 -14 L13 10 L-13 10 Z"/>',
  };
  for (const [name, shape] of Object.entries(shapes)) {
    mkdirSync(`${folder}/${name}`, { recursive: true });
    for (let i = 0; i < 200; i++) {
      const place = `translate(${between(16, 32)} ${between(16, 32)}) rotate(${between(-30, 30)}) scale(${between(7, 12) / 10})`;
      const ground = `<rect width="48" height="48" fill="${colour(0, 110)}"/>`;
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="48" height="48">${ground}<g transform="${place}" fill="${colour(130, 255)}">${shape}</g></svg>`;
      await sharp(Buffer.from(svg)).jpeg().toFile(`${folder}/${name}/${i}.jpg`);
    }
  }
}

if (!existsSync(folder)) await draw();
const { train, test, leftOut } = await datasets.imageFolder(folder, { imageSize, raw: true, test: 0.2 });
const classes = train.classes ?? [];

if (image === undefined || !existsSync(saved)) {
  console.log(`${train.length} images to learn from, ${test.length} to be tested on, of ${classes.join(', ')}`);
  for (const { path, count, reason } of leftOut) console.log(`left out: ${path} (${count}), ${reason}`);

  setSeed(1);
  const model = smallConvNet({ classes: classes.length, imageSize, channels: 3 });
  // The mean of each channel is learned from the training images and saved with the model, which therefore takes images as they are.
  model.preprocessing = new ChannelScaler({ layout: 'NHWC', divide: true });
  const loss = new CrossEntropyLoss();
  await model.fit(train, { loss, optimizer: new Adam(model, { lr: 1e-3 }), epochs: 15, validation: test, log: false });
  const { metrics } = await model.evaluate(test, { loss });
  console.log(`${(100 * metrics.accuracy).toFixed(0)} % of the test images are recognized`);
  await model.save(saved);
}

const model = await load(saved);
const asked = image === undefined ? classes.map((name) => `${folder}/${name}/0.jpg`).filter(existsSync) : [image];
if (asked.length > 0) {
  const chances = softmax(await model.predict<Tensor>(await readImages(asked, { imageSize })));
  const [best, sure] = [chances.argmax(-1).data, chances.max(-1).data];
  for (const [i, path] of asked.entries()) console.log(`${path}: ${classes[best[i]]} (${(100 * sure[i]).toFixed(0)} % sure)`);
}
