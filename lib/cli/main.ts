#!/usr/bin/env node
// The `nodegrad` command.

import { isOutputLost, watchOutput } from './output.js';
import { runCommandLine } from './program.js';

watchOutput();
const code = await runCommandLine(process.argv.slice(2));
// npm and shells send a signal again. Where Node.js ends by itself, it stops hearing signals a little earlier: the second one would kill it.
if (code > 128) process.exit(code);
process.exitCode = code === 0 && isOutputLost() ? 1 : code;
