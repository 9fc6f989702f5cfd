// A language of statements that step functions are made of: drawn at random, printed as source text, and run on a small world.

import fc from 'fast-check';
import {
  Adam,
  type AnyTensor,
  BatchNorm1d,
  Dropout,
  ExponentialDecay,
  Layer,
  Linear,
  type Optimizer,
  type Parameter,
  Random,
  SGD,
  StepDecay,
  type Tensor,
  clipGradNorm,
  clipGradValue,
  defaultRandom,
  dropout,
  noGrad,
  relu,
  setSeed,
  tensor,
} from '../../lib/index.js';
import { drawBit } from '../../lib/ops/random.js';
import { choose } from '../../lib/ops/sometimes.js';

/** What differs between worlds. */
export interface WorldKind {
  readonly norm: boolean;
  readonly drop: boolean;
  /** Whether a layer is skipped in some steps. */
  readonly skip: boolean;
  readonly first: 'SGD' | 'momentum' | 'Adam';
  readonly second: 'SGD' | 'momentum' | 'Adam';
}

class Net extends Layer {
  readonly body = new Linear(3, 4);
  readonly inner = new Linear(4, 4);
  readonly norm: BatchNorm1d | null;
  readonly drop = new Dropout(0.5);
  readonly a = new Linear(4, 2);
  readonly b = new Linear(4, 2, { bias: false });
  readonly bits = new Random(5, 'bits');

  constructor(readonly kind: WorldKind) {
    super();
    this.norm = kind.norm ? new BatchNorm1d(4) : null;
  }

  forward(x: Tensor): Tensor {
    let y = relu(this.body.forward(x));
    if (this.norm !== null) y = this.norm.forward(y);
    if (this.kind.skip && this.training)
      y = choose(y, drawBit(this.bits, 0.5), (inner) => this.inner.forward(inner), (inner) => inner); // biome-ignore format: one line
    else y = this.inner.forward(y);
    return this.kind.drop ? this.drop.forward(y) : y;
  }
}

const optimizers = {
  SGD: (parameters: Parameter[]) => new SGD(parameters, { lr: 0.25 }),
  momentum: (parameters: Parameter[]) => new SGD(parameters, { lr: 0.25, momentum: 0.5, weightDecay: 0.125 }),
  Adam: (parameters: Parameter[]) => new Adam(parameters, { lr: 0.125, weightDecay: 0.25 }),
};

/** Everything that statements work on; two of one kind are equal. */
export class World {
  readonly net: Net;
  readonly optimizers: readonly [Optimizer, Optimizer];
  readonly parameters: readonly Parameter[];
  readonly plain = tensor([1, -1, 0.5]);
  readonly leaf = tensor([1, 2, 3]);
  /** A loss from before the step, on the tape. */
  readonly earlier: Tensor;

  constructor(kind: WorldKind) {
    setSeed(11);
    this.net = new Net(kind);
    const { body, inner, a, b, norm } = this.net;
    this.net.prepare();
    const first = [body, inner, a].flatMap((layer) => layer.parameters());
    const second = [b, ...(norm === null ? [] : [norm])].flatMap((layer) => layer.parameters());
    this.optimizers = [optimizers[kind.first](first), optimizers[kind.second](second)];
    const [one, two] = this.optimizers;
    one.groups[0].options.lr = new ExponentialDecay(one.lr, { factor: 0.5 });
    two.groups[0].options.lr = new StepDecay(two.lr, { every: 2, factor: 0.5, per: 'step' });
    this.parameters = [...first, ...second];
    this.leaf.requiresGrad = true;
    this.earlier = this.leaf.mul(this.leaf).sum();
  }

