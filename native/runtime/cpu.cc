// CPU probe: CPUID and XGETBV or what the system says of an AArch64 processor, affinity and cgroup quota.
#include "cpu.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#if defined(__linux__)
#include <cerrno>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#define NODEGRAD_X86 1
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include "environment.h"
#include "system.h"

namespace nodegrad {
namespace {

#ifdef NODEGRAD_X86
uint64_t xgetbv0() {
  uint32_t lo, hi;
  __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
  return (uint64_t(hi) << 32) | lo;
}
#endif

#if defined(__aarch64__) && defined(__linux__)
void probeArm(CpuFeatures& f) {
  constexpr unsigned long idRegisters = 1 << 11, bf16 = 1 << 14;  // of HWCAP; of HWCAP2
  f.neon_bf16 = (getauxval(AT_HWCAP2) & bf16) != 0;
  if ((getauxval(AT_HWCAP) & idRegisters) == 0) return;
  uint64_t id;
  __asm__("mrs %0, midr_el1" : "=r"(id));  // the system answers in the processor's place
  f.family = int(id >> 24 & 0xff);
  f.model = int(id >> 4 & 0xfff);
  char brand[64];
  std::snprintf(brand, sizeof brand, "AArch64 implementer 0x%02x part 0x%03x", unsigned(f.family), unsigned(f.model));
  f.brand = brand;
}
#elif defined(__aarch64__) && defined(__APPLE__)
void probeArm(CpuFeatures& f) {
  int has = 0;
  size_t size = sizeof has;
  f.neon_bf16 = sysctlbyname("hw.optional.arm.FEAT_BF16", &has, &size, nullptr, 0) == 0 && has != 0;
  char brand[64] = {};
  size = sizeof brand - 1;
  if (sysctlbyname("machdep.cpu.brand_string", brand, &size, nullptr, 0) == 0) f.brand = brand;
}
#elif defined(__aarch64__)
void probeArm(CpuFeatures&) {}
#endif

CpuFeatures probe() {
  CpuFeatures f{};
#if defined(__aarch64__)
  f.neon = true;
  probeArm(f);
#endif
#ifdef NODEGRAD_X86
  uint32_t a, b, c, d;
  if (!__get_cpuid(0, &a, &b, &c, &d)) return f;
  f.amd = b == signature_AMD_ebx;
  f.intel = b == signature_INTEL_ebx;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return f;
  f.family = int((a >> 8) & 15);
  f.model = int((a >> 4) & 15);
  if (f.family == 15 || f.family == 6) f.model |= int((a >> 16) & 15) << 4;
  if (f.family == 15) f.family += int((a >> 20) & 255);
  const bool osxsave = c & (1u << 27);
  const uint64_t state = osxsave ? xgetbv0() : 0;
  const bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xe6) == 0xe6;
  f.fma = ymm && (c & (1u << 12));
  uint32_t b7 = 0, c7 = 0, d7 = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) { b7 = b; c7 = c; d7 = d; }
  f.avx2 = ymm && (b7 & (1u << 5));
  const uint32_t need = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);  // F, DQ, BW, VL
  f.avx512 = zmm && f.avx2 && f.fma && (b7 & need) == need;
  f.avx512_vnni = f.avx512 && (c7 & (1u << 11));
  if (f.avx512 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) f.avx512_bf16 = a & (1u << 5);
  const uint32_t tiles = (1u << 22) | (1u << 24);  // AMX-BF16, AMX-TILE
  f.amx_bf16 = f.avx512 && (d7 & tiles) == tiles && (state & (3u << 17)) == (3u << 17);
  char brand[49] = {0};
  uint32_t* words = reinterpret_cast<uint32_t*>(brand);
  if (__get_cpuid(0x80000000u, &a, &b, &c, &d) && a >= 0x80000004u) {
    for (uint32_t leaf = 0; leaf < 3; ++leaf)
      __get_cpuid(0x80000002u + leaf, words + leaf * 4, words + leaf * 4 + 1, words + leaf * 4 + 2, words + leaf * 4 + 3);
  }
  f.brand = brand;
  while (!f.brand.empty() && f.brand.back() == ' ') f.brand.pop_back();
