// Copied into the folder where the tarballs are installed: two processes train one model, to the weights of one process that trains alone.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CrossEntropyLoss, datasets, Flatten, Linear, openStore, ProcessGroup, ReLU, Sequential, SGD, setSeed } from 'nodegrad';

async function train(group) {
  setSeed(1);
  const { train: data } = await datasets.digits({ train: 500, test: 100 });
  const model = new Sequential([new Flatten(), new Linear(784, 32), new ReLU(), new Linear(32, 10)]);
  const optimizer = new SGD(model, { lr: 0.1, momentum: 0.9 });
  await model.fit(data, {
    loss: new CrossEntropyLoss(),
    optimizer,
    epochs: 2,
    batchSize: 50,
    shards: 4,
    log: false,
    progress: false,
    ...(group && { group }),
  });
  const hash = createHash('sha256');
  for (const parameter of model.parameters()) hash.update(Float32Array.from(parameter.data));
  return hash.digest('hex').slice(0, 16);
}

const [rank, store] = process.argv.slice(2);
if (rank === undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'nodegrad-group-'));
  const outputs = [0, 1].map(async (one) => {
    const program = [fileURLToPath(import.meta.url), String(one), pathToFileURL(folder).href];
    const child = spawn(process.execPath, program, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    for await (const chunk of child.stdout) said += chunk;
    return said.trim();
  });
  const digests = await Promise.all(outputs);
  rmSync(folder, { recursive: true });
  const alone = await train(undefined);
  assert.deepEqual(digests, [alone, alone]);
  console.log(`two processes and one have the weights ${alone}`);
} else {
  const group = await ProcessGroup.open({ rank: Number(rank), size: 2, store: await openStore(store) });
  console.log(await train(group));
  group.close();
}
