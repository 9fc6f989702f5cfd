#!/usr/bin/env bash
# torchrun of PyTorch 2.15: MASTER_ADDR and MASTER_PORT, by which processes of rank 0 have always been found, name a port on which torchrun itself
# listens already: its agent serves a store there, and says so in TORCHELASTIC_USE_AGENT_STORE alone. A program that is not PyTorch's and serves at
# MASTER_PORT, as rank 0 of older launchers does, fails with "address in use" under torchrun and works without.
# Seen:
#   TORCHELASTIC_USE_AGENT_STORE=True, listening on MASTER_PORT: EADDRINUSE, on the port above it: done
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python="${NODEGRAD_BENCH_PYTHON:-python3}"
if ! "$python" -c 'import torch' 2> /dev/null; then
  python3 -m venv "$folder/venv"
  "$folder/venv/bin/pip" install --quiet torch==2.15.0
  python="$folder/venv/bin/python"
fi
cat > "$folder/listen.mjs" <<'JS'
import { createServer } from 'node:net';
const { MASTER_ADDR, MASTER_PORT, RANK, TORCHELASTIC_USE_AGENT_STORE } = process.env;
const listen = (port) => new Promise((done) => {
  const server = createServer().on('error', ({ code }) => done(code)).listen(port, MASTER_ADDR, () => server.close(() => done('done')));
});
if (RANK === '0') {
  const [first, above] = [await listen(Number(MASTER_PORT)), await listen(Number(MASTER_PORT) + 1)];
  console.log(`TORCHELASTIC_USE_AGENT_STORE=${TORCHELASTIC_USE_AGENT_STORE}, listening on MASTER_PORT: ${first}, on the port above it: ${above}`);
  if (first !== 'EADDRINUSE') { console.log('the behaviour has changed'); process.exitCode = 1; }
}
JS
"$python" -m torch.distributed.run --standalone --nproc-per-node 2 --no-python node "$folder/listen.mjs" 2> "$folder/errors" || { cat "$folder/errors"; exit 1; }
