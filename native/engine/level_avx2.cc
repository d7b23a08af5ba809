// Kernels for x86-64 with AVX2, BMI and carry-less multiplication (Haswell, Excavator and later).
#include "kernel_parts.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,pclmul"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt,pclmul")
#endif

namespace scopeline {
namespace {

// 64 bytes, the first in the lowest bit of each mask.
class Chunk {
 public:
  explicit Chunk(const uint8_t* p)
      : a_(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))),
        b_(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 32))) {}

  uint64_t equal(char c) const { return mask(equal(a_, c), equal(b_, c)); }
  uint64_t either(char c, char d) const { return mask(either(a_, c, d), either(b_, c, d)); }
  // Setting bit 0x20 makes '{' of '[' and '}' of ']', and of no other byte.
  uint64_t folded_equal(char c) const { return mask(equal(folded(a_), c), equal(folded(b_), c)); }

  uint64_t string_stops() const { return mask(string_stops(a_), string_stops(b_)); }
  uint64_t not_digits() const { return ~mask(digits(a_), digits(b_)); }
  uint64_t scalar_ends() const { return mask(scalar_ends(a_), scalar_ends(b_)); }

 private:
  static __m256i all(char c) { return _mm256_set1_epi8(c); }
  static __m256i equal(__m256i bytes, char c) { return _mm256_cmpeq_epi8(bytes, all(c)); }
  static __m256i either(__m256i bytes, char c, char d) {
    return _mm256_or_si256(equal(bytes, c), equal(bytes, d));
  }
  static __m256i folded(__m256i bytes) { return _mm256_or_si256(bytes, all(0x20)); }
  static __m256i string_stops(__m256i bytes) {
    // As signed numbers, control characters and bytes above 0x7f are those below 0x20.
    return _mm256_or_si256(_mm256_cmpgt_epi8(all(0x20), bytes), either(bytes, '"', '\\'));
  }
  static __m256i digits(__m256i bytes) {
    const __m256i value = _mm256_sub_epi8(bytes, all('0'));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(value, all(9)), value);
  }
  static __m256i scalar_ends(__m256i bytes) {
    const __m256i space = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, all(0x20)), bytes);
    return _mm256_or_si256(_mm256_or_si256(space, equal(bytes, ',')), equal(folded(bytes), '}'));
  }
  static uint64_t mask(__m256i a, __m256i b) {
    const auto low = static_cast<uint32_t>(_mm256_movemask_epi8(a));
    const auto high = static_cast<uint32_t>(_mm256_movemask_epi8(b));
    return low | static_cast<uint64_t>(high) << 32;
  }

  __m256i a_;
  __m256i b_;
};

#include "wide.inl"
#include "container.inl"
#include "extract.inl"
#include "scan.inl"

constexpr Kernels kKernels{"avx2", scan, extract};

}  // namespace

const Kernels* avx2_kernels() {
  const bool runs = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") &&
                    __builtin_cpu_supports("pclmul");
  return runs ? &kKernels : nullptr;
}

}  // namespace scopeline

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#else

namespace scopeline {
const Kernels* avx2_kernels() { return nullptr; }
}  // namespace scopeline

#endif
