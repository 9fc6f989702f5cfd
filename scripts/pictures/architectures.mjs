// The picture of what first layers learn.
import { Adam, Conv2d, CrossEntropyLoss, Flatten, Linear, MaxPool2d, ReLU, Sequential, datasets, linearModel } from '../../dist/lib/index.js';
import { page, text } from '../../dist/lib/pictures/svg.js';
import { image, inRows, signed } from './image.mjs';

const quiet = { log: false, progress: false, sitter: false };

/** The ten templates of a linear classifier, and the first filters of a convolutional net. */
export async function filters() {
  const { train } = await datasets.digits({ train: 4000, test: 1, seed: 1 });
  const loss = new CrossEntropyLoss();
  const linear = linearModel({ inputShape: [28, 28, 1], classes: 10 });
  await linear.fit(train, { loss, optimizer: new Adam(linear, { lr: 1e-3, weightDecay: 1e-2 }), epochs: 10, seed: 1, ...quiet });
  const first = new Conv2d(1, 10, 7);
  const net = new Sequential([first, new ReLU(), new MaxPool2d(2), new Flatten(), new Linear(1210, 10)]);
  await net.fit(train, { loss, optimizer: new Adam(net, { lr: 1e-3, weightDecay: 5e-3 }), epochs: 12, seed: 1, ...quiet });
  const [side, gap, top] = [136, 16, 134];
  const parts = [
    text(40, 52, 'What first layers learn', 30, 'bold'),
    text(40, top - 20, 'A linear classifier has one template for each digit: red counts for it, blue against it', 18, 'quiet'),
  ];
  const show = (y, weights, width, stride) => {
    for (let k = 0; k < 10; k++) {
      const values = Array.from({ length: width * width }, (_, i) => weights[i * stride + k]);
      const most = Math.max(...values.map(Math.abs));
      parts.push(image(40 + k * (side + gap), y, side, inRows(values, width), { low: -most, high: most, colours: signed }));
    }
  };
  const weightsOf = (layer) => layer.parameters().find(({ shape }) => shape.length > 1);
  show(top, weightsOf(linear).data, 28, 10);
  parts.push(
    text(40, top + side + 58, 'The ten filters of 7×7 of a convolutional net look for edges and strokes, anywhere in the image', 18, 'quiet'),
  );
  show(top + side + 78, first.weight.data, 7, 10);
  return page(1600, top + 2 * side + 78 + 30, 'Templates and filters', parts);
}
