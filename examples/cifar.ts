// ResNet-20 on CIFAR-10 with the recipe of its paper (He et al. 2015), in few epochs: the images stay bytes, and each is shifted and mirrored anew in every
// epoch. Two epochs take a minute on two cores and reach some 63 %, the paper's 164 epochs 91 %. `node examples/cifar.ts 2` makes two.
// The files are looked for in $NODEGRAD_DATA/cifar10. Where they are not, it trains on drawn digits: `node examples/cifar.ts 1 300` draws 300.

import { CrossEntropyLoss, MultiStepDecay, SGD, augmented, cifarResnet, datasets, randomCrop, randomFlip, setSeed } from 'nodegrad';

const [epochs, digits] = [Number(process.argv[2] ?? 20), Number(process.argv[3] ?? 6000)];

setSeed(1);
const { train, test, mean } = await datasets.cifar10({ raw: true }).catch((problem: Error) => {
  console.log(`${problem.message}\nDrawn digits instead:`);
  return datasets.digits({ train: digits, test: Math.ceil(digits / 6), imageSize: 32, raw: true });
});
const [imageSize, , channels] = train.inputShape;
console.log(
  `${train.length} images of ${imageSize}×${imageSize} in ${channels} ${channels === 1 ? 'channel' : 'channels'}, ${test.length} to be tested on`,
);

const model = cifarResnet({ depth: 20, channels });
console.log(`${model.parameterCount().toLocaleString('en')} weights in 20 layers`);

const moves = channels === 3 ? [randomCrop({ padding: 4 }), randomFlip()] : [randomCrop({ padding: 4 })]; // a mirrored digit is none
const validation = augmented(test, [], { mean });
const loss = new CrossEntropyLoss();
const milestones = [0.5, 0.75].map((share) => Math.max(1, Math.round(share * epochs))); // a tenth of the rate after half and three quarters
const optimizer = new SGD(model, { lr: new MultiStepDecay(0.1, { milestones }), momentum: 0.9, weightDecay: 1e-4 });
const history = await model.fit(augmented(train, moves, { mean }), { loss, optimizer, epochs, batchSize: 128, validation, log: false });
const { metrics } = await model.evaluate(validation, { loss });
console.log(`loss ${history.last?.loss.toFixed(3)} in the last epoch, test accuracy ${(100 * metrics.accuracy).toFixed(1)} %`);
