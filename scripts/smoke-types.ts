// Copied into the folder where the tarballs are installed: must compile there under every module resolution that finds types.

import {
  Adam,
  CrossEntropyLoss,
  compileStep,
  datasets,
  type Info,
  info,
  Linear,
  load,
  Model,
  ReLU,
  readIdx,
  SGD,
  Sequential,
  Tensor,
  tensor,
} from 'nodegrad';

class Net extends Model {
  hidden = new Linear(784, 32);
  relu = new ReLU();
  output = new Linear(32, 10);
  override forward(x: Tensor): Tensor {
    return this.output.forward(this.relu.forward(this.hidden.forward(x.reshape([-1, 784]))));
  }
}

export async function main(signal?: AbortSignal): Promise<number> {
  const facts: Info = info();
  const { train, test } = await datasets.digits({ train: 100, test: 10 });
  const loss = new CrossEntropyLoss();
  const net = new Net();
  const lines: string[] = [];
  const progress = { write: (text: string) => lines.push(text) };
  const options = { loss, optimizer: new Adam(net, { lr: 1e-3 }), epochs: 1, validation: test, progress };
  const history = await net.fit(train, signal === undefined || signal.aborted ? options : { ...options, signal });
  const stack = new Sequential([new Linear(4, 2)]);
  const optimizer = new SGD(stack.parameters(), { lr: 0.1, momentum: 0.9 });
  const y: Tensor = stack.forward(tensor([[1, 2, 3, 4]]));
  y.sum().backward();
  optimizer.step();
  const step = compileStep((input: Tensor) => ({ y: stack.forward(input) }));
  step[Symbol.dispose]();
  await net.save('net.safetensors');
  const loaded = await load('net.safetensors');
  const scores = await loaded.evaluate(test, { loss });
  const images = readIdx(new Uint8Array(16));
  const integers: Int32Array = Tensor.from(new Int32Array(3)).data;
  // @ts-expect-error: types must be there, not `any`.
  const wrong: string = scores.loss;
  return facts.numThreads + history.epochs.length + integers.length + images.shape.length + wrong.length;
}
