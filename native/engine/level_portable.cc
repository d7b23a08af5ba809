// Kernels for any processor: eight bytes at a time in a general register.
#include "kernel_parts.h"

namespace scopeline {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = 0x8080808080808080;

// The first byte comes lowest, on any processor.
uint64_t load(const uint8_t* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

// High bit of each byte that equals `c`. A borrow can mark bytes after the first one wrongly; only the
// first is asked for.
uint64_t equal(uint64_t word, uint8_t c) {
  const uint64_t difference = word ^ kOnes * c;
  return (difference - kOnes) & ~difference;
}

class StringWindow {
 public:
  explicit StringWindow(const uint8_t* end) : end_(end) {}

  // Quote, backslash, control character or not ASCII; there is one before the end.
  const uint8_t* string_stop(const uint8_t* p) const {
    for (; end_ - p >= 8; p += 8) {
      const uint64_t word = load(p);
      const uint64_t control = (word - kOnes * 0x20) & ~word;
      const uint64_t found = (control | equal(word, '"') | equal(word, '\\') | word) & kHighs;
      if (found != 0) return p + std::countr_zero(found) / 8;
    }
    while (has_class(*p, kPlainInString)) p++;
    return p;
  }

  const uint8_t* digits_end(const uint8_t* p) const {
    while (is_digit(*p)) p++;
    return p;
  }

 private:
  const uint8_t* const end_;
};

class SpanWindow {
 public:
  explicit SpanWindow(const uint8_t* end) : end_(end) {}

  const uint8_t* quote_stop(const uint8_t* p) const {
    for (; end_ - p >= 8; p += 8) {
      const uint64_t word = load(p);
      const uint64_t found = (equal(word, '"') | equal(word, '\\')) & kHighs;
      if (found != 0) return p + std::countr_zero(found) / 8;
    }
    while (p < end_ && *p != '"' && *p != '\\') p++;
    return p;
  }

  const uint8_t* scalar_end(const uint8_t* p) const {
    while (p < end_ && !has_class(*p, kEndsScalar)) p++;
    return p;
  }

 private:
  const uint8_t* const end_;
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
