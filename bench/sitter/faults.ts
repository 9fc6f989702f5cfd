// The sick and the healthy runs of the fault bench: kinds of faults in healthy programs, one or two at a time, each from its seed, which also says
// whether rules may be tuned on it.

import { bases } from './bases.js';
import type { Case } from './cases.js';
import { Draw } from './data/source.js';
import { type Kind, kinds } from './kinds/index.js';
import type { Program } from './program.js';

/** Which half of the bench. */
export type Half = 'tuning' | 'held-out';

/** The half that a seed belongs to: by a bit of a hash (Murmur3's last steps), so that neighbours fall on both sides. */
export function halfOf(seed: number): Half {
  let bits = seed | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return ((bits ^ (bits >>> 16)) & 1) === 0 ? 'tuning' : 'held-out';
}

const names = Object.keys(bases);
/** How many pairs of faults there are, and healthy programs of each form. */
const pairs = 56;
const healthyOfEach = 12;

/** A program of a form that a kind can be put into, drawn by a seed. */
function suiting(draw: Draw, seed: number, ...faults: readonly Kind[]): { name: string; program: Program } | null {
  const fit = names.filter((name) => faults.every((kind) => kind.suits(bases[name], name)));
  if (fit.length === 0) return null;
  const name = fit[draw.integer(fit.length)];
  return { name, program: bases[name].make(seed) };
}

function sickCase(seed: number, name: string, plain: Program, faults: readonly Kind[]): Case {
  const program = faults.reduce((before, kind) => kind.before?.(before) ?? before, plain);
  // Wrong pairings last: they put something behind the output layer, which others find by its place in the list.
  const last = (kind: Kind): number => Number(kind.group === 'activation' || kind.group === 'loss');
  const broken = [...faults].sort((a, b) => last(a) - last(b)).reduce((before, kind) => kind.into(before), program);
  const shows = faults.find((kind) => kind.shows !== undefined)?.shows;
  return {
    id: `${faults.map((kind) => kind.name).join(' + ')} · ${name} · ${seed}`,
    truth: 'sick',
    program: broken,
    faults: faults.map(({ name, accepts }) => ({ name, accepts })),
    healthy: program,
    ...(faults.length > 1 && { parts: faults.map((kind) => kind.into(program)) }),
    ...(shows && { shows }),
  };
}

/** All runs of one half of a draw: single faults, pairs of two groups, and healthy programs. */
export function casesOf(half: Half, drawn = 1): Case[] {
  const cases: Case[] = [];
  const next = seedsOf(half, drawn);
  for (const kind of kinds) {
    for (let i = 0; i < kind.count; i++) {
      const seed = next();
      const found = suiting(new Draw(seed), seed, kind);
      if (found !== null) cases.push(sickCase(seed, found.name, found.program, [kind]));
    }
  }
  let made = 0;
  while (made < pairs) {
    const seed = next();
    const draw = new Draw(seed);
    const weights = kinds.map(({ count }) => count);
    const [first, second] = [kinds[draw.choice(weights)], kinds[draw.choice(weights)]];
    if (!canMeet(first, second)) continue;
    const found = suiting(draw, seed, first, second);
    if (found === null) continue;
    cases.push(sickCase(seed, found.name, found.program, [first, second]));
    made++;
  }
  for (const name of names) {
    for (let i = 0; i < healthyOfEach / 2; i++) {
      const seed = next();
      const program = varied(bases[name].make(seed), new Draw(seed));
      cases.push({ id: `healthy · ${name} · ${seed}`, truth: 'healthy', program, faults: [], healthy: program });
    }
  }
  return cases;
}

/** Two faults of different groups; of two that change the net as a whole, or the outputs, the second would undo the first. */
function canMeet(first: Kind, second: Kind): boolean {
  const groups = new Set([first.group, second.group]);
  const changesOutputs = (kind: Kind): boolean => kind.group === 'activation' || kind.group === 'loss';
  const changesRate = (kind: Kind): boolean => kind.group === 'learning rate' || kind.group === 'optimizer';
  const isAlone = (kind: Kind): boolean => kind.group === 'data' || kind.group === 'modes' || kind.group === 'epochs';
  if (groups.size < 2 || isAlone(first) || isAlone(second)) return false;
  return !(changesOutputs(first) && changesOutputs(second)) && !(changesRate(first) && changesRate(second));
}

/** A healthy program a little otherwise, as people write them: wider or narrower, other batches, another rate. */
function varied(program: Program, draw: Draw): Program {
  const wider = [1, 1, 1.5, 2][draw.integer(4)];
  return {
    ...program,
    layers: program.layers.map((layer, i) =>
      typeof layer === 'object' && 'linear' in layer && i < program.layers.length - 1
        ? { ...layer, linear: Math.round(layer.linear * wider) }
        : layer,
    ),
    batchSize: [program.batchSize, program.batchSize / 2, program.batchSize][draw.integer(3)],
    optimizer: { ...program.optimizer, lr: program.optimizer.lr * [0.7, 1, 1, 1.4][draw.integer(4)] },
  };
}

/** Seeds from 1001 on whose hash says this half; those of the second draw from 101001 on, and so forth. */
function seedsOf(half: Half, drawn: number): () => number {
  let seed = 1000 + 100_000 * (drawn - 1);
  return () => {
    do seed++;
    while (halfOf(seed) !== half);
    return seed;
  };
}
