// Learning twenty examples by heart: what a model and a loss that fit each other always can (course row J05).

import type { AnyDataset } from '../data/dataset.js';
import type { AnyLayer } from '../layers/layer.js';
import { trainingOutputsOf } from '../layers/outputs.js';
import type { Loss } from '../losses/loss.js';
import { Adam } from '../optimizers/adam.js';
import { ProgressBar, type ProgressOption } from '../progress.js';
import { getSeed, withSeed } from '../seed.js';
import { Tensor } from '../tensor.js';
import { Breather } from '../training/modes.js';
import { factsOf, sampleOf } from './data-facts.js';
import { type Finding, findingOf } from './finding.js';
import { chanceOf } from './gather.js';
import { short } from './evidence.js';

/** Examples, most steps, and the shares of the first loss that count as learned and as not learned. */
const tiny = { examples: 20, steps: 300, learned: 0.1, stuck: 0.8, lr: 1e-2 } as const;

/** Trains a copy of the model on twenty examples; a finding where their loss hardly falls, else null. */
export async function overfitTiny(
  model: AnyLayer,
  data: AnyDataset,
  loss: Loss,
  progress: ProgressOption | undefined,
): Promise<Finding | null> {
  const pair = await sampleOf(data, tiny.examples);
  const [inputs, targets, weights] = pair;
  const breather = new Breather();
  const bar = new ProgressBar(progress, `learning ${tiny.examples} examples by heart, steps:`, tiny.steps);
  try {
    // In a scope of its own: what is made after it gets the numbers that it would have had.
    const copy = withSeed(getSeed(), () => model.clone());
    copy.train();
    const optimizer = new Adam(copy, { lr: tiny.lr });
    let [first, latest] = [Number.NaN, Number.NaN];
    for (let step = 0; step < tiny.steps; step++) {
      optimizer.zeroGrad();
      const [[prediction]] = trainingOutputsOf(copy, inputs);
      const value = loss.forward(prediction, targets, weights) as Tensor;
      latest = value.item();
      if (step === 0) first = latest;
      if (latest < tiny.learned * first) return null;
      value.backward();
      optimizer.step();
      bar.update(step + 1);
      const pause = breather.pause();
      if (pause !== undefined) await pause;
    }
    const chance = chanceOf(loss, null, factsOf(data, pair));
    const floor = Number.isFinite(chance) ? Math.min(first, chance) : first;
    if (latest < tiny.stuck * floor) return null;
    return findingOf(
      {
        id: 'underfitting',
        verdict: 'warning',
        seen: `a copy of the model could not learn ${inputs instanceof Tensor ? inputs.shape[0] : tiny.examples} examples by heart: after ${tiny.steps} steps of Adam their loss is ${short(latest)}, and was ${short(first)}`,
        why: 'What cannot learn twenty examples cannot learn more: model, loss and targets do not fit each other (course row J05)',
        advice: 'Look at the last activation and the loss, then give the model twice the width',
        change: { kind: 'widen', factor: 2 },
        confidence: 0.8,
      },
      0,
      0,
    );
  } catch {
    // A model that cannot be copied is left alone.
    return null;
  } finally {
    bar.end();
  }
}
