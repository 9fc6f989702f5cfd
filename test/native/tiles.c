// AMX where there is none: carries out the tile instructions that a processor refuses (SIGILL), as their documentation says, so that tests run
// the very code that a processor with AMX runs. Loaded into a process of its own with LD_PRELOAD. x86-64 Linux.
// cc -O2 -mfma -ffp-contract=off -shared -fPIC -o tiles.so tiles.c -ldl -lpthread
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <xmmintrin.h>

#define SIDE 16
#define ROW_BYTES 64

static __thread int configured;
static __thread unsigned char tile[8][SIDE][ROW_BYTES];
static int open_configurations; /* over all threads */
static long products;

static void fail(const char* what) {
  fprintf(stderr, "tiles: %s\n", what);
  abort();
}

static float up(uint32_t bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}

/* C += A·B by the definition, with denormal numbers as zero. */
static __attribute__((noinline)) void multiply(int c, int a, int b) {
  for (int m = 0; m < SIDE; m++)
    for (int n = 0; n < SIDE; n++) {
      float even = 0, odd = 0, old;
      for (int pair = 0; pair < 16; pair++) {
        uint32_t x, y;
        memcpy(&x, tile[a][m] + 4 * pair, 4);
        memcpy(&y, tile[b][pair] + 4 * n, 4);
        even = __builtin_fmaf(up(x << 16), up(y << 16), even);
        odd = __builtin_fmaf(up(x & 0xffff0000u), up(y & 0xffff0000u), odd);
      }
      memcpy(&old, tile[c][m] + 4 * n, 4);
      old = old + (even + odd);
      memcpy(tile[c][m] + 4 * n, &old, 4);
    }
}

static const int registers[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                  REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

/* The memory operand behind the ModRM byte at p: its address, its index register times scale, and its length in bytes. */
static char* operand(const greg_t* r, const unsigned char* p, int x, int b, long* stride, int* length) {
  const int mod = p[0] >> 6, rm = p[0] & 7;
  long address = 0;
  int used = 1;
  *stride = 0;
  if (rm == 4) {
    const int index = (p[1] >> 3 & 7) | x << 3, base = (p[1] & 7) | b << 3;
    used = 2;
    if (index != 4) *stride = r[registers[index]] * (1L << (p[1] >> 6));
    if (mod == 0 && (p[1] & 7) == 5) fail("an operand without a base");
    address = r[registers[base]];
  } else {
    if (mod == 0 && rm == 5) fail("an operand relative to the instruction");
    address = r[registers[rm | b << 3]];
  }
  if (mod == 1) address += (signed char)p[used++];
  if (mod == 2) {
    int32_t far;
    memcpy(&far, p + used, 4);
    address += far;
    used += 4;
  }
  *length = used;
  return (char*)address;
}

static void configure(const unsigned char* p) {
  if (p[0] != 1 || p[1] != 0) fail("another palette than 1");
  for (int i = 2; i < 16; i++)
    if (p[i] != 0) fail("reserved bytes of the configuration");
  for (int i = 0; i < 16; i++) {
    uint16_t bytes;
    memcpy(&bytes, p + 16 + 2 * i, 2);
    if (bytes != (i < 8 ? ROW_BYTES : 0) || p[48 + i] != (i < 8 ? SIDE : 0)) fail("tiles of another shape");
  }
  if (configured) fail("configured twice");
  configured = 1;
  __sync_fetch_and_add(&open_configurations, 1);
  memset(tile, 0, sizeof tile);
}

static void emulate(int signal_number, siginfo_t* information, void* context) {
  (void)signal_number;
  (void)information;
  greg_t* r = ((ucontext_t*)context)->uc_mcontext.gregs;
  const unsigned char* p = (const unsigned char*)r[REG_RIP];
  if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || (p[2] & 0x84) != 0) fail("an instruction that is none of tiles");
  const int extend = !(p[1] & 0x80), x = !(p[1] & 0x40), b = !(p[1] & 0x20), prefix = p[2] & 3, other = ~(p[2] >> 3) & 15;
  const int code = p[3], inRegister = p[4] >> 6 == 3, to = (p[4] >> 3 & 7) | extend << 3;
  long stride;
  int length = 1;
  char* at = inRegister ? NULL : operand(r, p + 4, x, b, &stride, &length);
  if (code == 0x49 && prefix == 0 && !inRegister) {
    configure((unsigned char*)at);
  } else if (code == 0x49 && prefix == 0 && p[4] == 0xc0) {
    if (configured) __sync_fetch_and_sub(&open_configurations, 1);
    configured = 0;
  } else {
    if (!configured || to > 7) fail("tiles without a configuration");
    if (code == 0x49 && prefix == 3 && inRegister) {
      memset(tile[to], 0, sizeof tile[to]);
    } else if (code == 0x4b && prefix == 3 && !inRegister) {
      for (int i = 0; i < SIDE; i++) memcpy(tile[to][i], at + i * stride, ROW_BYTES);
    } else if (code == 0x4b && prefix == 2 && !inRegister) {
      for (int i = 0; i < SIDE; i++) memcpy(at + i * stride, tile[to][i], ROW_BYTES);
    } else if (code == 0x5c && prefix == 2 && inRegister) {
      const unsigned state = _mm_getcsr();
      _mm_setcsr(0x9fc0);
      multiply(to, p[4] & 7, other);
      _mm_setcsr(state);
      __sync_fetch_and_add(&products, 1);
    } else {
      fail("an instruction that is none of those known");
    }
  }
  r[REG_RIP] += 4 + length;
}

/* The system grants tiles. */
long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (!real) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
  va_list list;
  va_start(list, number);
  long a[6];
  for (int i = 0; i < 6; i++) a[i] = va_arg(list, long);
  va_end(list);
  if (number == SYS_arch_prctl && a[0] == 0x1023 && a[1] == 18) return 0;
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* A thread that blocks SIGILL would be killed by it. */
int pthread_sigmask(int how, const sigset_t* set, sigset_t* before) {
  static int (*real)(int, const sigset_t*, sigset_t*);
  if (!real) real = (int (*)(int, const sigset_t*, sigset_t*))dlsym(RTLD_NEXT, "pthread_sigmask");
  if (!set || how == SIG_UNBLOCK) return real(how, set, before);
  sigset_t mine = *set;
  sigdelset(&mine, SIGILL);
  return real(how, &mine, before);
}

__attribute__((constructor)) static void begin(void) {
  struct sigaction action = {0};
  action.sa_sigaction = emulate;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGILL, &action, NULL);
}

__attribute__((destructor)) static void end(void) {
  if (open_configurations != 0) fprintf(stderr, "tiles: a thread has not released them\n");
  if (products == 0) fprintf(stderr, "tiles: nothing was multiplied\n");
}
