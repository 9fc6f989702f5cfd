// Where libraries differ for one name: the steps of Keras and PyTorch, and what moves a form from one to the other.
import test from 'ava';
import { Adagrad, Adam, type Optimizer, RAdam, RMSprop, SGD, type Tensor } from '../../lib/index.js';
import { f32, f64, leaf } from '../helpers/build.js';
import { close } from '../helpers/close.js';

type Double = Tensor<'float64'>;

function walk(optimizer: Optimizer, point: Double, loss: (x: Double) => Double, steps: number): void {
  for (let step = 0; step < steps; step++) {
    optimizer.zeroGrad();
    loss(point).backward();
    optimizer.step();
  }
}

const sgd = (x: Double, options: object) => new SGD([x] as never, options as never);
const bowl = (x: Double) => x.mul(x).sum().mul(0.5) as Double;

// ---- forms of other libraries: one step from p = (1, 2, 3, 4) with g = (1, 6, 7, 2), lr 0.5 ----

const forms: [name: string, make: (p: Double) => Optimizer, wanted: number[]][] = [
  ['SGD of Keras', (p) => sgd(p, { lr: 0.5, momentum: 0.9, lrInVelocity: true }), [0.5, -1, -0.5, 3]],
  [
    'RMSprop of Keras',
    (p) => new RMSprop([p] as never, { lr: 0.5, alpha: 0.9, eps: 1e-7, epsInside: true }),
    [-0.5811, 0.4189, 1.4189, 2.4189],
  ],
  ['RMSprop of PyTorch', (p) => new RMSprop([p] as never, { lr: 0.5 }), [-4, -3, -2, -1]],
  ['Adam of Keras', (p) => new Adam([p] as never, { lr: 0.5, eps: 1e-7 }), [0.5, 1.5, 2.5, 3.5]],
  [
    'AdaGrad of Keras',
    (p) => new Adagrad([p] as never, { lr: 0.5, epsInside: true, initialAccumulator: 0.1 }),
    [0.5233, 1.5007, 2.5005, 3.5061],
  ],
  ['AdaGrad of PyTorch', (p) => new Adagrad([p] as never, { lr: 0.5, eps: 1e-10 }), [0.5, 1.5, 2.5, 3.5]],
];

for (const [name, make, wanted] of forms) {
  test(`one step of ${name} ends where theirs does`, (t) => {
    const p = leaf(f64([1, 2, 3, 4]));
    walk(make(p), p, (x) => x.mul(f64([1, 6, 7, 2])).sum() as Double, 1);
    close(t, p, wanted, { absolute: 0.5e-4 });
  });
}

test('decay that is decoupled, as in Keras: 2 becomes 1.976096 in three updates of 0.004', (t) => {
  const p = leaf(f64([2]));
  walk(sgd(p, { lr: 1, weightDecay: 0.004, decoupledDecay: true }), p, (x) => x.mul(0).sum() as Double, 3);
  close(t, p, [1.976096], { absolute: 0.5e-6 });
});

test('eps inside of the root of RMSprop makes other steps of gradients as small as eps: 3.1523e-3 against 3.1621e-5', (t) => {
  const step = (options: object): number => {
    const p = leaf(f64([0]));
    walk(new RMSprop([p] as never, { lr: 1e-3, alpha: 0.9, ...options }), p, (x) => x.mul(1e-5).sum() as Double, 1);
    return -p.data[0];
  };
  close(t, [step({ eps: 1e-8 }), step({ eps: 1e-7, epsInside: true })], [3.1523e-3, 3.1621e-5], { relative: 1e-4 });
});

test('the learning rate inside of the velocity walks alike while it stays, and otherwise when it changes', (t) => {
  const walkOf = (options: object, rates: readonly number[]): number[] =>
    [false, true].map((lrInVelocity) => {
      const x = leaf(f64([1]));
      const optimizer = sgd(x, { lr: rates[0], momentum: 0.9, lrInVelocity, ...options });
      for (const lr of rates) {
        optimizer.lr = lr;
        walk(optimizer, x, bowl, 1);
      }
      return x.data[0];
    });
  for (const options of [{}, { nesterov: true }]) {
    const [outside, inside] = walkOf(options, new Array<number>(40).fill(0.1));
    close(t, [inside], [outside], { absolute: 1e-13 });
    const [cut, kept] = walkOf(options, [0.1, 0.1, 0.01]);
    t.true(Math.abs(cut - kept) > 1e-2, `${cut} and ${kept}`);
  }
});

test('the first steps of RAdam do without the mean square, so they are right where it overflows float32, as in PyTorch', (t) => {
  const p = leaf(f32([1, 1]));
  const optimizer = new RAdam([p] as never, { lr: 1e-3 });
  const walked: number[][] = [];
  for (let step = 0; step < 6; step++) {
    optimizer.zeroGrad();
    p.mul(f32([1e20, 1]))
      .sum()
      .backward();
    optimizer.step();
    walked.push([...p.data]);
  }
  // m/(1 − β₁ᵗ) is the gradient itself for five steps; in the sixth the infinite mean square stands below.
  close(
    t,
    walked.slice(0, 5).map(([large]) => large),
    [-1e17, -2e17, -3e17, -4e17, -5e17],
    { relative: 1e-6 },
  );
  close(
    t,
    walked.slice(0, 5).map(([, small]) => small),
    [0.999, 0.998, 0.997, 0.996, 0.995],
    { relative: 1e-6 },
  );
  t.is(walked[5][0], walked[4][0]);
});
