// Kernels for x86-64 with AVX-512 (Ice Lake, Zen 4 and later). VBMI2 is not used, but asked for: the
// processors that lack it lower their clock for vectors of 512 bits.
#include "kernel_parts.h"

#if defined(__x86_64__)
#include <immintrin.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,avx512f,avx512bw,bmi,bmi2,lzcnt,popcnt,pclmul"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,avx512f,avx512bw,bmi,bmi2,lzcnt,popcnt,pclmul")
#endif

namespace scopeline {
namespace {

// 64 bytes, the first in the lowest bit of each mask.
class Chunk {
 public:
  explicit Chunk(const uint8_t* p) : bytes_(_mm512_loadu_si512(p)) {}

  uint64_t equal(char c) const { return _mm512_cmpeq_epi8_mask(bytes_, all(c)); }
  uint64_t either(char c, char d) const { return equal(c) | equal(d); }
  // Setting bit 0x20 makes '{' of '[' and '}' of ']', and of no other byte.
  uint64_t folded_equal(char c) const {
    return _mm512_cmpeq_epi8_mask(_mm512_or_si512(bytes_, all(0x20)), all(c));
  }

  uint64_t string_stops() const {
    // As signed numbers, control characters and bytes above 0x7f are those below 0x20.
    return _mm512_cmplt_epi8_mask(bytes_, all(0x20)) | either('"', '\\');
  }
  uint64_t not_digits() const {
    return _mm512_cmpgt_epu8_mask(_mm512_sub_epi8(bytes_, all('0')), all(9));
  }
  uint64_t scalar_ends() const {
    return _mm512_cmple_epu8_mask(bytes_, all(0x20)) | equal(',') | folded_equal('}');
  }

 private:
  static __m512i all(char c) { return _mm512_set1_epi8(c); }

  __m512i bytes_;
};

#include "wide.inl"
#include "container.inl"
#include "extract.inl"
#include "scan.inl"

constexpr Kernels kKernels{"avx512", scan, extract};

}  // namespace

const Kernels* avx512_kernels() {
  const bool runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi") &&
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
const Kernels* avx512_kernels() { return nullptr; }
}  // namespace scopeline

#endif
