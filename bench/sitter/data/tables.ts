// Tables: rows of numbers and codes with a class, several labels or one number, as real ones look and with rules that can be learned.

import { type Draw, type MakeSource, type Row, type Source, dot, logistic } from './source.js';

const classes = (count: number, features: number, rows: number, row: (i: number) => Row): Source => ({
  inputShape: [features],
  targetShape: [],
  targets: 'classes',
  classes: count,
  rows,
  row,
});

const numbers = (features: number, rows: number, row: (i: number) => Row): Source => ({
  ...classes(0, features, rows, row),
  targets: 'numbers',
  targetShape: [1],
});

/** A column: how it is drawn, and about where it lies, by which a rule can weigh it. */
interface Column {
  readonly draw: (g: Draw) => number;
  readonly middle: number;
  readonly spread: number;
}

const normal = (middle: number, spread: number): Column => ({ draw: (g) => g.normal(middle, spread), middle, spread });
const logNormal = (middle: number, spread: number): Column => ({ draw: (g) => g.logNormal(middle, spread), middle, spread: middle * spread });
const code = (count: number): Column => ({ draw: (g) => g.integer(count), middle: count / 2, spread: count / 3 });
const seldom = (p: number, most: number): Column => ({
  draw: (g) => (g.chance(p) ? g.between(0, most) : 0),
  middle: (p * most) / 2,
  spread: most / 3,
});

/** Rows of columns, each standardized by what is known of it, and the sum of them by weights: what rules decide by. */
function scored(g: Draw, columns: readonly Column[], weights: readonly number[]): { x: number[]; score: number } {
  const x = columns.map((column) => column.draw(g));
  return {
    x,
    score: dot(
      columns.map(({ middle, spread }, i) => (x[i] - middle) / spread),
      weights,
    ),
  };
}

/** Two classes by a logistic rule over columns. */
const logisticTable =
  (columns: readonly Column[], rows: number, bias = 0, sharpness = 2): MakeSource =>
  (g) => {
    const weights = columns.map(() => g.normal());
    return classes(2, columns.length, rows, () => {
      const { x, score } = scored(g, columns, weights);
      return [x, [Number(g.chance(logistic(sharpness * score + bias)))]];
    });
  };

/** A number by a linear rule over columns, with noise of a fifth of its spread. */
const linearTable =
  (columns: readonly Column[], rows: number, middle: number, spread: number): MakeSource =>
  (g) => {
    const weights = columns.map(() => g.normal());
    const scale = spread / Math.sqrt(dot(weights, weights));
    return numbers(columns.length, rows, () => {
      const { x, score } = scored(g, columns, weights);
      return [x, [middle + scale * score + g.normal(0, spread / 5)]];
    });
  };

/** Per class two Gaussians with random covariance on corners ±separation of a cube; the other features are noise; 1 % of labels flipped. */
const clusters: MakeSource = (g, { features = 10, classes: count = 2, informative = 2, separation = 1 }) => {
  const mixing = Array.from({ length: 2 * count }, () => g.list(informative * informative, () => g.between(-1, 1)));
  const corners = g.order(2 ** Math.min(informative, 12));
  const order = g.order(features);
  return classes(count, features, 1000, () => {
    const label = g.integer(count);
    const blob = 2 * label + g.integer(2);
    const noise = g.list(informative, () => g.normal());
    const corner = corners[blob % corners.length];
    const x = g.list(features, (i) => {
      if (i >= informative) return g.normal();
      const spread = dot(mixing[blob].slice(i * informative, (i + 1) * informative), noise);
      return ((corner >> i) & 1 ? separation : -separation) * 1.5 + spread / 2;
    });
    return [order.map((from) => x[from]), [g.chance(0.01) ? g.integer(count) : label]];
  });
};