  /** All that anybody could see of it, bit for bit. */
  look(): Record<string, unknown> {
    const { net, parameters, optimizers: both } = this;
    return {
      weights: parameters.map(bits),
      buffers: [...net.namedBuffers().values()].map(bits),
      gradients: parameters.map(({ grad }) => grad && bits(grad)),
      trained: [...parameters, this.leaf, this.plain].map(({ requiresGrad }) => requiresGrad),
      training: [...net.namedLayers().values()].map(({ training, frozen }) => [training, frozen]),
      optimizers: both.map((optimizer) => {
        const { tensors, ...rest } = optimizer.stateDict();
        return JSON.stringify([rest, [...tensors].map(([name, item]) => [name, bits(item)])]);
      }),
      random: [defaultRandom().state, net.bits.state, net.drop.masks.state],
      plain: [bits(this.plain), bits(this.leaf), this.leaf.grad && bits(this.leaf.grad)],
    };
  }
}

/** The bits of a tensor, as text. */
export function bits({ data }: AnyTensor): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');
}

/** What a run of statements has: an input, losses by number, and what it gives back. */
export interface Frame {
  readonly x: Tensor;
  readonly losses: (Tensor | undefined)[];
  readonly out: unknown[];
}

/** One line. */
export interface Statement {
  readonly text: string;
  readonly run: (world: World, frame: Frame) => void;
}

const say = (text: string, run: Statement['run']): Statement => ({ text, run });
const index = (count: number): fc.Arbitrary<number> => fc.nat({ max: count - 1 });

const forward = fc.tuple(index(2), fc.constantFrom('a', 'b', 'both'), index(3)).map(([l, head, kind]) =>
  say(`l${l} = loss${kind}(net.${head}(x))`, ({ net }, frame) => {
    const y = net.forward(frame.x);
    const z = head === 'a' ? net.a.forward(y) : head === 'b' ? net.b.forward(y) : net.a.forward(y).add(net.b.forward(y));
    frame.losses[l] = kind === 0 ? z.sum() : kind === 1 ? z.mul(z).mean() : relu(z.sub(0.25)).sum().add(y.mul(0.125).sum());
  }),
);
const backward = index(2).map((l) => say(`l${l}.backward()`, (_world, { losses }) => losses[l]?.backward()));
const step = index(2).map((o) => say(`o${o}.step()`, ({ optimizers: both }) => void both[o].step()));
const zeroGrad = fc
  .tuple(index(2), fc.boolean())
  .map(([o, setToNull]) => say(`o${o}.zeroGrad(${setToNull ? '{ setToNull: true }' : ''})`, (world) => world.optimizers[o].zeroGrad(setToNull ? { setToNull } : undefined))); // biome-ignore format: one line
const parameter = index(7);
const at = ({ parameters }: World, p: number): Parameter => parameters[p % parameters.length];
const clearOne = parameter.map((p) =>
  say(`p${p}.grad = null`, (world) => {
    at(world, p).grad = null;
  }),
);
const clearAll = fc.constant(
  say('for (p of all) p.grad = null', ({ parameters }) => {
    for (const one of parameters) one.grad = null;
  }),
);
const setGradient = parameter.map((p) =>
  say(`p${p}.grad = p${p}.mul(0.5)`, (world) => {
    at(world, p).grad = noGrad(() => at(world, p).mul(0.5)) as never;
  }),
);
const scaleGradient = parameter.map((p) =>
  say(`if (p${p}.grad !== null) p${p}.grad = p${p}.grad.mul(0.5)`, (world) => {
    const { grad } = at(world, p);
    if (grad !== null) at(world, p).grad = (grad as unknown as Tensor).mul(0.5) as never;
  }),
);
const schedule = index(2).map((s) => say(`o${s}.nextEpoch()`, ({ optimizers: both }) => both[s].nextEpoch()));
const layerOf = ({ net }: World, which: number): Layer<never, unknown> => [net, net.body, net.inner, net.a, net.b][which] as never;
const freeze = fc
  .tuple(index(5), fc.boolean())
  .map(([which, on]) => say(`layer${which}.${on ? 'freeze' : 'unfreeze'}()`, (world) => void (on ? layerOf(world, which).freeze() : layerOf(world, which).unfreeze()))); // biome-ignore format: one line