#endif
  return f;
}

std::string& problem = *new std::string();  // never destroyed

Isa choose() {
  const CpuFeatures& f = cpuFeatures();
  const bool avx2 = f.avx2 && f.fma;
  const Isa best = f.neon ? Isa::neon : f.avx512 ? Isa::avx512 : avx2 ? Isa::avx2 : Isa::scalar;
  const Isa known[] = {Isa::scalar, Isa::avx2, Isa::avx512, Isa::neon};
  const bool offered[] = {true, avx2, f.avx512, f.neon};
  const int forced = variableChoice("NODEGRAD_ISA", {isaName(known[0]), isaName(known[1]), isaName(known[2]), isaName(known[3])});
  if (forced >= 0 && offered[forced]) return known[forced];
  if (forced >= 0) problem = std::string("NODEGRAD_ISA=") + isaName(known[forced]) + " is ignored: this CPU offers only " + isaName(best);
  else if (variable("NODEGRAD_ISA")) problem = "NODEGRAD_ISA must be scalar, avx2, avx512 or neon";
  if (forced >= 0) refuseVariable(problem);
  return best;
}

#if defined(__linux__)
// The first `count` numbers of a file; "max" reads as 0. stdio and not fstream: streams would link a megabyte of libstdc++ into the addon.
bool readNumbers(const char* path, double* out, int count) {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return false;
  char text[64] = {};
  const size_t length = std::fread(text, 1, sizeof text - 1, file);
  std::fclose(file);
  const char* at = text;
  for (int i = 0; i < count; i++) {
    while (*at == ' ' || *at == '\n') at++;
    if (at >= text + length) return false;
    char* end = nullptr;
    out[i] = double(std::strtoll(at, &end, 10));
    at = end == at && std::strncmp(at, "max", 3) == 0 ? at + 3 : end;
  }
  return true;
}

// CPUs by quota of the control group, 0 when there is none.
double cgroupCpus() {
  double v2[2];
  if (readNumbers("/sys/fs/cgroup/cpu.max", v2, 2)) return v2[0] > 0 && v2[1] > 0 ? v2[0] / v2[1] : 0;
  double us = 0, period = 0;
  if (readNumbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &us, 1) && readNumbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period, 1) &&
      us > 0 && period > 0) {
    return us / period;
  }
  return 0;
}
#endif

}  // namespace

namespace {
CpuFeatures& probed() {
  static CpuFeatures& f = *new CpuFeatures(probe());  // never destroyed: nothing runs at exit
  return f;
}
}  // namespace

const CpuFeatures& cpuFeatures() { return probed(); }
void assumeTiles() { probed().amx_bf16 = true; }

Isa activeIsa() {
  static const Isa isa = choose();
  return isa;
}

const char* isaProblem() {
  activeIsa();
  return problem.empty() ? nullptr : problem.c_str();
}

const char* isaName(Isa isa) {
  constexpr const char* names[] = {"scalar", "avx2", "avx512", "neon"};
  return names[int(isa)];
}

const char* requestTiles() {
#if defined(__linux__) && defined(__x86_64__)
  constexpr long requestPermission = 0x1023, tileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const int refusal = syscall(SYS_arch_prctl, requestPermission, tileData) == 0 ? 0 : errno;
  if (refusal == 0) return nullptr;
  return refusal == ENOSPC ? "AMX: a thread has an alternate signal stack that is too small for tiles" : "AMX: the system refuses tiles";
#else
  return "AMX: this system offers no tiles";
#endif
}

int usableCpus() {
  int n = affineCpus();
  if (n == 0) n = int(std::thread::hardware_concurrency());
#if defined(__linux__)
  const double quota = cgroupCpus();
  if (quota > 0) n = n < int(std::ceil(quota)) ? n : int(std::ceil(quota));
#endif
  return n < 1 ? 1 : n;
}

}  // namespace nodegrad