/** Each label has its own distribution over words; a row draws its labels, then about 50 words, and has their counts. */
const multilabel: MakeSource = (g, { features = 20, classes: labels = 3 }) => {
  const words = Array.from({ length: labels + 1 }, () => g.list(features, () => -Math.log(1 - g.uniform())));
  return {
    inputShape: [features],
    targetShape: [labels],
    targets: 'labels',
    classes: 0,
    rows: 1000,
    row() {
      const has = g.list(labels, () => Number(g.chance(labels === 1 ? 0.5 : 0.45)));
      const mixed = g.list(features, (word) => has.reduce((sum, one, label) => sum + one * words[label][word], 0) || words[labels][word]);
      const counts = new Float32Array(features);
      for (let i = 40 + g.integer(20); i > 0; i--) counts[g.choice(mixed)]++;
      return [counts, has];
    },
  };
};

const iris: MakeSource = (g) => {
  const means = [
    [5.0, 3.4, 1.5, 0.25],
    [5.9, 2.8, 4.3, 1.3],
    [6.6, 3.0, 5.6, 2.0],
  ];
  const widths = [
    [0.35, 0.38, 0.17, 0.1],
    [0.5, 0.31, 0.47, 0.2],
    [0.6, 0.32, 0.55, 0.27],
  ];
  return classes(3, 4, 105, () => {
    const label = g.integer(3);
    return [means[label].map((mean, i) => g.normal(mean, widths[label][i])), [label]];
  });
};

/** Network packets: two addresses near 3.2e9, ports, constant columns, lengths that are the label's number times 6, 12, 61 or 206. */
const packets: MakeSource = (g) => ({
  ...classes(4, 10, 21, (i) => {
    const label = i % 4;
    const length = [6, 12, 61, 206][label];
    return [
      [3.2e9 + g.integer(1000), 3.2e9 + g.integer(1000), 0, 1, 0, 4, g.integer(65536), 443, length * (1 + g.integer(3)), length],
      [label],
    ];
  }),
  isTable: true,
});

/**
 * Words of a text as zeros and ones; `classes` uneven sorts of text, whose sizes fall as a power where there are many. `separation` is the share of
 * words that a sort has for itself.
 */
