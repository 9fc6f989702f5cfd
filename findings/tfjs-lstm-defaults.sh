#!/usr/bin/env bash
# TensorFlow.js 4.22: layers.lstm() with no options is not Keras's LSTM. The bias of its forget gate begins at 0 (Keras: 1, `unit_forget_bias=True`), its gates use
# the hard sigmoid (Keras 3: the sigmoid), and its weights begin as Glorot normal (Keras: Glorot uniform). So a training that is moved from Keras line by line
# starts elsewhere, and weights that were trained in Keras give other numbers unless `recurrentActivation: 'sigmoid'` is said. Seen:
#   forget gate [0,0,0], with unitForgetBias: true [1,1,1]; gates hardSigmoid; weights {"scale":1,"mode":"fanAvg","distribution":"normal","seed":null}
set -euo pipefail
modules="${NODEGRAD_BENCH_NODE_MODULES:-}"
if [ -z "$modules" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  (cd "$folder" && npm init -y > /dev/null && npm install --silent --ignore-scripts @tensorflow/tfjs@4.22.0)
  modules="$folder/node_modules"
fi
MODULES="$modules" node --input-type=commonjs - <<'JS'
console.warn = () => {};
const { createRequire } = require('node:module');
const tf = createRequire(`${process.env.MODULES}/index.js`)('@tensorflow/tfjs');
const made = (options) => {
  const layer = tf.layers.lstm({ units: 3, ...options });
  layer.apply(tf.zeros([1, 2, 2]));
  return { config: layer.getConfig(), forget: [...layer.getWeights()[2].dataSync()].slice(3, 6) };
};
tf.setBackend('cpu').then(() => {
  const [plain, told] = [made({}), made({ unitForgetBias: true })];
  const { recurrentActivation, kernelInitializer } = plain.config;
  console.log(
    `forget gate ${JSON.stringify(plain.forget)}, with unitForgetBias: true ${JSON.stringify(told.forget)}; ` +
      `gates ${recurrentActivation}; weights ${JSON.stringify(kernelInitializer.config)}`,
  );
  const isSame = plain.forget.join() === '0,0,0' && told.forget.join() === '1,1,1' && recurrentActivation === 'hardSigmoid';
  if (!isSame || kernelInitializer.config.distribution !== 'normal') {
    console.log('the behaviour has changed');
    process.exit(1);
  }
});
JS
