#!/usr/bin/env bash
# musl 1.2.5 on x86-64 (with Zig 0.17.1's headers, statically and below Debian's loader alike): fmaf rounds twice where the result is denormal, once to
# double and once to float, and fma loses the sign of a result that rounds to zero. glibc has what the instruction VFMADD has.
# (1 + 2^-23)·2^-75 · (1 - 2^-23)·2^-75 + (2^-127 + 2^-149) lies a little below the middle of two floats, and comes out as the upper one; 2^-9 · -2^-1073 + 0
# is a negative number that rounds to -0, and comes out as +0. The C standard calls both rounded as one ternary operation. Seen:
#   musl: 0x1.000008p-127 0x0p+0
#   gnu: 0x1.000004p-127 -0x0p+0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ziglang==0.17.1
cat > "$folder/fma.c" <<'C'
#include <math.h>
#include <stdio.h>
int main(void) {
  volatile float x = 0x1.000002p-75f, y = 0x1.fffffcp-76f, z = 0x1.000004p-127f;
  volatile double a = 0x1p-9, b = -0x1p-1073, c = 0;
  printf("%a %a\n", fmaf(x, y, z), fma(a, b, c));
  return 0;
}
C
declare -A found
for library in musl gnu; do
  "$folder/venv/bin/python" -m ziglang cc -target "x86_64-linux-$library" -O1 -fno-builtin "$folder/fma.c" -o "$folder/$library" -lm
  found[$library]=$("$folder/$library")
  echo "$library: ${found[$library]}"
done
[ "${found[musl]}" = '0x1.000008p-127 0x0p+0' ] && [ "${found[gnu]}" = '0x1.000004p-127 -0x0p+0' ] || {
  echo "the behaviour has changed"
  exit 1
}
