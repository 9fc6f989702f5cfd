// Counter-based random numbers (Philox4x32-10) and their conversions: word for word and bit for bit those of lib/random.ts.
#pragma once

#include <cmath>
#include <cstdint>

namespace nodegrad {

struct PhiloxBlock {
  uint32_t word[4];
};

// One block: counter (c0..c3) and key (k0, k1) become four random words. Salmon et al., SC 2011.
constexpr PhiloxBlock philox4x32(uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3, uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = static_cast<uint64_t>(0xD2511F53u) * c0;
    const uint64_t product1 = static_cast<uint64_t>(0xCD9E8D57u) * c2;
    c0 = static_cast<uint32_t>(product1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(product1);
    c2 = static_cast<uint32_t>(product0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(product0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Block `block` of a stream: words 4 * block to 4 * block + 3. Seed and stream are the 64-bit two's complement of the JS integers.
constexpr PhiloxBlock philoxBlock(uint64_t seed, uint64_t stream, uint64_t block) {
  return philox4x32(static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), static_cast<uint32_t>(stream),
                    static_cast<uint32_t>(stream >> 32), static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
}

// Word `offset` of a stream: what Random(seed, stream).uint32() returns after `offset` earlier draws.
constexpr uint32_t philoxWord(uint64_t seed, uint64_t stream, uint64_t offset) {
  return philoxBlock(seed, stream, offset >> 2).word[offset & 3];
}

// Uniform in [0, 1) from the upper 24 bits: exact in float.
constexpr float uniformFromWord(uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

// Uniform in [0, 1) with 53 bits from two words.
constexpr double uniform53FromWords(uint32_t first, uint32_t second) {
  return (static_cast<double>(first >> 5) * 67108864.0 + static_cast<double>(second >> 6)) * 0x1p-53;
}

namespace philox_detail {

// Natural logarithm of x in (0, 1] from + - * / alone; needs -ffp-contract=off, like everything here.
constexpr double logarithm(double x) {
  double exponent = 0;
  while (x < 0.7071067811865476) {
    x *= 2;
    exponent -= 1;
  }
  const double s = (x - 1) / (x + 1);
  const double q = s * s;
  double series = 1.0 / 23;
  for (int odd = 21; odd >= 1; odd -= 2) series = series * q + 1.0 / odd;
  return exponent * 0.6931471805599453 + 2 * s * series;
}

constexpr double polynomial(const double (&c)[8], double x) {
  return ((((((c[7] * x + c[6]) * x + c[5]) * x + c[4]) * x + c[3]) * x + c[2]) * x + c[1]) * x + c[0];
}

// Wichura's PPND16 (AS 241, 1988): centre, then tail up to sqrt(-log p) = 5, which p >= 2^-33 never passes.
inline constexpr double centreTop[8] = {3.387132872796366608,  133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
                                        45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727};
inline constexpr double centreBottom[8] = {1,
                                           42.313330701600911252,
                                           687.1870074920579083,
                                           5394.1960214247511077,
                                           21213.794301586595867,
                                           39307.89580009271061,
                                           28729.085735721942674,
                                           5226.495278852854561};
inline constexpr double tailTop[8] = {1.42343711074968357734, 4.6303378461565452959,  5.7694972214606914055,    3.64784832476320460504,
                                      1.27045825245236838258, 0.24178072517745061177, 0.0227238449892691845833, 0.0007745450142783414076};
inline constexpr double tailBottom[8] = {1,
                                         2.05319162663775882187,
                                         1.6763848301838038494,
                                         0.68976733498510000455,
                                         0.14810397642748007459,
                                         0.0151986665636164571966,
                                         0.000547593808499534494600,
                                         1.05075007164441684324e-9};

}  // namespace philox_detail

// Standard normal from one word: the inverse normal distribution function at (word + 1/2) / 2^32. sqrt is correctly rounded everywhere.
inline double normalFromWord(uint32_t word) {
  using namespace philox_detail;
  const double p = (static_cast<double>(word) + 0.5) * 0x1p-32;
  const double q = p - 0.5;
  if (q >= -0.425 && q <= 0.425) {
    const double r = 0.180625 - q * q;
    return q * polynomial(centreTop, r) / polynomial(centreBottom, r);
  }
  const double r = std::sqrt(-logarithm(q < 0 ? p : 1 - p)) - 1.6;
  const double value = polynomial(tailTop, r) / polynomial(tailBottom, r);
  return q < 0 ? -value : value;
}

}  // namespace nodegrad
