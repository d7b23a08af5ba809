// Classes of bytes, as JSON sees them.
#pragma once

#include <array>
#include <cstdint>

namespace scopeline {

// White space within a line. A newline ends the line and is no white space here: that makes the
// newline at the end of a block a sentinel which no rule of the grammar can step over.
inline bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\r'; }

inline bool is_digit(uint8_t c) { return static_cast<uint8_t>(c - '0') < 10; }

// The value of a hexadecimal digit, or -1.
inline int hex_digit(uint8_t c) {
  if (is_digit(c)) return c - '0';
  const uint8_t lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

enum CharacterClass : uint8_t {
  kPlainInString = 1,  // may stand in a string and needs no closer look
  kEndsScalar = 2,     // follows a number or a literal: white space, ',', '}' and ']'
  kBracketOrQuote = 4,
};

inline constexpr std::array<uint8_t, 256> kCharacterClasses = [] {
  std::array<uint8_t, 256> classes{};
  for (int c = 0; c < 256; c++) {
    uint8_t bits = 0;
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') bits |= kPlainInString;
    if (c <= 0x20 || c == ',' || c == '}' || c == ']') bits |= kEndsScalar;
    if (c == '"' || c == '{' || c == '}' || c == '[' || c == ']') bits |= kBracketOrQuote;
    classes[static_cast<size_t>(c)] = bits;
  }
  return classes;
}();

inline bool has_class(uint8_t c, CharacterClass wanted) { return kCharacterClasses[c] & wanted; }

}  // namespace scopeline
