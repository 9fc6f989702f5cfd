// Losses of programs by name: nodegrad's own, and those of older programs, which take probabilities and cut or do not cut their logarithms.

import {
  BinaryCrossEntropyLoss,
  CrossEntropyLoss,
  HuberLoss,
  L1Loss,
  Loss,
  MSELoss,
  type Tensor,
  log,
  pick,
  softmax,
} from '../../lib/index.js';

/** Which losses there are. */
export type LossName =
  | 'crossEntropy'
  | 'binaryCrossEntropy'
  | 'binaryCrossEntropyOfProbabilities'
  | 'mse'
  | 'mae'
  | 'huber'
  | 'sumOfSquares'
  /** Keras's, of probabilities: each row divided by its sum, then cut. */
  | 'kerasCrossEntropy'
  /** Keras's, of probabilities: cut. */
  | 'kerasBinaryCrossEntropy'
  /** −Σ log(softmax) over the batch, with nothing that keeps the logarithm from zero. */
  | 'summedLogSoftmax'
  /** −t·log p − (1 − t)·log(1 − p), with nothing that keeps p within 0 … 1. */
  | 'bareBinaryCrossEntropy';

const cut = 1e-7;
const lnChance = (classes: number): number => Math.log(classes);

/** Keras's categorical cross-entropy on probabilities: rows that sum to nothing give 0/0. */
class KerasCrossEntropy extends Loss {
  override get takesClasses(): boolean {
    return true;
  }
  override chance(classes: number): number {
    return lnChance(classes);
  }
  forward(probabilities: Tensor, target: Tensor<'int32'>): Tensor {
    const shares = probabilities.div(probabilities.sum(-1, { keepDims: true })).clip(cut, 1 - cut);
    return pick(log(shares), target).mean().neg();
  }
}

/** Keras's binary cross-entropy on probabilities: a sure mistake costs 16.1 and has no gradient. */
class KerasBinaryCrossEntropy extends Loss {
  forward(probabilities: Tensor, target: Tensor): Tensor {
    this.requireSameShape(probabilities, target);
    const p = probabilities.clip(cut, 1 - cut);
    const no = log(p.neg().add(1)).mul(target.neg().add(1));
    return log(p).mul(target).add(no).mean().neg();
  }
}

class SummedLogSoftmax extends Loss {
  override get takesClasses(): boolean {
    return true;
  }
  forward(logits: Tensor, target: Tensor<'int32'>): Tensor {
    return log(pick(softmax(logits), target))
      .sum()
      .neg();
  }
}

class BareBinaryCrossEntropy extends Loss {
  forward(p: Tensor, target: Tensor): Tensor {
    this.requireSameShape(p, target);
    return log(p)
      .mul(target)
      .add(log(p.neg().add(1)).mul(target.neg().add(1)))
      .mean()
      .neg();
  }
}

/** What a loss is, and what it expects the last layer to put out. */
interface LossKind {
  readonly make: () => Loss;
  readonly takes: 'logits' | 'probabilities' | 'numbers';
  /** Whether targets are class indices. */
  readonly classes: boolean;
}

/** Losses by name. */
export const losses: Readonly<Record<LossName, LossKind>> = {
  crossEntropy: { make: () => new CrossEntropyLoss(), takes: 'logits', classes: true },
  binaryCrossEntropy: { make: () => new BinaryCrossEntropyLoss(), takes: 'logits', classes: false },
  binaryCrossEntropyOfProbabilities: { make: () => new BinaryCrossEntropyLoss({ fromLogits: false }), takes: 'probabilities', classes: false },
  mse: { make: () => new MSELoss(), takes: 'numbers', classes: false },
  mae: { make: () => new L1Loss(), takes: 'numbers', classes: false },
  huber: { make: () => new HuberLoss(), takes: 'numbers', classes: false },
  sumOfSquares: { make: () => new MSELoss({ reduction: 'sum' }), takes: 'numbers', classes: false },
  kerasCrossEntropy: { make: () => new KerasCrossEntropy(), takes: 'probabilities', classes: true },
  kerasBinaryCrossEntropy: { make: () => new KerasBinaryCrossEntropy(), takes: 'probabilities', classes: false },
  summedLogSoftmax: { make: () => new SummedLogSoftmax(), takes: 'logits', classes: true },
  bareBinaryCrossEntropy: { make: () => new BareBinaryCrossEntropy(), takes: 'probabilities', classes: false },
};
