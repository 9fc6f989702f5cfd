// What every operation owes: its name in both languages, its gradient, its backward beneath it, and few lines.
import test from 'ava';
import '../../lib/index.js';
import { nativeOps } from '../../lib/native.js';
import { definedOp, definedOps } from '../../lib/ops/define.js';
import { idleKernels, linesNaming, looseBackwards, looseStems, opNames } from '../helpers/architecture.js';
import { gradientCases } from '../helpers/gradients.js';
import { ruleSamples } from '../helpers/optimizers.js';
import { readTree, type Tree } from '../helpers/sources.js';

const tree = readTree();
const invent = (files: Record<string, string>): Tree => new Map(Object.entries(files));

/** Operations that lib defines without a gradient, by the reason. */
const withoutGradient: [RegExp, string][] = [
  [/_(backward|slope)$/, 'a backward is not differentiated again'],
  [/^conv2d_weight_gradient_shards$/, 'made after recording'],
  [/^conv2d_weight_gradient$/, 'runs inside backward, and is not differentiated again'],
  [/^(equal|not_equal|less|less_equal|sign|histogram)$/, 'piecewise constant'],
  [/^(sum_squares|sum_squares_blocks|sum_blocks|sum_squares_difference|statistics)$/, 'reports numbers, off the tape'],
  [/^sequence_mask$/, 'made of lengths'],
  [/^(fill|random_uniform|random_normal|fractional_windows)$/, 'no input to differentiate by'],
  [/^(elementwise_chain|gru_weight_accumulate)$/, 'fused after recording, or run inside backward, when the tape is gone'],
  [/^require_finite$/, 'gives no value'],
  [/^batch_norm_statistics$/, 'off the tape: the gradient of batch_norm goes through them'],
  [/^(batch_norm_running|(batch|group)_norm_gradients)$/, 'runs in place or inside backward'],
  [/^group_(sum|reduce|share)$/, 'runs in place, behind the backward pass of all shards'],
  [/^augment$/, 'makes batches from bytes, before there is a tape'],
  [/^(accumulate|scale_by|scatter_add_rows)$/, 'runs inside backward or in place, where no tape is kept'],
  [new RegExp(`^(${Object.keys(ruleSamples).join('|')})$`), 'an optimizer updates in place, where no tape is kept'],
];

test('native and lib have the same list of operations', (t) => {
  const native = nativeOps.map(({ name }) => name);
  t.deepEqual(opNames(tree), native, 'the addon was built from another ops.def: npm run build');
  t.deepEqual([...definedOps()].sort(), [...native].sort());
  t.is(new Set(native).size, native.length);
});

test('every operation has a gradient with a gradient-check case, or a reason to have none', (t) => {
  for (const name of definedOps()) {
    const without = definedOp(name)?.gradient === 'none';
    const reason = withoutGradient.find(([pattern]) => pattern.test(name));
    t.is(without, reason !== undefined, `${name}: ${without ? 'no gradient and no reason' : 'a gradient, although the list says none'}`);
    if (!without) t.true(name in gradientCases, `${name} has no case in test/helpers/gradients.ts`);
  }
});

test('a backward stands under its forward, in the same stem of both languages, and every kernel has its operation', (t) => {
  t.deepEqual(
    looseBackwards(tree, {
      select_backward: 'serves max and min, and stands under both',
      hard_tanh_backward: 'of clip too: hard tanh is clipping with gradient 0 at the bounds',
    }),
    [],
  );
  t.deepEqual(
    looseStems(tree, {
      'native/ops/gemm.cc': 'the driver behind matmul.cc: no operation of its own',
      'native/ops/gemm_bfloat16.cc': 'a driver behind matmul.cc and convolution.cc: no operation of its own',
      'native/ops/bfloat16_product.cc': 'chooses the kernels of gemm_bfloat16.cc',
      'native/ops/bfloat16_stage.cc': 'what convolution_bfloat16.cc copies before it multiplies',
      'native/ops/convolution_bfloat16.cc': 'an algorithm behind convolution.cc',
      'native/ops/convolution_bfloat16_weights.cc': 'its third direction, which has a way of its own',
      'native/ops/depthwise.cc': 'an algorithm behind convolution.cc',
      'native/ops/direct.cc': 'an algorithm behind convolution.cc',
      'native/ops/im2col.cc': 'an algorithm behind convolution.cc',
      'native/ops/pointwise.cc': 'an algorithm behind convolution.cc',
      'native/ops/tapwise.cc': 'an algorithm behind convolution.cc',
      'native/ops/winograd.cc': 'an algorithm behind convolution.cc',
      'native/ops/lstm.cc': 'lib/ops/recurrent.ts: one of three cells, which are much alike there',
      'native/ops/gru.cc': 'lib/ops/recurrent.ts: one of three cells, which are much alike there',
      'native/ops/registry.cc': 'the table of all operations',
      'native/ops/optimizers.cc': 'lib/ops/update.ts: optimizers.ts would be taken for the room of that name',
    }),
    [],
  );
  t.deepEqual(idleKernels(tree), []);
  const wrong = invent({
    'native/ops/ops.def': 'OP(elu, "T:T", 0, 0)\nOP(neg, "T:T", 0, 0)\nOP(elu_backward, "T:TT", 0, 0)\n',
    'native/ops/elu.cc': 'kernels.used(x); // kernels.idle(x)',
    'native/kernels/kernels.def': 'KERNEL(used, void, int)\nKERNEL(idle, void, int)\n',
  });
  t.deepEqual(looseBackwards(wrong, {}), ['elu_backward']);
  t.deepEqual(looseStems(wrong, {}), ['native/ops/elu.cc']);
  t.deepEqual(idleKernels(wrong), ['idle']);
});

test('a new activation costs six files and about fifty lines, its tests and its export included', (t) => {
  // Two that no text of another one mentions; mish is a smooth one with arithmetic of its own in math.h.
  const samples = [/\b(softsign|Softsign)(Backward|_backward|Op|Of|Slope)?\b/, /\b(mish|Mish)(Backward|_backward|Op|Of|Slope)?\b/];
  for (const names of samples) {
    const lines = linesNaming(tree, names);
    // The function's arithmetic, where it is none of those that math.h has already.
    lines.delete('native/kernels/math.h');
    // Where ONNX has an operator of it.
    lines.delete('lib/onnx/steps/elementwise.ts');
    // Where Keras has a function of it.
    lines.delete('lib/models/keras-activations.ts');
    t.deepEqual([...lines.keys()].sort(), [
      'lib/index.ts',
      'lib/layers/smooth-activations.ts',
      'lib/onnx/rules/elementwise.ts',
      'lib/ops/smooth_activations.ts',
      'native/kernels/maps.def',
      'test/helpers/activations.ts',
    ]);
    const total = [...lines.values()].reduce((sum, count) => sum + count, 0);
    t.true(total >= 40 && total <= 55, `${names} take ${total} lines`);
    t.log(`${names}: ${total} lines in 6 files`);
  }
});
