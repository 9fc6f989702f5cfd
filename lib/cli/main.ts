#!/usr/bin/env node
// The `nodegrad` command.

import { isOutputLost, watchOutput } from './output.js';
import { runCommandLine } from './program.js';

watchOutput();
const code = await runCommandLine(process.argv.slice(2));
process.exitCode = code === 0 && isOutputLost() ? 1 : code;
