// Scaling images by channel: figures that are learned or given, beside augmentation, in the saved model and in its graph.
import test from 'ava';
import {
  Adam,
  ArgumentError,
  ChannelScaler,
  CrossEntropyLoss,
  Flatten,
  Linear,
  Pipeline,
  Random,
  Sequential,
  ShapeError,
  StandardScaler,
  Tensor,
  TensorDataset,
  Transform,
  augmented,
  cutmix,
  decodeOnnx,
  encodeOnnx,
  fromBytes,
  imagenetStatistics,
  randomCrop,
  randomFlip,
  randomResizedCrop,
  setSeed,
  subset,
} from '../../lib/index.js';
import { close, identical } from '../helpers/close.js';

const random = new Random(3);
const layout = 'NHWC';

/** Photographs by chance, a little brighter in class 1. */
const bytes = Tensor.from(
  Uint8Array.from({ length: 12 * 8 * 8 * 3 }, (_, i) => 40 + random.integer(120) + 60 * (Math.floor(i / 192) % 2)),
  [12, 8, 8, 3],
);
const labels = Tensor.from(Int32Array.from({ length: 12 }, (_, i) => i % 2));
const photos = new TensorDataset(bytes, labels, { name: 'photos', classes: ['dark', 'bright'] });
const rows = Int32Array.of(0, 5, 7);
const given = (): ChannelScaler => new ChannelScaler({ layout, ...imagenetStatistics });

/** (x / 255 − mean) / std, in float64. */
const formula = (of: Tensor<'uint8'>, { mean, std } = imagenetStatistics): number[] =>
  Array.from(of.data, (value, i) => (value / 255 - mean[i % 3]) / std[i % 3]);

const network = (): Sequential => {
  setSeed(1);
  return new Sequential([new Flatten(), new Linear(192, 2)], { inputShape: [8, 8, 3] });
};
const run = (model: Sequential) => ({
  ...{ loss: new CrossEntropyLoss(), optimizer: new Adam(model, { lr: 1e-2 }), epochs: 2, batchSize: 4 },
  ...({ progress: false, log: false, sitter: false } as const),
});

test('given figures scale bytes of any size as torchvision does, before anything was fitted, and back', (t) => {
  const scaler = given();
  t.true(scaler.isFitted);
  close(t, [...scaler.transform(bytes).data], formula(bytes), { absolute: 1e-5 });
  close(t, [...scaler.inverse(scaler.transform(bytes)).data], [...bytes.data], { absolute: 1e-3 });
  t.deepEqual(scaler.transform(bytes.slice(0, 2).reshape([2, 4, 16, 3])).shape, [2, 4, 16, 3]);
  close(t, [...new ChannelScaler({ layout, std: 0.5 }).transform(bytes).data], formula(bytes, { mean: [0, 0, 0], std: [0.5, 0.5, 0.5] }), {
    absolute: 1e-6,
  });
  close(
    t,
    [...new ChannelScaler({ layout, mean: [0.1, 0.2, 0.3] }).transform(bytes).data],
    formula(bytes, { mean: [0.1, 0.2, 0.3], std: [1, 1, 1] }),
    { absolute: 1e-6 },
  );
});

test('fit() on given figures learns the size of the images, which then counts, and nothing else', (t) => {
  const scaler = given().fit(photos);
  t.deepEqual(scaler.inputShape, [8, 8, 3]);
  identical(t, scaler.transform(bytes), given().transform(bytes), 'the same figures');
  t.throws(() => scaler.transform(bytes.reshape([12, 4, 16, 3])), { instanceOf: ShapeError });
  for (const one of [scaler, given()]) {
    const back = Transform.fromJSON(JSON.parse(JSON.stringify(one))) as ChannelScaler;
    identical(t, back.transform(bytes), scaler.transform(bytes), 'out of JSON');
    t.deepEqual(back.inputShape, one.inputShape);
  }
});

test('images that were scaled before are refused by given figures; dark ones, and bytes, are not', (t) => {
  const scaler = given();
  const floats = bytes.to('float32');
  const message = /scaled already/;
  t.throws(() => scaler.transform(floats.div(255)), { instanceOf: ArgumentError, message });
  t.throws(() => scaler.transform(floats.sub(128)), { instanceOf: ArgumentError, message });
  t.notThrows(() => scaler.transform(floats));
  t.notThrows(() => scaler.transform(floats.mul(0)));
  t.notThrows(() => scaler.transform(bytes.slice(0, 0)));
});

test('a model scales augmented images itself, in the pass that augments: as figures in augmented() would', (t) => {
  const list = [randomCrop({ padding: 2 }), randomFlip()];
  for (const data of [photos, subset(photos, [3, 4, 5, 6, 7, 8, 9, 10])]) {
    const wanted = augmented(data as TensorDataset<'uint8'>, list, imagenetStatistics).batch(rows).inputs;
    const seen = given().within(augmented(data as TensorDataset<'uint8'>, list)) as TensorDataset;
    t.deepEqual(seen.inputShape, [8, 8, 3]);
    close(t, [...seen.batch(rows).inputs.data], [...wanted.data], { absolute: 1e-6 });
  }
  const part = given().within(subset(augmented(photos, list), [2, 5, 7, 9, 0, 1, 3, 4])) as TensorDataset;
  close(
    t,
    [...part.batch(rows).inputs.data],
    [...subset(augmented(photos, list, imagenetStatistics), [2, 5, 7, 9, 0, 1, 3, 4]).batch(rows).inputs.data],
    { absolute: 1e-6 },
  );
  const mixed = given().within(cutmix(augmented(photos, list))) as TensorDataset;
  close(t, [...mixed.batch(rows).inputs.data], [...cutmix(augmented(photos, list, imagenetStatistics)).batch(rows).inputs.data], {
    absolute: 1e-6,
  });
});