const bag: MakeSource = (g, { features = 10_000, classes: count = 2, separation = 0.12, noise = 0 }) => {
  const shares = g.list(count, (i) => (count > 2 ? (i + 1) ** -1.5 : 1));
  const usual = g.list(features, (i) => 1 / (i + 10));
  const own = Array.from({ length: count }, () => g.list(120, () => g.integer(features)));
  let sum = 0;
  const heights = Float64Array.from(usual, (p) => (sum += p));
  // A binary search in the sums of the words' shares.
  const word = (): number => {
    const at = g.uniform() * sum;
    let [low, high] = [0, features - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (heights[middle] < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return classes(count, features, 600, () => {
    const label = g.choice(shares);
    const x = new Float32Array(features);
    for (let i = 0; i < 90; i++) x[g.chance(separation) ? own[label][g.integer(120)] : word()] = 1;
    return [x, [g.chance(noise) ? g.integer(count) : label]];
  });
};

/** Labels that do not depend on the inputs. */
const unrelated =
  (features: number, rows: number, one: (g: Draw) => number, share: number): MakeSource =>
  (g) =>
    classes(2, features, rows, () => [g.list(features, () => one(g)), [Number(g.chance(share))]]);

/** Sign of two columns out of sixteen of very different sizes. */
const county: MakeSource = (g) => {
  const columns = [
    ...Array(4).fill(logNormal(40_000, 0.4)),
    ...Array(5).fill(logNormal(1e4, 1)),
    ...Array(7).fill(normal(0.4, 0.15)),
  ] as Column[];
  return classes(2, 16, 600, () => {
    const { x, score } = scored(
      g,
      columns,
      columns.map((_, i) => Number(i === 1 || i === 10)),
    );
    return [x, [Number(score + g.normal(0, 0.3) > 0)]];
  });
};

/** Thirty sizes from 0.003 to 1,000, most of which grow with one thing that also decides the class. */
const cancer: MakeSource = (g) => {
  const sizes = [14, 19, 92, 650, 0.1, 0.1, 0.09, 0.05, 0.18, 0.06, 0.4, 1.2, 2.9, 40, 0.007, 0.025, 0.03, 0.012, 0.02, 0.004];
  const all = [...sizes, 16, 26, 107, 880, 0.13, 0.25, 0.27, 0.11, 0.29, 0.08];
  const shares = all.map(() => g.between(0.3, 0.95));
  return classes(2, all.length, 426, () => {
    const grade = g.normal();
    const x = all.map((size, i) => size * Math.exp(0.4 * (shares[i] * grade + Math.sqrt(1 - shares[i] ** 2) * g.normal())));
    return [x, [Number(g.chance(logistic(6 * (grade - 0.3))))]];
  });
};

/** A table as a practice has it: numbers of several sizes and a curved rule over them. */
const tabular: MakeSource = (g, { features = 8, classes: count = 2 }) => {
  const directions = Array.from({ length: count }, () => g.list(features, () => g.normal()));
  return classes(count, features, 600, () => {
    const x = g.list(features, () => g.normal());
    const scores = directions.map((w, c) => dot(w, x) + 1.5 * x[c % features] * x[(c + 1) % features]);
    return [x, [scores.indexOf(Math.max(...scores))]];
  });
};

const prices: MakeSource = (g, spec) =>
  linearTable(
    [...Array(20).fill(normal(6, 2)), ...Array(30).fill(code(8)), ...Array(29).fill(logNormal(800, 0.5))],
    600,
    180_000,
    80_000,
  )(g, spec);

/** Tables by name. */
export const tables: Readonly<Record<string, MakeSource>> = {
  clusters,
  multilabel,
  iris_like: iris,
  census14: logisticTable(
    [
      normal(38, 13),
      logNormal(1.6e5, 0.5),
      normal(10, 2.5),
      seldom(0.08, 1e5),
      seldom(0.05, 4e3),
      normal(40, 12),
      ...[9, 16, 7, 15, 6, 5, 2, 42].map(code),
    ],
    800,
    -1.6,
  ),
  county16: county,
  titanic10: logisticTable(
    [code(3), code(891), code(2), normal(30, 14), code(5), code(4), code(681), logNormal(15, 0.9), code(148), code(3)],
    600,
    -0.7,
  ),
  packets,
  diabetes8: logisticTable(
    [code(12), normal(120, 32), normal(69, 19), normal(20, 16), logNormal(80, 1), normal(32, 8), logNormal(0.45, 0.6), normal(33, 12)],
    576,
    -0.9,
    0.7,
  ),
  heart9: logisticTable(
    [
      normal(138, 20),
      normal(3.6, 4.6),
      normal(4.7, 2),
      normal(25, 8),
      code(2),
      normal(53, 10),
      normal(26, 4),
      logNormal(17, 1.2),
      normal(43, 15),
    ],
    346,
    -0.7,
    0.6,
  ),
  cancer30: cancer,
  cars5: linearTable([code(2), normal(45, 8), normal(62_000, 11_000), logNormal(9000, 0.5), normal(430_000, 170_000)], 400, 44_000, 10_700),
  mpg_like: linearTable(
    [code(3), normal(190, 100), normal(104, 38), normal(2970, 850), normal(15.5, 2.7), normal(76, 3.7), code(3)],
    300,
    23,
    7.8,
  ),
  prices,
  bag10000: bag,
  bag: bag,
  flows5: (g) => {
    const means = Array.from({ length: 5 }, () => g.list(8, () => g.normal(0, 1.5)));
    return classes(5, 8, 600, () => {
      const label = g.integer(5);
      return [means[label].map((mean) => g.normal(mean, 0.8)), [label]];
    });
  },
  tabular,
  rare_long: unrelated(40, 400, (g) => g.normal(), 0.03),
  noise5: unrelated(5, 300, (g) => g.normal(), 0.5),
  ids69: unrelated(69, 300, (g) => g.integer(10_000), 0.5),
  pairs50: (g) => ({
    ...numbers(10, 50, () => [g.list(10, () => 50 + g.integer(1951)), [600 + g.integer(3401)]]),
  }),
};
