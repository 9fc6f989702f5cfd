// An addon of Linux that loads an addon for macOS on the same processor: it maps the Mach-O file that MAC_ADDON names as dyld would, gives it this system's
// functions in the place of libSystem's, and hands on its exports. What the two systems call alike is passed on; what they do not stands below.
// It is for digests of what was compiled: no test of macOS.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static char *image, *file_name, *tls_template;
static size_t image_size, tls_size;

static void fail(const char* what, const char* name) {
  fprintf(stderr, "mac-loader: %s %s\n", what, name);
  abort();
}

// ---- what differs between libSystem and glibc -----------------------------------------------------------------------------------

// Mutexes and condition variables of macOS are larger; their second word, zero at first, holds ours.
static void* inner(void* outer, size_t size) {
  void** place = (void**)outer + 1;
  void* held = __atomic_load_n(place, __ATOMIC_ACQUIRE);
  if (held) return held;
  void* fresh = calloc(1, size);  // PTHREAD_MUTEX_INITIALIZER and PTHREAD_COND_INITIALIZER are zeros
  if (__atomic_compare_exchange_n(place, &held, fresh, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return fresh;
  free(fresh);
  return held;
}
static pthread_mutex_t* mutex(void* outer) { return inner(outer, sizeof(pthread_mutex_t)); }
static pthread_cond_t* condition(void* outer) { return inner(outer, sizeof(pthread_cond_t)); }
static int mutex_lock(void* m) { return pthread_mutex_lock(mutex(m)); }
static int mutex_trylock(void* m) { return pthread_mutex_trylock(mutex(m)); }
static int mutex_unlock(void* m) { return pthread_mutex_unlock(mutex(m)); }
static int cond_wait(void* c, void* m) { return pthread_cond_wait(condition(c), mutex(m)); }
static int cond_timedwait(void* c, void* m, const struct timespec* t) { return pthread_cond_timedwait(condition(c), mutex(m), t); }
static int cond_signal(void* c) { return pthread_cond_signal(condition(c)); }
static int cond_broadcast(void* c) { return pthread_cond_broadcast(condition(c)); }
static int destroy(void* outer) {
  free(((void**)outer)[1]);
  ((void**)outer)[1] = 0;
  return 0;
}
static int nothing(void) { return 0; }

static int gettime(int clock, struct timespec* t) { return clock_gettime(clock == 0 ? CLOCK_REALTIME : CLOCK_MONOTONIC, t); }
static long system_limit(int name) {
  const int ours = name == 29 ? _SC_PAGESIZE : name == 57 ? _SC_NPROCESSORS_CONF : name == 58 ? _SC_NPROCESSORS_ONLN : name == 200 ? _SC_PHYS_PAGES : -1;
  return ours < 0 ? -1 : sysconf(ours);
}
static int no_sysctl(void) {
  errno = ENOENT;
  return -1;
}
static void* map(void* at, size_t size, int protection, int flags, int fd, off_t offset) {
  return mmap(at, size, protection, (flags & 0x1f) | (flags & 0x1000 ? MAP_ANONYMOUS : 0), fd, offset);
}
static void memset_pattern16(char* to, const char* pattern, size_t n) {
  for (size_t i = 0; i < n; ++i) to[i] = pattern[i % 16];
}
static int address_of(const void* at, Dl_info* info) {
  if ((char*)at < image || (char*)at >= image + image_size) return dladdr(at, info);
  *info = (Dl_info){file_name, image, 0, 0};
  return 1;
}
static void* open_library(const char* name, int mode) { return name && !strcmp(name, file_name) ? image : dlopen(name, mode & 3); }
static void* symbol_in(void* library, const char* name) { return dlsym((intptr_t)library < 0 ? RTLD_DEFAULT : library, name); }
int __xpg_strerror_r(int, char*, size_t);  // strerror_r as POSIX and macOS have it
static int thread_number(void) { return gettid(); }
static FILE* error_stream;
static char rune_table[8192];

// The variable of this thread that a descriptor {function, key, offset} stands for. Its caller expects every register but the result's to stay.
struct variable { void* function; uint64_t key, offset; };
static __thread char* block;
__attribute__((used)) static char* variable_of(struct variable* which) {
  if (!block) block = memcpy(aligned_alloc(64, (tls_size + 63) / 64 * 64 + 64), tls_template, tls_size);
  return block + which->offset;
}
void mac_thread_variable(void);
#if defined(__x86_64__)
__asm__(".text\n.globl mac_thread_variable\n.hidden mac_thread_variable\nmac_thread_variable:\n"
        "push %rbp\n mov %rsp, %rbp\n push %rbx\n push %rcx\n push %rdx\n push %rsi\n push %rdi\n push %r8\n push %r9\n push %r10\n push %r11\n"
        "sub $8192, %rsp\n and $-64, %rsp\n"  // for XSAVE, whose header is zeros
        "xor %eax, %eax\n mov %rax, 512(%rsp)\n mov %rax, 520(%rsp)\n mov %rax, 528(%rsp)\n mov %rax, 536(%rsp)\n"
        "mov %rax, 544(%rsp)\n mov %rax, 552(%rsp)\n mov %rax, 560(%rsp)\n mov %rax, 568(%rsp)\n"
        "mov $0xe7, %eax\n xor %edx, %edx\n xsave (%rsp)\n call variable_of\n mov %rax, %rbx\n"
        "mov $0xe7, %eax\n xor %edx, %edx\n xrstor (%rsp)\n mov %rbx, %rax\n lea -72(%rbp), %rsp\n"
        "pop %r11\n pop %r10\n pop %r9\n pop %r8\n pop %rdi\n pop %rsi\n pop %rdx\n pop %rcx\n pop %rbx\n pop %rbp\n ret\n");
#else
#define SAVE(a, b) "stp " #a ", " #b ", [sp, #-32]!\n"
#define RESTORE(a, b) "ldp " #a ", " #b ", [sp], #32\n"
__asm__(".text\n.globl mac_thread_variable\n.hidden mac_thread_variable\nmac_thread_variable:\n"
        SAVE(x1, x2) SAVE(x3, x4) SAVE(x5, x6) SAVE(x7, x8) SAVE(x9, x10) SAVE(x11, x12) SAVE(x13, x14) SAVE(x15, x16) SAVE(x17, x30)
        SAVE(q0, q1) SAVE(q2, q3) SAVE(q4, q5) SAVE(q6, q7) SAVE(q8, q9) SAVE(q10, q11) SAVE(q12, q13) SAVE(q14, q15)
        SAVE(q16, q17) SAVE(q18, q19) SAVE(q20, q21) SAVE(q22, q23) SAVE(q24, q25) SAVE(q26, q27) SAVE(q28, q29) SAVE(q30, q31)
        "bl variable_of\n"
        RESTORE(q30, q31) RESTORE(q28, q29) RESTORE(q26, q27) RESTORE(q24, q25) RESTORE(q22, q23) RESTORE(q20, q21) RESTORE(q18, q19) RESTORE(q16, q17)
        RESTORE(q14, q15) RESTORE(q12, q13) RESTORE(q10, q11) RESTORE(q8, q9) RESTORE(q6, q7) RESTORE(q4, q5) RESTORE(q2, q3) RESTORE(q0, q1)
        RESTORE(x17, x30) RESTORE(x15, x16) RESTORE(x13, x14) RESTORE(x11, x12) RESTORE(x9, x10) RESTORE(x7, x8) RESTORE(x5, x6) RESTORE(x3, x4) RESTORE(x1, x2)
        "ret\n");
#endif

// Apple's AArch64 has all arguments that a `...` stands for on the stack, and a va_list that points there.
#if defined(__aarch64__)
struct arguments { void *stack, *general, *vector; int general_left, vector_left; };
static va_list* on_stack(void* stack, va_list* list) {
  *list = (va_list){0};
  memcpy(list, &(struct arguments){stack, 0, 0, 0, 0}, sizeof(struct arguments));
  return list;
}
static int print(FILE* stream, const char* format, void* stack) {
  va_list list;
  return vfprintf(stream, format, *on_stack(stack, &list));
}
static int print_into(char* to, size_t size, const char* format, ...) {
  va_list here, list;
  va_start(here, format);
  struct arguments found;
  memcpy(&found, &here, sizeof found);
  va_end(here);
  return vsnprintf(to, size, format, *on_stack(found.stack, &list));
}
#else
#define print vfprintf
#define print_into snprintf
#endif

static const struct { const char* name; void* address; } replaced[] = {
    {"pthread_mutex_lock", mutex_lock}, {"pthread_mutex_trylock", mutex_trylock}, {"pthread_mutex_unlock", mutex_unlock}, {"pthread_mutex_destroy", destroy},
    {"pthread_cond_wait", cond_wait}, {"pthread_cond_timedwait", cond_timedwait}, {"pthread_cond_signal", cond_signal},
    {"pthread_cond_broadcast", cond_broadcast}, {"pthread_cond_destroy", destroy}, {"pthread_sigmask", nothing}, {"pthread_atfork", nothing},
    {"pthread_mach_thread_np", thread_number}, {"_tlv_atexit", nothing}, {"_tlv_bootstrap", mac_thread_variable}, {"clock_gettime", gettime},
    {"sysconf", system_limit}, {"sysctlbyname", no_sysctl}, {"mmap", map}, {"memset_pattern16", memset_pattern16}, {"dladdr", address_of},
    {"dlopen", open_library}, {"dlsym", symbol_in}, {"__error", __errno_location}, {"__stderrp", &error_stream}, {"_DefaultRuneLocale", rune_table},
    {"strerror_r", __xpg_strerror_r}, {"vfprintf", print}, {"snprintf", print_into}, {"dyld_stub_binder", abort}};

static void* address_for(const char* name) {
  for (size_t i = 0; i < sizeof replaced / sizeof *replaced; ++i)
    if (!strcmp(replaced[i].name, name)) return replaced[i].address;
  void* found = dlsym(RTLD_DEFAULT, name);
  if (!found) fail("this system has no", name);
  return found;
}

// ---- what dyld does -------------------------------------------------------------------------------------------------------------

static uint64_t number(const uint8_t** at) {  // ULEB128
  uint64_t value = 0;
  for (int shift = 0;; shift += 7) {
    const uint8_t byte = *(*at)++;
    value |= (uint64_t)(byte & 0x7f) << shift;
    if (!(byte & 0x80)) return value;
  }
}

static uint64_t segments[16];

static void rebase(const uint8_t* at, const uint8_t* end) {
  uint64_t place = 0;
  while (at < end) {
    const int low = *at & 15, operation = *at++ & 0xf0;
    uint64_t count = 0, skip = 0;
    if (operation == 0x20) place = segments[low] + number(&at);
    else if (operation == 0x30) place += number(&at);
    else if (operation == 0x40) place += 8 * low;
    else if (operation == 0x50) count = low;
    else if (operation == 0x60) count = number(&at);
    else if (operation == 0x70) count = 1, skip = number(&at);
    else if (operation == 0x80) count = number(&at), skip = number(&at);
    for (; count > 0; --count, place += 8 + skip) *(uint64_t*)(image + place) += (uint64_t)image;
  }
}

static void bind(const uint8_t* at, const uint8_t* end) {
  uint64_t place = 0, addend = 0;
  const char* name = "";
  while (at < end) {
    const int low = *at & 15, operation = *at++ & 0xf0;
    uint64_t count = 0, skip = 0;
    if (operation == 0x20) number(&at);
    else if (operation == 0x40) name = (const char*)at, at += strlen(name) + 1;
    else if (operation == 0x60) addend = number(&at);
    else if (operation == 0x70) place = segments[low] + number(&at);
    else if (operation == 0x80) place += number(&at);
    else if (operation == 0x90) count = 1;
    else if (operation == 0xa0) count = 1, skip = number(&at);
    else if (operation == 0xb0) count = 1, skip = 8 * low;
    else if (operation == 0xc0) count = number(&at), skip = number(&at);
    for (; count > 0; --count, place += 8 + skip) *(uint64_t*)(image + place) = (uint64_t)address_for(name + (*name == '_')) + addend;
  }
}

static void* entry(const uint8_t* symbols, uint32_t count, const char* names, const char* wanted) {
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t* one = symbols + 16 * i;
    if ((one[4] & 0x0f) == 0x0f && !strcmp(names + *(uint32_t*)one, wanted)) return image + *(uint64_t*)(one + 8);
  }
  fail("the addon does not show", wanted);
  return 0;
}

static void* loaded(void) {
  const char* path = getenv("MAC_ADDON");
  FILE* stream = path ? fopen(path, "rb") : 0;
  if (!stream) fail("cannot read", path ? path : "MAC_ADDON");
  fseek(stream, 0, SEEK_END);
  const size_t size = ftell(stream);
  rewind(stream);
  uint8_t* file = malloc(size);
  if (fread(file, 1, size, stream) != size) fail("cannot read", path);
  fclose(stream);
  file_name = strdup(path);
  error_stream = stderr;

  // Commands are {kind, size, …}; all addresses of a bundle count from zero.
  const uint32_t commands = *(uint32_t*)(file + 16);
  const uint8_t* command = file + 32;
  int segment = 0;
  for (uint32_t i = 0; i < commands; ++i, command += *(uint32_t*)(command + 4))
    if (*(uint32_t*)command == 0x19) image_size = *(uint64_t*)(command + 24) + *(uint64_t*)(command + 32);
  image = mmap(0, image_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  uint64_t first_variable = UINT64_MAX, last_variable = 0, starts = 0, starts_size = 0;
  const uint32_t *dyld = 0, *table = 0;
  command = file + 32;
  for (uint32_t i = 0; i < commands; ++i, command += *(uint32_t*)(command + 4)) {
    const uint32_t kind = *(uint32_t*)command & 0x7fffffff;
    if (kind == 0x02) table = (uint32_t*)command;
    if (kind == 0x22) dyld = (uint32_t*)command;
    if (kind != 0x19) continue;
    const uint64_t* sizes = (uint64_t*)(command + 24);  // address, size, place in the file, size there
    segments[segment++] = sizes[0];
    memcpy(image + sizes[0], file + sizes[2], sizes[3]);
    const uint8_t* section = command + 72;
    for (uint32_t j = 0; j < *(uint32_t*)(command + 64); ++j, section += 80) {
      const uint64_t at = *(uint64_t*)(section + 32), length = *(uint64_t*)(section + 40);
      const int type = section[64];
      if (type == 0x09) starts = at, starts_size = length;  // pointers to what runs first
      if (type != 0x11 && type != 0x12) continue;           // what variables of threads begin with
      if (at < first_variable) first_variable = at;
      if (at + length > last_variable) last_variable = at + length;
    }
  }
  if (!dyld || !table) fail("no tables of dyld in", path);
  rebase(file + dyld[2], file + dyld[2] + dyld[3]);
  for (int i = 4; i <= 8; i += 2) bind(file + dyld[i], file + dyld[i] + dyld[i + 1]);  // usual, weak, lazy
  if (last_variable) tls_template = image + first_variable, tls_size = last_variable - first_variable;
  __builtin___clear_cache(image, image + segments[1]);
  if (mprotect(image, segments[1], PROT_READ | PROT_EXEC) != 0) fail("cannot run", path);
  for (uint64_t i = 0; i < starts_size; i += 8) (*(void (**)(int, void*, void*))(image + starts + i))(0, 0, 0);
  void* found = entry(file + table[2], table[3], (const char*)file + table[4], "_napi_register_module_v1");
  free(file);
  return found;
}

__attribute__((visibility("default"))) int32_t node_api_module_get_api_version_v1(void) { return 9; }

__attribute__((visibility("default"))) void* napi_register_module_v1(void* env, void* exports) {
  static void* (*enter)(void*, void*);
  if (!enter) enter = loaded();
  return enter(env, exports);
}
