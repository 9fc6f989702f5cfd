// Writes or reads a model and a run with the library at the URL that it is given, which may be a copy whose classes a bundler has renamed.
import type * as Library from '../../lib/index.js';

const [url, action, folder] = process.argv.slice(2);
const lib = (await import(url)) as typeof Library;

// What a bundler makes of `class MyNet` that mentions itself.
const MyNet = class e extends lib.Layer {
  readonly inner = new lib.Linear(2, 2);
  forward(x: Library.Tensor): Library.Tensor {
    return this.inner.forward(x);
  }
  override config(): unknown {
    return {};
  }
  static fromConfig(): e {
    return new e();
  }
};
lib.registerLayer(MyNet, 'MyNet');

const { Linear, BatchNorm1d, Dropout, ReLU, NamedStack, Sequential, setSeed } = lib;
function make(): Library.Sequential {
  setSeed(1);
  return new Sequential([new MyNet(), new NamedStack({ norm: new BatchNorm1d(2), act: new ReLU() }), new Dropout(0.5), new Linear(2, 1)]);
}

function isClass(value: unknown): value is { name: string } {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}

class Counter extends lib.Callback {
  static override readonly name: string = 'Counter';
  epochs = 0;
  override onEpochEnd(): void {
    this.epochs += 1;
  }
  override stateDict(): unknown {
    return this.epochs;
  }
  override loadStateDict(state: unknown): void {
    this.epochs = state as number;
  }
}

async function train(epochs: number, dir: string): Promise<unknown> {
  const model = make();
  const optimizer = new lib.AdamW(model, { lr: new lib.StepDecay(0.01, { every: 1, factor: 0.5 }) });
  const data = new lib.TensorDataset(lib.ones([8, 2]), lib.ones([8, 1]));
  const [loss, counter] = [new lib.MSELoss(), new Counter()];
  const options = { loss, optimizer, callbacks: [counter], batchSize: 4, epochs, checkpoint: { dir }, resume: true };
  await model.fit(data, { ...options, progress: false, log: false });
  return [[...model.stateDict()].map(([path, { data: values }]) => [path, [...values]]), optimizer.stateDict().kind, counter.epochs];
}

let result: unknown;
if (action === 'names') {
  const error = new lib.ShapeError('x');
  result = [...Object.entries(lib).flatMap(([name, value]) => (isClass(value) && value.name !== name ? [name] : [])), error.name];
} else if (action === 'save') {
  await make().save(`${folder}/model.safetensors`);
  result = make().summary();
} else if (action === 'load') {
  const model = await lib.load(`${folder}/model.safetensors`);
  result = [
    (model as Library.Sequential).layers[0] instanceof MyNet,
    model.summary(),
    new TextDecoder().decode(model.toBytes()).includes('"e"'),
  ];
} else result = await train(Number(action), folder);
console.log(JSON.stringify(result));
