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
  concat,
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
  return featureOrders(net, isFirst ? [3, 8, 6] : image, isFirst)
    .get(net.fc.weight)
    ?.get(0);
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
    return featureOrders(reader, image, false).get(reader.gru.cells[0].inputWeight)?.get(0);
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
  t.deepEqual(orders.get(tied.norm.runningMean as never)?.get(0), { pixels: 48, channels: 3 });
  t.is(orders.get(tied.weight)?.get(0), 'unknown');
  const flat = (net: AnyLayer, isFirst: boolean): unknown => [...featureOrders(net, isFirst ? [3, 8, 6] : image, isFirst).values()][0]?.get(0);
  class Plain extends Model {
    readonly fc = new Linear(144, 2);
    forward(x: Tensor): Tensor {
      return this.fc.forward(x.reshape([-1, 144]));
    }
  }
  t.is(flat(new Plain(), true), 'channels first');
  t.deepEqual(flat(new Plain(), false), { pixels: 48, channels: 3 });
});

/** The orders of the outputs of `net.fc` and of its bias, and of the inputs of `net.next`, where `route` makes an image of the 96 outputs. */
function ordersBefore(route: (x: Tensor, net: Maker) => Tensor, inputShape: readonly number[] = [5]): unknown[] {
  const net = new (class extends Maker {
    forward(x: Tensor): Tensor {
      return route(x, this);
    }
  })();
  const orders = featureOrders(net, inputShape, false);
  return [orders.get(net.fc.weight)?.get(1), orders.get(net.fc.bias as never)?.get(0), orders.get(net.next.weight)?.get(0)];
}

abstract class Maker extends Model {
  readonly fc = new Linear(5, 96);
  readonly other = new Linear(5, 96);
  readonly next = new Linear(96, 5);
  readonly conv = new Conv2d(4, 2, 1);
  readonly flat = new Conv2d(1, 2, 1);
  readonly gru = new GRU(5, 96);
  readonly table = new Parameter([96, 5], { init: new Zeros() });
}

const made = { pixels: 24, channels: 4 };

test('outputs of a weight that become an image are pixel behind pixel, and so is what reads them', (t) => {
  const through = (x: Tensor): Tensor => relu(x).mul(2);
  t.deepEqual(
    ordersBefore((x, { fc, conv }) => conv.forward(through(fc.forward(x)).reshape([-1, 6, 4, 4]))),
    [made, made, undefined],
  );
  t.deepEqual(
    ordersBefore((x, { fc, conv, next }) => {
      const features = fc.forward(x);
      return conv
        .forward(features.reshape([-1, 24, 4]).reshape([-1, 6, 4, 4]))
        .sum()
        .add(next.forward(through(features)).sum());
    }),
    [made, made, made],
  );
  t.deepEqual(
    ordersBefore((x, { fc, conv, next }) => {
      const image = fc.forward(x).reshape([-1, 6, 4, 4]);
      return conv
        .forward(image)
        .sum()
        .add(next.forward(image.reshape([-1, 96])).sum());
    }),
    [made, made, made],
  );
  const added = ordersBefore((x, { fc, other, conv }) =>
    conv.forward(
      other
        .forward(x)
        .reshape([-1, 6, 4, 4])
        .add(fc.forward(x).reshape([-1, 6, 4, 4])),
    ),
  );
  t.deepEqual(added, [made, made, undefined]);
  const beside = (order: 'first' | 'last'): unknown[] =>
    ordersBefore((x, { fc, other, flat }) => {
      const one = fc.forward(x).reshape([-1, 6, 8, 2]);
      const two = other.forward(x).reshape([-1, 6, 8, 2]).slice([0, 0, 0, 0], [1, 6, 8, 1]);
      return flat.forward(concat(order === 'first' ? [one, two] : [two, one], 3).slice([0, 0, 0, 1], [1, 6, 8, 2]));
    });
  t.deepEqual(beside('first'), [{ pixels: 48, channels: 2 }, { pixels: 48, channels: 2 }, undefined]);
  t.deepEqual(beside('last'), beside('first'));
  const padded = ordersBefore((x, { fc, conv }) =>
    conv.forward(
      fc
        .forward(x)
        .reshape([-1, 6, 4, 4])
        .pad([
          [0, 0],
          [1, 1],
          [1, 1],
          [0, 0],
        ]),
    ),
  );
  t.deepEqual(padded, [made, made, undefined]);
});

