// Reads one file, in a process of its own: what came of it, and the most memory that the process had, go to standard output as JSON.
import { readIdx, readSafetensors } from '../../lib/index.js';

const [how, path] = process.argv.slice(2);
const before = process.resourceUsage().maxRSS;
let outcome: string;
try {
  if (how === 'idx') outcome = `${readIdx(path).data.length} values`;
  else outcome = `${(await readSafetensors(path)).tensors.size} tensors`;
} catch (error) {
  outcome = (error as Error).message;
}
process.stdout.write(JSON.stringify({ outcome, grown: (process.resourceUsage().maxRSS - before) * 1024 }));
