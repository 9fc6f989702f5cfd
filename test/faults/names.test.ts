// Names of classes in files and logs do not depend on a bundler: a copy of the library whose classes are renamed reads and writes
// the same.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import test from 'ava';
import { fromBytes, Layer, Linear, registerLayer, Sequential, type Tensor } from '../../lib/index.js';
import { root } from '../helpers/sources.js';

const folder = (): string => mkdtempSync(join(tmpdir(), 'nodegrad-names-'));

/** A copy of the compiled library in which every class is made under the name `e`, as `var Adam = class e extends …` is. */
function renamedCopy(): { url: string; renamed: number } {
  const copy = folder();
  let renamed = 0;
  for (const entry of readdirSync(join(root, 'dist/lib'), { recursive: true, withFileTypes: true })) {
    if (!entry.name.endsWith('.js')) continue;
    const path = join(entry.parentPath, entry.name);
    const target = join(copy, path.slice(join(root, 'dist').length));
    mkdirSync(dirname(target), { recursive: true });
    const text = readFileSync(path, 'utf8').replace(/^(?:export )?class \w+(?: extends [\w.]+)? \{/gm, (head) => {
      renamed += 1;
      return `${head} static { Object.defineProperty(this, 'name', { value: 'e', configurable: true }); }`;
    });
    writeFileSync(target, text);
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  copyFileSync(join(root, 'package.json'), join(copy, 'package.json'));
  return { url: pathToFileURL(join(copy, 'lib/index.js')).href, renamed };
}

const child = fileURLToPath(new URL('./names.child.js', import.meta.url));
const own = pathToFileURL(join(root, 'dist/lib/index.js')).href;
const { url: bundled, renamed } = renamedCopy();

function run(library: string, action: string, at = ''): unknown {
  const binary = process.env['NODEGRAD_BINARY'] ?? join(root, 'build/Release/nodegrad.node');
  const output = execFileSync(process.execPath, [child, library, action, at], {
    encoding: 'utf8',
    env: { ...process.env, NODEGRAD_BINARY: binary },
  });
  return JSON.parse(output.trim().split('\n').at(-1) as string);
}

test('every exported class keeps its name in a bundle (fault F07)', (t) => {
  t.true(renamed > 100, `${renamed} classes were renamed`);
  t.deepEqual(run(bundled, 'names'), ['ShapeError']);
  t.deepEqual(run(own, 'names'), ['ShapeError']);
});

test('a model file passes between a bundled program and one that is not, both ways (fault F07)', (t) => {
  for (const [from, to] of [
    [own, bundled],
    [bundled, own],
  ]) {
    const at = folder();
    const summary = run(from, 'save', at);
    t.deepEqual(run(to, 'load', at), [true, summary, false]);
  }
});

test('a run goes on in a bundled program and in one that is not, both ways, with the bits of one program (fault F07)', (t) => {
  const whole = run(own, '3', folder());
  for (const [from, to] of [
    [own, bundled],
    [bundled, own],
  ]) {
    const at = folder();
    run(from, '1', at);
    t.deepEqual(run(to, '3', at), whole);
  }
});

class Plain extends Layer {
  forward(x: Tensor): Tensor {
    return x;
  }
  static fromConfig(): Plain {
    return new Plain();
  }
}

test('a layer class is registered under a name that is given as a text (fault F07)', (t) => {
  t.throws(() => registerLayer(Plain, undefined as never), { code: 'ERR_ARGUMENT', message: /registerLayer\(Plain, 'Plain'\)/ });
  t.throws(() => registerLayer(Plain, ''), { code: 'ERR_ARGUMENT', message: /`name`/ });
  t.throws(() => registerLayer(Plain, 'Linear'), { code: 'ERR_ARGUMENT', message: /already registered under the name 'Linear'/ });
  registerLayer(Plain, 'PlainNet');
  registerLayer(Plain, 'PlainNet');
  t.throws(() => registerLayer(Plain, 'Other'), { code: 'ERR_ARGUMENT', message: /already registered under the name 'PlainNet'/ });
  t.is(Plain.name, 'PlainNet', 'summaries and logs say so, too');
  t.true(fromBytes(new Sequential([new Plain()]).toBytes()) instanceof Sequential);
});

test('a class that is not registered is not taken for one of the same name (fault F07)', (t) => {
  const Impostor = {
    Linear: class Linear extends Layer {
      forward(x: Tensor): Tensor {
        return x;
      }
    },
  }.Linear;
  t.throws(() => new Sequential([new Impostor()]).toBytes(), { code: 'ERR_ARGUMENT', message: /cannot be described/ });
  t.throws(() => registerLayer(Impostor as never, 'Impostor'), { message: /static fromConfig\(\) { return new Linear\(\); }/ });
  class Wider extends Linear {}
  t.throws(
    () => new Wider(2, 2).clone(),
    {
      code: 'ERR_ARGUMENT',
      message:
        /static fromConfig\(\) { return new Wider\(\); }.*registerLayer\(Wider, 'Wider'\).*writeSafetensors\(path, model\.stateDict\(\)\), and model\.load\(path\)/,
    },
    'a subclass is another class',
  );
});
