// What this CPU can do, and which instruction set the process uses.
#pragma once
#include <string>

namespace nodegrad {

enum class Isa { scalar, avx2, avx512, neon };

struct CpuFeatures {
  bool avx2, fma, avx512;  // avx512 = F, DQ, BW and VL; all checked against the state that the system saves (XGETBV)
  bool avx512_bf16, avx512_vnni;
  bool amx_bf16;  // tiles of bfloat16; a process has to ask for them
  bool neon, neon_bf16;  // every AArch64 processor has NEON; BFMLALB and BFMLALT are an extension
  bool amd, intel;  // maker
  int family, model;  // AArch64: the maker and the part of MIDR_EL1, 0 where the system does not tell
  std::string brand;
};

const CpuFeatures& cpuFeatures();
// The best set this CPU has, or the one forced by NODEGRAD_ISA=scalar|avx2|avx512|neon. A forced set that the CPU lacks is refused:
// `isaProblem()` then says so, and the best one that works is used.
Isa activeIsa();
const char* isaProblem();
const char* isaName(Isa);
// Asks the system for AMX's tiles, once per process. nullptr: granted; or why not. It changes the process: signal frames grow, and a small
// alternate signal stack is refused from then on, so ask when they are wanted.
const char* requestTiles();
// For tests that carry out tile instructions themselves: the probe says from now on that there are tiles.
void assumeTiles();
// CPUs this process may use: affinity mask and cgroup quota (v1 and v2), never below 1.
int usableCpus();

}  // namespace nodegrad
