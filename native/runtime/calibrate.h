// What this machine can do at most: peak FMA rate and memory bandwidth, the limits that the benchmarks compare with.
#pragma once

namespace nodegrad {

// Best rates seen. GFLOP/s count a fused multiply-add as two; GB/s count the bytes a loop asks for (no write-allocate traffic).
// A rate that could not be measured (instruction set absent, no memory, budget too short) is 0.
struct Calibration {
  int threads = 0;             // threads that took part; fewer than asked for when they could not be started
  double fmaAvx2[2] = {};      // float32 multiply-adds in registers: [one thread, all threads]
  double fmaAvx512[2] = {};
  double fmaNeon[2] = {};
  double copyBandwidth = 0;    // b[i] = a[i]            8 bytes an element, all threads, as are those below
  double readBandwidth = 0;    // sum += a[i]            4
  double triadBandwidth = 0;   // c[i] = a[i] + s·b[i]  12
  double updateBandwidth = 0;  // a[i] += s·b[i]        12, in place: what plain SGD moves
  double stateBandwidth = 0;   // a, b, c += s·d[i]     28, in place: what Adam moves
};

// Measures for about `seconds` with `threads` threads, the caller being one of them. Budgets under 0.2 s measure the FMA rates only:
// bandwidth needs four arrays of 64 MiB, far larger than the caches, and filling them costs more than such a budget.
Calibration calibrate(int threads, double seconds);

}  // namespace nodegrad
