// Kernels for any processor: eight bytes at a time in a general register.
#include "kernel_parts.h"

namespace scopeline {
namespace {

struct Isa {
  static constexpr size_t kWidth = 8;

  // Offset of the first byte that a string may not hold as it is or that needs a closer look: quote,
  // backslash, control character, not ASCII. kWidth if there is none.
  static size_t string_stop(const uint8_t* p) {
    const uint64_t word = load(p);
    const uint64_t control = (word - kOnes * 0x20) & ~word;
    return first(control | equals(word, '"') | equals(word, '\\') | word);
  }

  // Offset of the first quote or backslash.
  static size_t quote_stop(const uint8_t* p) {
    const uint64_t word = load(p);
    return first(equals(word, '"') | equals(word, '\\'));
  }

 private:
  static constexpr uint64_t kOnes = 0x0101010101010101;
  static constexpr uint64_t kHighs = 0x8080808080808080;

  // The first byte comes lowest, on any processor.
  static uint64_t load(const uint8_t* p) {
    uint64_t word;
    std::memcpy(&word, p, sizeof word);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    return word;
  }

  // High bit of each byte that equals `c`. Borrows can mark bytes after the first one wrongly; only
  // the first is asked for.
  static uint64_t equals(uint64_t word, uint8_t c) {
    const uint64_t difference = word ^ kOnes * c;
    return (difference - kOnes) & ~difference;
  }

  static size_t first(uint64_t marks) {
    marks &= kHighs;
    return marks == 0 ? kWidth : static_cast<size_t>(std::countr_zero(marks)) / 8;
  }
};

// The position after the bracket that closes the one at `p`, or nullptr.
const uint8_t* container_end(const uint8_t* p, const uint8_t* end, const uint8_t*) {
  size_t depth = 0;
  for (; p < end; p++) {
    if (!has_class(*p, kBracketOrQuote)) continue;
    if (*p == '"') {
      p++;
      while (p < end && *p != '"') p += *p == '\\' ? 2 : 1;
    } else if (*p == '{' || *p == '[') {
      depth++;
    } else if (--depth == 0) {
      return p + 1;
    }
  }
  return nullptr;
}

#include "extract.inl"
#include "scan.inl"

constexpr Kernels kKernels{"portable", scan, extract};

}  // namespace

const Kernels* portable_kernels() { return &kKernels; }

}  // namespace scopeline