test('an image like those that come in is one without a convolution, too', (t) => {
  class Plain extends Model {
    readonly fc = new Linear(60, 60);
    forward(x: Tensor): Tensor {
      return this.fc.forward(x.reshape([-1, 60])).reshape([-1, 5, 4, 3]);
    }
  }
  const net = new Plain();
  const order = { pixels: 20, channels: 3 };
  t.deepEqual(
    [...(featureOrders(net, [5, 4, 3], false).get(net.fc.weight) ?? [])],
    [
      [0, order],
      [1, order],
    ],
  );
});

test('outputs that become an image with its channels first, with one channel, or as one of many rows stay as they are', (t) => {
  const stays = (route: (x: Tensor, net: Maker) => Tensor, inputShape?: readonly number[]): void => {
    const [weight, bias, next] = ordersBefore(route, inputShape);
    t.deepEqual([weight, bias, next], [undefined, undefined, undefined]);
  };
  stays((x, { fc, conv }) => conv.forward(fc.forward(x).reshape([-1, 4, 6, 4]).transpose([0, 2, 3, 1])));
  stays((x, { fc, flat }) => flat.forward(fc.forward(x).reshape([-1, 12, 8, 1])));
  stays((x, { fc, next }) => next.forward(fc.forward(x)));
  stays((x, { fc }) => fc.forward(x).reshape([-1, 6, 4, 4]));
  // Tokens, whose places are rows and columns.
  stays((x, { fc, conv }) => conv.forward(fc.forward(x).reshape([-1, 6, 24, 96]).slice([0, 0, 0, 0], [1, 6, 24, 4])), [144, 5]);
  // Patches, which forward() puts in order by itself.
  stays(
    (x, { fc, conv }) => conv.forward(fc.forward(x).reshape([-1, 3, 2, 4, 6, 4]).transpose([0, 1, 3, 2, 4, 5]).reshape([-1, 12, 12, 4])),
    [6, 5],
  );
});

test('outputs that become an image in another order, or on a way that is not followed, are not known', (t) => {
  const unknown = (route: (x: Tensor, net: Maker) => Tensor): unknown => t.is(ordersBefore(route)[0], 'unknown');
  unknown((x, { fc, conv }) => conv.forward(fc.forward(x).reshape([-1, 4, 6, 4]).transpose([0, 2, 1, 3])));
  unknown((x, { fc, conv }) => conv.forward(fc.forward(x).slice([0, 0], [1, 64]).reshape([-1, 4, 4, 4])));
  unknown((x, { fc, conv }) => conv.forward(fc.forward(x).reshape([-1, 48, 2]).max(2).reshape([-1, 3, 4, 4])));
  unknown((x, { fc, conv }) => {
    const features = fc.forward(x);
    return conv
      .forward(features.reshape([-1, 6, 4, 4]))
      .sum()
      .add(conv.forward(features.reshape([-1, 4, 6, 4]).transpose([0, 2, 3, 1])).sum());
  });
  class Others extends Model {
    readonly table = new Parameter([96, 5], { init: new Zeros() });
    readonly gru = new GRU(5, 96);
    readonly conv = new Conv2d(4, 2, 1);
    forward(x: Tensor): Tensor {
      const rows = x.reshape([1, 5]).matmul(this.table, { transposeB: true });
      const states = this.gru.forward(x.reshape([1, 1, 5])) as Tensor;
      return this.conv.forward(concat([rows.reshape([1, 6, 4, 4]), states.reshape([1, 6, 4, 4])], 0));
    }
  }
  const net = new Others();
  const orders = featureOrders(net, [5], false);
  for (const [name, weight] of net.namedParameters())
    if (!name.startsWith('conv')) t.is([...(orders.get(weight)?.values() ?? [])][0], 'unknown', name);
});
