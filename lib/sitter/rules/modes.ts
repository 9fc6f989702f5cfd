// Rules of layers that do one thing in training and another in evaluation: dropout and batch norm.

import { type Suspicion, percent, rule, short } from '../evidence.js';

/** Dropout that goes on in evaluation, or takes too much. */
export const dropout = rule({
  ids: ['dropout-in-evaluation', 'dropout-too-high'],
  needs: ['start'],
  source: 'Srivastava et al. 2014, Dropout',
  thresholds: { high: 0.79, suspicious: 0.6 },
  judge: ({ start, setup }, { high, suspicious }) => {
    const found: Suspicion[] = [];
    if (start.isRandomInEvaluation)
      found.push({
        id: 'dropout-in-evaluation',
        verdict: 'fault',
        seen: 'in evaluation mode, the model gives other outputs for the same inputs each time',
        why: 'What is drawn at random in training is to be its mean in evaluation: scores and predictions are worse than the model is, and differ from call to call',
        advice: 'Take the layer Dropout, or ask `this.training` in forward() before drawing',
        change: null,
        confidence: 0.97,
      });
    const most = setup.layers.reduce((a, b) => (b.dropout > a.dropout ? b : a), { path: '', dropout: 0 });
    if (most.dropout > suspicious)
      found.push({
        id: 'dropout-too-high',
        verdict: 'warning',
        isMild: most.dropout < high,
        seen: `layer '${most.path}' drops ${percent(most.dropout)} of what passes`,
        why: `Of its inputs, ${percent(1 - most.dropout)} are left in each step: the layers behind it learn from noise`,
        advice: 'Drop 0.5 at most, 0.2 where few units are left',
        change: { kind: 'dropout', value: 0.5 },
        confidence: most.dropout < high ? 0.5 : 0.85,
        layer: most.path,
      });
    return found;
  },
});

/** Batch norm on statistics that are none. */
export const normalization = rule({
  ids: ['normalization-mode', 'batch-too-small'],
  needs: ['start'],
  source: 'Course rows D01–D12',
  thresholds: { batch: 2, factor: 2, steps: 100 },
  judge: ({ start, now, setup, step, chance }, { batch, factor, steps }): Suspicion | null | Suspicion[] => {
    // Small batches are noisy, and often do well.
    const single: Suspicion | null =
      setup.batchSize <= batch && setup.stepsPerEpoch >= steps
        ? {
            id: 'batch-too-small',
            verdict: 'warning',
            isMild: true,
            seen: `each step goes by ${setup.batchSize === 1 ? 'one example' : `${setup.batchSize} examples`} alone`,
            why: 'A step that follows one example may throw away what others taught; at the same learning rate, batches average that out (course row H04)',
            advice: 'Take batches of 32',
            change: { kind: 'batchSize', value: 32 },
            confidence: 0.65,
          }
        : null;
    const norms = setup.layers.filter(({ type }) => type.startsWith('BatchNorm'));
    if (norms.length === 0) return single;
    const frozen = norms.find(({ isFrozenNorm }) => isFrozenNorm);
    const found: Suspicion[] = [];
    if (frozen !== undefined)
      found.push({
        id: 'normalization-mode',
        verdict: 'fault',
        seen: `batch norm '${frozen.path}' is frozen on the statistics that it was made with: mean 0, variance 1`,
        why: 'It normalizes nothing, in training nor in evaluation',
        advice: `Call unfreeze() on '${frozen.path}', or load the statistics before`,
        change: null,
        confidence: 0.95,
        layer: frozen.path,
      });
    const flat = norms.find(({ type }) => type === 'BatchNorm1d');
    if (setup.batchSize <= batch && (flat !== undefined || setup.batchSize === 1))
      found.push({
        id: 'batch-too-small',
        verdict: 'fault',
        seen: `batch norm '${(flat ?? norms[0]).path}' takes mean and variance over batches of ${setup.batchSize}`,
        why: 'Of two examples, one is normalized to −1 and the other to 1, whatever they hold',
        advice: 'Take batches of 32, or LayerNorm, which looks at each example apart',
        change: { kind: 'batchSize', value: 32 },
        confidence: 0.9,
        layer: (flat ?? norms[0]).path,
      });
    const isWorse =
      now !== null && now !== start && now.evaluated > factor * now.loss && now.evaluated > (Number.isFinite(chance) ? chance : start.loss);
    if (isWorse && step >= steps && frozen === undefined)
      found.push({
        id: 'normalization-mode',
        verdict: 'warning',
        isMild: setup.batchSize > batch * 2,
        seen: `the same ${now.examples} training examples have a loss of ${short(now.loss)} in training mode and ${short(now.evaluated)} in evaluation mode`,
        why: 'The running statistics of batch norm are not those of the batches: too few steps, too small batches, or a momentum that is too small',
        advice: 'Take batches of 32 or more, or reestimate the statistics with reestimateStatistics() before evaluating',
        change: { kind: 'batchSize', value: 32 },
        confidence: 0.7,
        layer: norms[0].path,
      });
    return found;
  },
});
