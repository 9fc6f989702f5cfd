#!/usr/bin/env bash
# Node.js 20.20.2: fs.mkdir with `recursive` takes the system's answer ENOENT for a folder above that is missing, makes that one, and tries again. Where the folder
# above is there and answers ENOENT all the same, as /proc does, it goes round for ever: mkdirSync blocks the process, fs.promises.mkdir a thread of
# libuv's pool, of which there are four. A program that is asked to write to such a path never says so. Make the folders one by one, and try each once more only.
# Seen:
#   mkdirSync without recursive: ENOENT
#   mkdirSync with recursive: ended by timeout
#   promises.mkdir with recursive: ended by timeout
set -euo pipefail
try() { timeout -s KILL 3 node --input-type=module -e "import { mkdirSync, promises } from 'node:fs'; try { $1 } catch ({ code }) { console.log(code) }" || echo 'ended by timeout'; }
echo "mkdirSync without recursive: $(try "mkdirSync('/proc/nodegrad')")"
sync=$(try "mkdirSync('/proc/nodegrad', { recursive: true })")
pool=$(try "await promises.mkdir('/proc/nodegrad', { recursive: true })")
echo "mkdirSync with recursive: $sync"
echo "promises.mkdir with recursive: $pool"
if [[ $sync != 'ended by timeout' || $pool != 'ended by timeout' ]]; then
  echo 'the behaviour has changed'
  exit 1
fi
