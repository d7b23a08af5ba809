#include "key.h"

#include <cstddef>

#include "characters.h"

namespace scopeline {
namespace {

bool is_high(uint32_t unit) { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low(uint32_t unit) { return unit >= 0xdc00 && unit < 0xe000; }
uint32_t joined(uint32_t high, uint32_t low) {
  return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

void append(std::string& out, uint32_t c) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | c >> 6);
    put(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
    put(0x80 | (c & 0x3f));
  }
}

// The code unit of four hexadecimal digits at `p`, or -1.
int32_t code_unit(const uint8_t* p, const uint8_t* end) {
  if (end - p < 4) return -1;
  int32_t unit = 0;
  for (int i = 0; i < 4; i++) {
    const int digit = hex_digit(p[i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

// The character of a one-letter escape, or 0.
uint8_t short_escape(uint8_t letter) {
  switch (letter) {
    case '"': case '\\': case '/': return letter;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
  }
}

}  // namespace

bool decode_string(const uint8_t* p, const uint8_t* end, std::string& out) {
  out.clear();
  while (p < end) {
    if (*p != '\\') {
      out.push_back(static_cast<char>(*p++));
      continue;
    }
    if (end - p < 2) return false;
    if (p[1] != 'u') {
      const uint8_t c = short_escape(p[1]);
      if (c == 0) return false;
      out.push_back(static_cast<char>(c));
      p += 2;
      continue;
    }
    const int32_t unit = code_unit(p + 2, end);
    if (unit < 0) return false;
    p += 6;
    auto c = static_cast<uint32_t>(unit);
    if (is_high(c) && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
      const int32_t next = code_unit(p + 2, end);
      if (next >= 0 && is_low(static_cast<uint32_t>(next))) {
        c = joined(c, static_cast<uint32_t>(next));
        p += 6;
      }
    }
    append(out, c);
  }
  return true;
}

std::string key_of_utf16(std::u16string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); i++) {
    uint32_t c = text[i];
    if (is_high(c) && i + 1 < text.size() && is_low(text[i + 1])) c = joined(c, text[++i]);
    append(out, c);
  }
  return out;
}

}  // namespace scopeline
