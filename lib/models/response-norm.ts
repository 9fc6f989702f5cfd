// Local response normalization as AlexNet and GoogLeNet have it, as a composition. For models only.

import { Layer } from '../layers/layer.js';
import { registerLayer } from '../layers/registry.js';
import { sqrt } from '../ops/elementwise.js';
import type { Tensor } from '../tensor.js';

/**
 * `y = x / (k + α/n·Σ x²)^¾` over n = 5 neighbouring channels, α = 1e-4, k = 1 (Caffe's form of Krizhevsky et al. 2012).
 *
 * @example
 * ```ts
 * import { ResponseNorm, ones } from 'nodegrad';
 * new ResponseNorm().forward(ones([1, 2, 2, 8])).shape; // [1, 2, 2, 8]
 * ```
 */
export class ResponseNorm extends Layer {
  forward(x: Tensor): Tensor {
    const [n, h, w, c] = x.shape;
    const squares = x.mul(x).pad([
      [0, 0],
      [0, 0],
      [0, 0],
      [2, 2],
    ]);
    const shifted = (by: number): Tensor => squares.slice([0, 0, 0, by], [n, h, w, by + c]);
    const sum = shifted(0).add(shifted(1)).add(shifted(2)).add(shifted(3)).add(shifted(4));
    const root = sqrt(sum.mul(1e-4 / 5).add(1));
    return x.div(root.mul(sqrt(root)));
  }
  /** The layer that `config()` describes. */
  static fromConfig(): ResponseNorm {
    return new ResponseNorm();
  }
}

registerLayer(ResponseNorm as never);