const trained = fc.tuple(parameter, fc.boolean()).map(([p, on]) =>
  say(`p${p}.requiresGrad = ${on}`, (world) => {
    at(world, p).requiresGrad = on;
  }),
);
const turns = fc.oneof(
  parameter.map((p) =>
    say(`p${p}.requiresGrad = !p${p}.requiresGrad`, (world) => {
      at(world, p).requiresGrad = !at(world, p).requiresGrad;
    }),
  ),
  fc.constant(say('net.train(!net.training)', ({ net }) => void net.train(!net.training))),
  parameter.map((p) =>
    say(`p${p}.grad = p${p}.grad === null ? p${p}.mul(2) : null`, (world) => {
      at(world, p).grad = at(world, p).grad === null ? (noGrad(() => at(world, p).mul(2)) as never) : null;
    }),
  ),
);
const mode = fc.boolean().map((on) => say(`net.${on ? 'train' : 'eval'}()`, ({ net }) => void net.train(on)));
const clip = fc
  .tuple(fc.boolean(), index(5))
  .map(([byNorm, which]) => say(byNorm ? `clipGradNorm(layer${which}, 0.5)` : `clipGradValue(layer${which}, 0.25)`, (world, { out }) => {
    if (byNorm) out.push(clipGradNorm(layerOf(world, which), 0.5));
    else clipGradValue(layerOf(world, which), 0.25);
  })); // biome-ignore format: one line
const watched = fc.constant(say('out.push(noGrad(() => net(x)))', ({ net }, { x, out }) => void out.push(noGrad(() => net.forward(x)))));
const masked = fc.constant(say('out.push(dropout(x))', (_world, { x, out }) => void out.push(dropout(x, 0.5))));
const giveLoss = index(2).map((l) => say(`out.push(l${l})`, (_world, { losses, out }) => void out.push(losses[l]?.detach() ?? null)));
const giveGradient = parameter.map((p) => say(`out.push(p${p}.grad)`, (world, { out }) => void out.push(at(world, p).grad)));
const giveWeight = parameter.map((p) => say(`out.push(p${p}.mul(2))`, (world, { out }) => void out.push(noGrad(() => at(world, p).mul(2)))));
const giveState = parameter.map((p) =>
  say(`out.push(p${p}.requiresGrad, net.training)`, (world, { out }) => void out.push(at(world, p).requiresGrad, world.net.training)),
);
const usePlain = fc.constant(say('out.push(x.add(plain))', ({ plain }, { x, out }) => void out.push(x.add(plain))));
const inputGradient = fc.constant(
  say('v = x.detach(); v.requiresGrad = true; net.body(v).sum().backward(); out.push(v.grad)', ({ net }, { x, out }) => {
    const v = x.detach();
    v.requiresGrad = true;
    net.body.forward(v).sum().backward();
    out.push(v.grad);
  }),
);

/** What a step cannot record; it may be done between two steps. */
const setRate = fc.tuple(index(2), fc.constantFrom(0.5, 0.0625)).map(([o, rate]) =>
  say(`o${o}.lr = ${rate}`, ({ optimizers: both }) => {
    both[o].lr = rate;
  }),
);
const writeWeight = parameter.map((p) => say(`p${p}.data.fill(0.5)`, (world) => void at(world, p).data.fill(0.5)));
const writeGradient = parameter.map((p) => say(`p${p}.grad?.data.fill(0)`, (world) => void at(world, p).grad?.data.fill(0)));
const load = fc.constant(say('net.loadStateDict(net.stateDict())', ({ net }) => void net.loadStateDict(net.stateDict())));
const saveAndLoad = index(2).map((o) => say(`o${o}.loadStateDict(o${o}.stateDict())`, ({ optimizers: both }) => both[o].loadStateDict(both[o].stateDict()))); // biome-ignore format: one line
const seed = fc.constant(say('setSeed(3)', () => setSeed(3)));
const draw = fc.constant(say('out.push(defaultRandom().uniform())', (_world, { out }) => void out.push(defaultRandom().uniform())));
const readRate = index(2).map((o) => say(`out.push(o${o}.lr)`, ({ optimizers: both }, { out }) => void out.push(both[o].lr)));
const readLoss = index(2).map((l) => say(`out.push(l${l}.item())`, (_world, { losses, out }) => void out.push(losses[l]?.item() ?? null)));
const count = fc.constant(say('out.push(o0.steps)', ({ optimizers: [first] }, { out }) => void out.push(first.steps)));
const writePlain = fc.constant(
  say('plain.data[0] += 1; out.push(x.add(plain))', ({ plain }, { x, out }) => {
    plain.data[0] += 1;
    out.push(x.add(plain));
  }),
);
const leaf = fc.constant(say('x.mul(leaf).sum().backward()', (world, { x }) => x.mul(world.leaf).sum().backward()));
const earlier = fc.constant(say('earlier.backward()', (world) => world.earlier.mul(1).backward()));
const argument = fc.constant(
  say('x.requiresGrad = true', (_world, { x }) => {
    x.requiresGrad = true;
  }),
);
const swallowed = fc.constant(
  say('try { o0.lr *= 0.5 } catch {}', ({ optimizers: [first] }) => {
    try {
      first.lr *= 0.5;
    } catch {
      // goes on
    }
  }),
);

