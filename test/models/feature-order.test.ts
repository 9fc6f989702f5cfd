// Proves lib/models/feature-order.ts: where flattened images meet a weight, the order of its rows is known, whichever way they came, or said not to be.

import test from 'ava';
import {
  type AnyLayer,
  BatchNorm1d,
  Conv2d,
  Flatten,
  GRU,
  Linear,
  Model,
  MultiHeadAttention,
  Parameter,
  type Tensor,
  Zeros,
  relu,
} from '../../lib/index.js';
import { featureOrders } from '../../lib/models/feature-order.js';

const image = [8, 6, 3];

/** The order of the features that `net.fc` reads, after `route` has led what a convolution gives, [N, 8, 6, 4], to it. */
function orderBehind(
  route: (x: Tensor, parts: { flatten: Flatten; attention: MultiHeadAttention }) => Tensor,
  features = 192,
  isFirst = false,
): unknown {
  class Net extends Model {
    readonly conv = new Conv2d(3, 4, 3, { padding: 1 });
    readonly flatten = new Flatten();
    readonly attention = new MultiHeadAttention(4, 2);
    readonly fc = new Linear(features, 2);
    forward(x: Tensor): Tensor {
      return this.fc.forward(route(this.conv.forward(isFirst ? x.transpose([0, 2, 3, 1]) : x), this));
    }
  }
  const net = new Net();
  return featureOrders(net, isFirst ? [3, 8, 6] : image, isFirst).get(net.fc.weight);
}

const pixels = (order: unknown): unknown => order ?? 'one kind';
const last = { pixels: 48, channels: 4 };

test('a flattening of images puts pixel behind pixel, however it is written', (t) => {
  t.deepEqual(
    orderBehind((x, { flatten }) => flatten.forward(x) as Tensor),
    last,
  );
  t.deepEqual(
    orderBehind((x) => x.reshape([x.shape[0], -1])),
    last,
  );
  t.deepEqual(
    orderBehind((x) => x.reshape([-1, 48, 4]).reshape([-1, 192])),
    last,
  );
  t.deepEqual(
    orderBehind((x) =>
      relu(x.transpose([0, 3, 1, 2]))
        .transpose([0, 2, 3, 1])
        .reshape([-1, 192]),
    ),
    last,
  );
  t.deepEqual(
    orderBehind((x) => x.reshape([-1, 192]), 192, true),
    last,
  );
  t.deepEqual(
    orderBehind((x) => x.slice([0, 2, 0], [x.shape[0], 8, 6]).reshape([-1, 144]), 144),
    { pixels: 36, channels: 4 },
  );
});

test('images that are turned before they are flattened have the order of PyTorch already', (t) => {
  t.is(
    orderBehind((x) => x.transpose([0, 3, 1, 2]).reshape([-1, 192])),
    'channels first',
  );
  t.is(
    orderBehind((x) => x.reshape([-1, 48, 4]).transpose([0, 2, 1]).reshape([-1, 192])),
    'channels first',
  );
  t.is(
    orderBehind((x) =>
      relu(x.transpose([0, 3, 1, 2]).add(1))
        .reshape([-1, 192])
        .mul(2),
    ),
    'channels first',
  );
  t.is(
    orderBehind((x) => x.transpose([0, 3, 1, 2]).reshape([-1, 192]), 192, true),
    'channels first',
  );
});

test('another order, and features that an operation moved, are not known', (t) => {
  t.is(
    orderBehind((x) => x.transpose([0, 3, 2, 1]).reshape([-1, 192])),
    'unknown',
  );
  t.is(
    orderBehind((x) => x.transpose([0, 2, 1, 3]).reshape([-1, 192])),
    'unknown',
  );
  t.is(
    orderBehind((x) => x.reshape([-1, 192]).slice([0, 0], [1, 100]), 100),
    'unknown',
  );
  t.is(
    orderBehind((x) => x.reshape([-1, 8, 6, 2, 2]).transpose([0, 1, 2, 4, 3]).reshape([-1, 192])),
    'unknown',
  );
  t.is(
    orderBehind((x) => x.reshape([-1, 64, 3]).transpose([0, 2, 1]).reshape([-1, 192])),
    'unknown',
  );
});

test('channels alone, or pixels alone, are in one order here and there', (t) => {
  t.is(pixels(orderBehind((x) => x.mean([1, 2]), 4)), 'one kind');
  t.is(pixels(orderBehind((x) => x.reshape([-1, 48, 4]), 4)), 'one kind');
  t.is(pixels(orderBehind((x) => x.reshape([-1, 48, 4]).transpose([0, 2, 1]), 48)), 'one kind');
  t.is(pixels(orderBehind((x, { attention }) => attention.forward(x.reshape([-1, 48, 4])) as Tensor, 4)), 'one kind');
});

test('a recurrent layer that reads the columns of an image has the rows of its weights in an order, too', (t) => {
  class Reader extends Model {
    readonly conv = new Conv2d(3, 4, 3, { padding: 1 });
    readonly gru = new GRU(32, 5);
    constructor(readonly order: readonly number[]) {
      super();
    }
    forward(x: Tensor): Tensor {
      const columns = this.conv.forward(x).transpose([...this.order]);
      return this.gru.forward(columns.reshape([-1, 6, 32])) as Tensor;
    }
  }
  const orderOf = (order: readonly number[]): unknown => {
    const reader = new Reader(order);
    return featureOrders(reader, image, false).get(reader.gru.cells[0].inputWeight);
  };
  t.deepEqual(orderOf([0, 2, 1, 3]), { pixels: 8, channels: 4 });
  t.is(orderOf([0, 2, 3, 1]), 'channels first');
});

test('values that are added to features have their order, and a weight that is turned first is not known', (t) => {
  class Tied extends Model {
    readonly norm = new BatchNorm1d(144);
    readonly weight = new Parameter([2, 144], { init: new Zeros() });
    forward(x: Tensor): Tensor {
      return (this.norm.forward(x.reshape([-1, 144])) as Tensor).matmul(this.weight.transpose());
    }
  }
  const tied = new Tied();
  const orders = featureOrders(tied, image, false);
  t.deepEqual(orders.get(tied.norm.runningMean as never), { pixels: 48, channels: 3 });
  t.is(orders.get(tied.weight), 'unknown');
  const flat = (net: AnyLayer, isFirst: boolean): unknown => [...featureOrders(net, isFirst ? [3, 8, 6] : image, isFirst).values()][0];
  class Plain extends Model {
    readonly fc = new Linear(144, 2);
    forward(x: Tensor): Tensor {
      return this.fc.forward(x.reshape([-1, 144]));
    }
  }
  t.is(flat(new Plain(), true), 'channels first');
  t.deepEqual(flat(new Plain(), false), { pixels: 48, channels: 3 });
});
