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

// Where characters of a kind stand among 64 bytes; the first byte is the lowest bit.
struct Block {
  uint64_t quotes, backslashes, opens, closes;
};

struct Isa {
  static constexpr size_t kWidth = 32;

  static size_t string_stop(const uint8_t* p) {
    const __m256i bytes = load(p);
    // As signed numbers, control characters and bytes above 0x7f are those below 0x20.
    const __m256i low = _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), bytes);
    return first(_mm256_or_si256(low, _mm256_or_si256(equal(bytes, '"'), equal(bytes, '\\'))));
  }

  static size_t quote_stop(const uint8_t* p) {
    const __m256i bytes = load(p);
    return first(_mm256_or_si256(equal(bytes, '"'), equal(bytes, '\\')));
  }

  static Block block(const uint8_t* p) {
    const __m256i a = load(p);
    const __m256i b = load(p + 32);
    // Setting bit 0x20 makes '{' of '[' and '}' of ']', and of no other byte.
    const __m256i bit = _mm256_set1_epi8(0x20);
    const __m256i folded_a = _mm256_or_si256(a, bit);
    const __m256i folded_b = _mm256_or_si256(b, bit);
    return {
        mask(equal(a, '"'), equal(b, '"')),
        mask(equal(a, '\\'), equal(b, '\\')),
        mask(equal(folded_a, '{'), equal(folded_b, '{')),
        mask(equal(folded_a, '}'), equal(folded_b, '}')),
    };
  }

 private:
  static __m256i load(const uint8_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  static __m256i equal(__m256i bytes, char c) {
    return _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c));
  }
  static size_t first(__m256i found) {
    return _tzcnt_u32(static_cast<uint32_t>(_mm256_movemask_epi8(found)));
  }
  static uint64_t mask(__m256i a, __m256i b) {
    const auto low = static_cast<uint32_t>(_mm256_movemask_epi8(a));
    const auto high = static_cast<uint32_t>(_mm256_movemask_epi8(b));
    return low | static_cast<uint64_t>(high) << 32;
  }
};

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
