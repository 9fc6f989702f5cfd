// Whether sums of float32 tell a variance well enough.
#pragma once

namespace nodegrad::ops {

// Σ (x − mean)² beside the Σ (x − pivot)² that it was computed from: where less than a sixteenth is left, rounding matters, and where
// squares overflow nothing is known. Sums of float64 are the best there are.
template <class T> bool isSound(double rest, double square) {
  return sizeof(T) == sizeof(double) || (rest >= square * 0x1p-4 && rest < __builtin_inf());
}

}  // namespace nodegrad::ops
