#!/usr/bin/env bash
# AMD Zen 5: fused multiply-adds on denormal float32 operands, and products that become denormal, take no longer than others. Intel's cores
# take an assist of some hundred cycles for each (a matrix product with a denormal operand took 215 times as long on a Granite Rapids, and a
# training step 37 times). Tutorials tell everybody to set FTZ and DAZ; on this core it gains nothing.
#
# Compiles a loop of AVX2 FMAs (g++, -O2 -mavx2 -mfma), and compares the times of three kinds of operands: normal, denormal, and normal ones whose
# products are denormal. Seen on an AMD EPYC of family 26 (Zen 5), g++ 12.2, 2026-11-29: 1.00 and 1.00 times. Fails where that changes.
#
# nodegrad: the sitter's finding `denormal-numbers` is silent on such processors; setFlushDenormals(true) is there for the others
# (docs/guides/troubleshooting.md).
set -euo pipefail
grep -q AuthenticAMD /proc/cpuinfo || { echo 'skipped: not an AMD processor'; exit 0; }
family=$(awk -F: '/cpu family/ { print $2 + 0; exit }' /proc/cpuinfo)
[ "$family" = 26 ] || { echo "skipped: family $family is not Zen 5"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/denormals.cc" <<'CC'
#include <chrono>
#include <cstdio>
#include <immintrin.h>
static double nanoseconds(float x, float y) {
  double least = 1e9;
  for (int round = 0; round < 200; ++round) {
    __m256 a = _mm256_set1_ps(x), b = _mm256_set1_ps(y), sums[10];
    for (auto& sum : sums) sum = _mm256_setzero_ps();
    asm volatile("" : "+x"(a), "+x"(b));
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 2000; ++i)
      for (auto& sum : sums) { sum = _mm256_fmadd_ps(a, b, sum); asm volatile("" : "+x"(sum)); }
    const double took = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() / 20000;
    if (took < least) least = took;
  }
  return least;
}
int main() {
  const double normal = nanoseconds(0.5f, 0.25f), operand = nanoseconds(1e-40f, 0.25f), product = nanoseconds(1e-20f, 1e-20f);
  std::printf("denormal operands %.2f times, denormal products %.2f times\n", operand / normal, product / normal);
  return operand / normal < 1.5 && product / normal < 1.5 ? 0 : 1;
}
CC
g++ -O2 -mavx2 -mfma "$folder/denormals.cc" -o "$folder/denormals"
"$folder/denormals"