test('figures are learned from images that nothing was filled into', (t) => {
  const plain = new ChannelScaler({ layout, divide: true }).fit(photos);
  const beside = new ChannelScaler({ layout, divide: true }).fit(augmented(photos, [randomCrop({ padding: 4 })]));
  identical(t, beside.shift, plain.shift, 'the mean of bytes');
  identical(t, beside.scale, plain.scale, 'their deviation');
  const smaller = new ChannelScaler({ layout }).fit(augmented(photos, [randomResizedCrop({ outputSize: 4 })]));
  t.deepEqual(smaller.inputShape, [4, 4, 3]);
  t.true(smaller.shift.data.every((mean) => mean > 60 && mean < 200));
});

test('figures in augmented() beside a model that scales are refused, in training and in evaluation', async (t) => {
  const model = network();
  model.preprocessing = given();
  const twice = augmented(photos, [randomFlip()], imagenetStatistics);
  const refused = { instanceOf: ArgumentError, message: /leave them out of augmented\(\)/ };
  await t.throwsAsync(async () => model.fit(twice, run(model)), refused);
  await t.throwsAsync(async () => model.evaluate(twice, { loss: new CrossEntropyLoss() }), refused);
  t.notThrows(() => given().within(augmented(photos, [], { std: 1 / 255 })));
  t.is(given().within(photos), null);
});

test('trained on augmented bytes, validated on bytes, saved: a fresh model takes bytes, and its graph does', async (t) => {
  for (const scaler of [given(), new ChannelScaler({ layout, divide: true }), new Pipeline([given(), new StandardScaler()])]) {
    const model = network();
    model.preprocessing = scaler;
    const history = await model.fit(augmented(photos, [randomFlip()]), { ...run(model), validation: photos });
    const { loss } = await model.evaluate(photos, { loss: new CrossEntropyLoss() });
    t.is(history.epochs[1].validation?.loss, loss);
    close(t, [(await model.evaluate(augmented(photos, []), { loss: new CrossEntropyLoss() })).loss], [loss], { absolute: 1e-5 });
    const wanted = await model.predict(bytes);
    const back = fromBytes(model.toBytes());
    t.deepEqual(back.preprocessing?.inputShape, [8, 8, 3]);
    identical(t, await back.predict(bytes), wanted, 'out of the file');
    const graph = await decodeOnnx(await encodeOnnx(back));
    close(t, [...(await graph.predict(bytes.to('float32'))).data], [...wanted.data], { absolute: 1e-5 });
  }
});

test('what cannot be figures is refused', (t) => {
  const make = (options: object) => () => new ChannelScaler({ layout, ...options } as never);
  t.throws(make({ mean: 0.5, divide: true }), { instanceOf: ArgumentError, message: /options\.divide/ });
  t.throws(make({ mean: [0.1, 0.2, 0.3], std: [1, 1] }), { instanceOf: ArgumentError, message: /`options\.std`/ });
  t.throws(make({ std: 0 }), { instanceOf: ArgumentError, message: /`options\.std`/ });
  t.throws(make({ mean: [] }), { instanceOf: ArgumentError, message: /`options\.mean`/ });
  t.throws(make({ mean: 'imagenet' }), { instanceOf: ArgumentError, message: /`options\.mean`/ });
  t.throws(() => given().transform(bytes.slice(0, 1).reshape([1, 8, 24, 1])), { instanceOf: ShapeError, message: /3 channels/ });
  t.throws(() => given().fit(new TensorDataset(bytes.reshape([12, 192]), labels)), { instanceOf: ShapeError });
});

test('images of another size than the model learned from are told how to get that size', (t) => {
  const square = new ChannelScaler({ layout, divide: true }).fit(bytes);
  const image = (height: number, width: number, channels = 3) =>
    Tensor.from(new Uint8Array(height * width * channels).fill(100), [1, height, width, channels]);
  const says = (scaler: ChannelScaler, x: ReturnType<typeof image>, message: RegExp) =>
    t.throws(() => scaler.transform(x), { instanceOf: ShapeError, message });
  says(
    square,
    image(31, 13),
    /takes examples as \[n, 8, 8, 3\], received shape \[1, 31, 13, 3\]: readImages\(path, \{ imageSize: 8 \}\) gives that size$/,
  );
  says(square, image(8, 8, 1), /received shape \[1, 8, 8, 1\]$/);
  const oblong = new ChannelScaler({ layout }).fit(image(4, 6));
  says(oblong, image(6, 4), /imageSize: \[4, 6\] \}/);
});
