// The judgement of one line in the plainest form that can be checked by reading it: recursive, byte by
// byte, every access bounded. What the kernels say must be what this says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace scopeline::reference {

using Text = std::span<const uint8_t>;

class Reader {
 public:
  Reader(Text text, size_t max_depth) : text_(text), max_depth_(max_depth) {}

  // Says whether the whole text is one JSON object.
  bool object_alone() {
    space();
    if (peek() != '{' || !value(0)) return false;
    space();
    return at_ == text_.size();
  }

 private:
  int peek() const { return at_ < text_.size() ? text_[at_] : -1; }
  bool take(int c) {
    if (peek() != c) return false;
    at_++;
    return true;
  }
  bool digit() { return peek() >= '0' && peek() <= '9' && ++at_; }
  void space() {
    while (take(' ') || take('\t') || take('\r')) {
    }
  }

  bool word(std::string_view text) {
    for (const char c : text) {
      if (!take(c)) return false;
    }
    return true;
  }

  bool value(size_t depth) {
    switch (peek()) {
      case '"': return string();
      case '{': return depth < max_depth_ && members('}', depth + 1);
      case '[': return depth < max_depth_ && members(']', depth + 1);
      case 't': return word("true");
      case 'f': return word("false");
      case 'n': return word("null");
      default: return number();
    }
  }

  bool members(int close, size_t depth) {
    at_++;
    space();
    if (take(close)) return true;
    do {
      space();
      if (close == '}') {
        if (!string()) return false;
        space();
        if (!take(':')) return false;
        space();
      }
      if (!value(depth)) return false;
      space();
    } while (take(','));
    return take(close);
  }

  bool number() {
    take('-');
    if (!take('0')) {
      if (!digit()) return false;
      while (digit()) {
      }
    }
    if (take('.')) {
      if (!digit()) return false;
      while (digit()) {
      }
    }
    if (take('e') || take('E')) {
      if (!take('+')) take('-');
      if (!digit()) return false;
      while (digit()) {
      }
    }
    return true;
  }

  bool string() {
    if (!take('"')) return false;
    for (;;) {
      const int c = peek();
      if (c < 0x20) return false;
      if (c >= 0x80) {
        if (!character()) return false;
        continue;
      }
      at_++;
      if (c == '"') return true;
      if (c == '\\' && !escape()) return false;
    }
  }

  bool escape() {
    const int c = peek();
    if (c < 0 || std::memchr("\"\\/bfnrtu", c, 9) == nullptr) return false;
    at_++;
    for (int i = 0; c == 'u' && i < 4; i++) {
      const int h = peek() | 0x20;
      if (!digit()) {
        if (h < 'a' || h > 'f') return false;
        at_++;
      }
    }
    return true;
  }

  // One character outside of ASCII: decoded, then held to the rules by its value and length.
  bool character() {
    const int lead = peek();
    const int more = lead >= 0xf8 ? -1 : lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : lead >= 0xc0 ? 1 : -1;
    if (more < 0) return false;
    uint32_t c = static_cast<uint32_t>(lead) & (0x3fu >> more);
    at_++;
    for (int i = 0; i < more; i++) {
      const int next = peek();
      if (next < 0x80 || next > 0xbf) return false;
      c = c << 6 | (static_cast<uint32_t>(next) & 0x3f);
      at_++;
    }
    constexpr uint32_t kSmallest[] = {0, 0x80, 0x800, 0x10000};
    return c >= kSmallest[more] && c <= 0x10ffff && !(c >= 0xd800 && c < 0xe000);
  }

  Text text_;
  size_t max_depth_;
  size_t at_ = 0;
};

enum class Verdict { kRecord, kBlank, kBad };

// A line without its newline and the carriage return before it.
inline Verdict judge(Text line, size_t max_depth, size_t max_line_bytes) {
  if (line.size() > max_line_bytes) return Verdict::kBad;
  bool blank = true;
  for (const uint8_t c : line) blank = blank && (c == ' ' || c == '\t' || c == '\r');
  if (blank) return Verdict::kBlank;
  return Reader(line, max_depth).object_alone() ? Verdict::kRecord : Verdict::kBad;
}

}  // namespace scopeline::reference
