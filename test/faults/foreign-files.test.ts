// Files of other libraries where one of ours is asked for.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as lib from '../../lib/index.js';
import { says } from '../helpers/words.js';

test('checkpoints of PyTorch and files of Keras are named, with what turns them into safetensors', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'habits-'));
  const begins: [string, number[], string[]][] = [
    ['new.pth', [0x50, 0x4b, 3, 4], ['zip archive', 'torch.save', 'safetensors.torch.save_file', '.keras']],
    ['old.pth', [0x80, 2, 0x8a, 0x0a], ['pickle', 'torch.save', 'safetensors.torch.save_file']],
    ['model.h5', [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a], ['HDF5', 'Keras']],
    ['model.json', [...Buffer.from('{"modelTopology": 1}')], ['JSON']],
  ];
  for (const [name, start, parts] of begins) {
    const path = join(folder, name);
    writeFileSync(path, Buffer.concat([Uint8Array.from(start), new Uint8Array(400)]));
    await says(t, () => lib.load(path), path, ...parts);
    await says(t, () => lib.readSafetensors(path), path, ...parts);
    await says(t, () => lib.mlp().load(path), path, ...parts);
    await says(t, () => lib.loadPyTorch(lib.lenet5(), path), path, ...parts);
    await says(t, () => lib.decodeSafetensors(Buffer.concat([Uint8Array.from(start), new Uint8Array(400)])), ...parts);
  }
  rmSync(folder, { recursive: true });
});
