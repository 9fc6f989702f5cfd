#!/bin/sh
# V8 counts the memory of ArrayBuffers for its garbage collector, and that of SharedArrayBuffers not at all.
#
# A synchronous loop that makes buffers of 4 MB, fills them and drops them, 150 times. With ArrayBuffer the process stays small: their bytes are
# reported as external memory, and collections follow. With SharedArrayBuffer no collection ever comes, so all 600 MB stay, although two calls of
# gc() give them back at once, without a turn of the event loop. Nothing in process.memoryUsage() shows them: `external` and `arrayBuffers` stay
# near zero. A native addon can tell V8 by napi_adjust_external_memory (in JavaScript there is no way to); then the loop stays flat as well.
#
# Seen with Node.js 22.12.0 (npm package node@22.12.0) on Linux x64, the same with 20.20, 24 and 26:
#   ArrayBuffer        peak below 250 MB
#   SharedArrayBuffer  peak above 550 MB, external below 20 MB; below 250 MB after gc()
# Exits with 1 when that has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --no-audit --no-fund --silent --prefix "$folder" node@22.12.0 >/dev/null 2>&1
node="$folder/node_modules/node/bin/node"
[ -x "$node" ] || node=$(ls "$folder"/node_modules/node-bin-*/bin/node "$folder"/node_modules/node-linux-*/bin/node 2>/dev/null | head -1)
cat >loop.cjs <<'JS'
const Kind = globalThis[process.argv[2]];
const megabytes = (bytes) => Math.round(bytes / 1e6);
let peak = 0;
for (let i = 0; i < 150; i++) {
  new Uint8Array(new Kind(4e6)).fill(1);
  peak = Math.max(peak, process.memoryUsage.rss());
}
const { external } = process.memoryUsage();
gc();
gc(); // the first leaves the memory to a thread in the background
console.log(JSON.stringify({ peak: megabytes(peak), external: megabytes(external), afterGc: megabytes(process.memoryUsage.rss()) }));
JS
"$node" --version
plain=$("$node" --expose-gc loop.cjs ArrayBuffer)
shared=$("$node" --expose-gc loop.cjs SharedArrayBuffer)
echo "ArrayBuffer        $plain"
echo "SharedArrayBuffer  $shared"
"$node" -e '
const [plain, shared] = process.argv.slice(1).map((text) => JSON.parse(text));
const same = plain.peak < 250 && shared.peak > 550 && shared.external < 20 && shared.afterGc < 250;
console.log(same ? "as described" : "CHANGED");
process.exit(same ? 0 : 1);
' "$plain" "$shared"
