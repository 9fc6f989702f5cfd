// Proves lib/layers/ignored.ts: parts that are left as they are where values are loaded, while all else has to fit.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { ArgumentError, Linear, Model, type Tensor, loadPyTorch, savePyTorch, writeSafetensors } from '../../lib/index.js';

const folder = mkdtempSync(join(tmpdir(), 'nodegrad-ignored-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

class Net extends Model {
  readonly body = new Linear(4, 3);
  readonly head: Linear;

  constructor(classes: number) {
    super();
    this.head = new Linear(3, classes);
  }

  forward(x: Tensor): Tensor {
    return this.head.forward(this.body.forward(x));
  }
}

test('an ignored part is left as it is, of whatever shape its values are, and all else has to fit', async (t) => {
  const source = new Net(5);
  const theirs = source.stateDict();
  const [file, torch] = ['weights', 'torch'].map((name) => join(folder, `${name}.safetensors`));
  await writeSafetensors(file, theirs);
  await savePyTorch(source, torch);
  const ways: ((net: Net, ignore: string[]) => unknown)[] = [
    async (net, ignore) => net.loadStateDict(theirs, { ignore }),
    (net, ignore) => net.load(file, { ignore }),
    (net, ignore) => loadPyTorch(net, torch, { ignore }),
  ];
  for (const [i, load] of ways.entries()) {
    const net = new Net(2);
    const before = net.head.weight.data.slice();
    const report = await load(net, ['head']);
    const skipped = ['head.weight', 'head.bias'];
    t.deepEqual(report, { matched: ['body.weight', 'body.bias'], missing: [], unexpected: [], skipped }, `way ${i}`);
    t.deepEqual([net.head.weight.data, net.body.weight.data], [before, source.body.weight.data]);
    await t.throwsAsync(async () => load(new Net(5), ['haed']), {
      instanceOf: ArgumentError,
      message: /^`options\.ignore` names "haed", .*Did you mean "head"\?$/,
    });
    await t.throwsAsync(async () => load(new Net(5), ['nothing']), { message: /There are body, head …$/ });
    await t.throwsAsync(async () => load(new Net(5), 'head' as never), { message: /`options\.ignore`/ });
  }
});

test('a name is an entry or a whole part, in the model or in the source alone, and never the beginning of a word', (t) => {
  const net = new Net(5);
  const state = new Map(net.stateDict());
  state.delete('body.bias');
  const options = { ignore: ['body.bias'] };
  t.deepEqual(net.loadStateDict(state, options).skipped, ['body.bias']);
  t.throws(() => net.loadStateDict(state), { message: /missing body\.bias\. In a program, \{ ignore: \['body'\] \} leaves a part as it is/ });
  state.set('aux.weight', state.get('head.weight')!);
  t.deepEqual(net.loadStateDict(state, { ignore: ['body.bias', 'aux'] }).unexpected, []);
  t.throws(() => net.loadStateDict(state, options), { message: /unexpected aux\.weight/ });
  t.throws(() => net.loadStateDict(state, { ignore: ['bod'] }), { message: /Did you mean "body"/ });
});
