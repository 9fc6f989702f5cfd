// Opens OpenBLAS and keeps it to one thread.
#include "blas.h"

#include <atomic>
#include <cstdlib>
#include <mutex>

#include "cpu.h"
#include "environment.h"
#include "system.h"

namespace nodegrad {
namespace {

std::atomic<bool> opened{false};

// The library starts its workers while it is being loaded, so it must find this in the environment at that moment.
class OneThreadEnvironment {
 public:
  OneThreadEnvironment() {
    const char* old = std::getenv(name_);
    if ((was_ = old != nullptr)) value_ = old;
    setVariable(name_, "1");
  }
  ~OneThreadEnvironment() { setVariable(name_, was_ ? value_.c_str() : nullptr); }

 private:
  static constexpr const char* name_ = "OPENBLAS_NUM_THREADS";
  bool was_;
  std::string value_;
};

template <class F> bool find(void* library, const char* name, F& to) {
  to = reinterpret_cast<F>(findSymbol(library, name));
  return to != nullptr;
}

// Fills `b` from one library; false and a reason where it does not serve.
bool open(const char* name, Blas& b) {
  void* library;
  {
    OneThreadEnvironment environment;
    library = openLibrary(name);
  }
  if (!library) {
    const char* why = libraryProblem();
    b.reason = why ? why : std::string(name) + " cannot be opened";
    return false;
  }
  char* (*config)() = nullptr;
  char* (*core)() = nullptr;
  Blas found;
  if (!find(library, "cblas_sgemm", found.sgemm) || !find(library, "cblas_dgemm", found.dgemm) ||
      !find(library, "openblas_set_num_threads", found.setThreads) || !find(library, "openblas_get_config", config) ||
      !find(library, "openblas_get_corename", core)) {
    b.reason = std::string(name) + " is not an OpenBLAS with a C interface";
    return false;
  }
  const char* path = libraryOf(reinterpret_cast<void*>(found.sgemm));
  found.path = path ? path : name;
  found.config = config();
  found.core = core();
  found.serial = found.config.find("SINGLE_THREADED") != std::string::npos;
  if (found.config.find("USE64BITINT") != std::string::npos) {
    b.reason = found.path + " takes 64-bit sizes (" + found.config + "); a build with 32-bit sizes is needed";
    return false;
  }
  const CpuFeatures& cpu = cpuFeatures();
  const bool wide = found.core == "SkylakeX" || found.core == "Cooperlake" || found.core == "Sapphirerapids" || found.core == "Zen4" ||
                    found.core == "Zen5";
  if (cpu.avx512 && !wide) {
    const char* forced = variable("OPENBLAS_CORETYPE");
    found.warning = "OpenBLAS uses its " + found.core + " kernels although this CPU has AVX-512";
    if (forced) found.warning += std::string(": OPENBLAS_CORETYPE=") + forced + " is set";
  }
  b = found;
  return true;
}

Blas& load() {
  Blas& b = *new Blas();  // never destroyed: nothing runs at exit
  const char* forced = variable("NODEGRAD_OPENBLAS");
  if (forced) {
    open(forced, b);
  } else {
#if defined(__APPLE__)
    const char* names[] = {"libopenblas.0.dylib", "libopenblas.dylib", "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
                           "/usr/local/opt/openblas/lib/libopenblas.dylib"};
#elif defined(_WIN32)
    const char* names[] = {"libopenblas.dll", "openblas.dll"};
#else
    const char* names[] = {"libopenblas.so.0", "libopenblas.so", "libopenblasp.so.0", "libopenblaso.so.0"};
#endif
    std::string first;
    for (const char* name : names) {
      if (open(name, b)) break;
      if (first.empty()) first = b.reason;
    }
    if (!b.available()) b.reason = first;
  }
  opened.store(true);
  return b;
}

template <class T> Blas::Product<T> product();
template <> Blas::Product<float> product<float>() { return blas().sgemm; }
template <> Blas::Product<double> product<double>() { return blas().dgemm; }

}  // namespace

const Blas& blas() {
  static const Blas& b = load();
  return b;
}

bool blasOpened() { return opened.load(); }

template <class T>
void blasProduct(bool transposeA, bool transposeB, int m, int n, int k, const T* a, int lda, const T* b, int ldb, T* c, int ldc) {
  // OpenMP builds keep the count per thread, and a thread's first call would start a team of its own.
  static thread_local bool prepared = false;
  if (!prepared) {
    blas().setThreads(1);
    prepared = true;
  }
  static std::mutex& turn = *new std::mutex();  // never destroyed
  std::unique_lock<std::mutex> lock(turn, std::defer_lock);
  if (blas().serial) lock.lock();
  constexpr int rowMajor = 101;
  const auto code = [](bool transposed) { return int(transposed ? BlasTranspose::yes : BlasTranspose::no); };
  product<T>()(rowMajor, code(transposeA), code(transposeB), m, n, k, T(1), a, lda, b, ldb, T(0), c, ldc);
}

template void blasProduct<float>(bool, bool, int, int, int, const float*, int, const float*, int, float*, int);
template void blasProduct<double>(bool, bool, int, int, int, const double*, int, const double*, int, double*, int);

}  // namespace nodegrad
