// One question: how long is the well-formed UTF-8 sequence at a position. The rules are those of the
// Unicode standard (table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>

namespace scopeline {

// Length in bytes of the sequence that starts at `p` with a byte >= 0x80, or 0 if it is malformed.
// Looks at a byte only after the one before it fitted, so any byte below 0x80 is a safe sentinel.
inline size_t utf8_sequence(const uint8_t* p) {
  const uint8_t lead = p[0];
  const auto continues = [p](size_t i) { return (p[i] & 0xc0) == 0x80; };
  if (lead < 0xc2) return 0;
  if (lead < 0xe0) return continues(1) ? 2 : 0;
  if (lead < 0xf0) {
    if (!continues(1) || !continues(2)) return 0;
    if (lead == 0xe0 && p[1] < 0xa0) return 0;
    if (lead == 0xed && p[1] > 0x9f) return 0;
    return 3;
  }
  if (lead > 0xf4 || !continues(1) || !continues(2) || !continues(3)) return 0;
  if (lead == 0xf0 && p[1] < 0x90) return 0;
  if (lead == 0xf4 && p[1] > 0x8f) return 0;
  return 4;
}

}  // namespace scopeline
