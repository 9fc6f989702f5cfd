// A worker of a study in a database whose trial keeps its thread from giving any sign of life.
import { search } from '../../lib/index.js';
import { wide } from '../helpers/search.js';

const [database, name] = process.argv.slice(2);
await search(
  wide,
  () => {
    process.stdout.write('begin\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
    return 1000;
  },
  { database, name, trials: 1, seed: 5, progress: false, heartbeat: 0.5 },
);
process.stdout.write('done\n');