const common = [forward, backward, step, zeroGrad, clearOne, clearAll, setGradient, scaleGradient, schedule, freeze, trained, mode, turns, clip, watched, masked, giveLoss, giveGradient, giveWeight, giveState, usePlain, inputGradient]; // biome-ignore format: one line
const refusable = [setRate, writeWeight, writeGradient, load, saveAndLoad, seed, draw, readRate, readLoss, count, writePlain, leaf, earlier, argument, swallowed]; // biome-ignore format: one line

const anything = fc.oneof(
  ...common.map((arbitrary) => ({ arbitrary, weight: 30 })),
  ...refusable.map((arbitrary) => ({ arbitrary, weight: 1 })),
);
const momentum = fc.tuple(index(2), fc.constantFrom(0, 0.75)).map(([o, value]) =>
  say(`if (o${o} instanceof SGD) o${o}.groups[0].options.momentum = ${value}`, ({ optimizers: both }) => {
    const one = both[o];
    if (one instanceof SGD) one.groups[0].options.momentum = value;
  }),
);
const outside = fc.oneof(...[...common, momentum, momentum, setRate, writeWeight, writeGradient, load, saveAndLoad, seed, draw]);
const list = (from: fc.Arbitrary<Statement>, minLength: number, maxLength: number): fc.Arbitrary<Statement[]> =>
  fc.array(from, { minLength, maxLength, size: 'max' });
const few = list(anything, 0, 3);

/** A case: a world, a step, and what comes between steps. */
export interface Case {
  readonly kind: WorldKind;
  readonly body: readonly Statement[];
  /** A step of its own that follows each step, compiled by itself. */
  readonly second: readonly Statement[];
  readonly between: readonly Statement[];
  /** `queued`: all steps are called before the first is awaited. Nothing comes between those, nor between many in one call. */
  readonly way: 'sync' | 'awaited' | 'queued' | 'many';
}

const optimizer = fc.constantFrom('SGD', 'momentum', 'Adam') as fc.Arbitrary<WorldKind['first']>;

/** Cases around the usual step, and wild ones. */
export const cases: fc.Arbitrary<Case> = fc.record({
  kind: fc.record({
    norm: fc.boolean(),
    drop: fc.boolean(),
    skip: fc.integer({ min: 0, max: 3 }).map((n) => n === 3),
    first: optimizer,
    second: optimizer,
  }),
  body: fc.oneof(
    fc.tuple(few, forward, few, backward, few, step, few).map((parts) => parts.flat()),
    list(anything, 1, 9),
  ),
  second: fc.oneof(fc.constant([]), list(anything, 1, 4)),
  between: list(outside, 0, 3),
  way: fc.constantFrom('sync', 'awaited', 'queued', 'many') as fc.Arbitrary<Case['way']>,
});

/** A case as source text. */
export function textOf({ kind, body, second, between, way }: Case): string {
  const lines = (list: readonly Statement[]): string => list.map(({ text }) => `    ${text};`).join('\n');
  return `// ${JSON.stringify(kind)}, ${way}\n  step(x) {\n${lines(body)}\n  }\n  second(x) {\n${lines(second)}\n  }\n  between two steps {\n${lines(between)}\n  }`;
}
