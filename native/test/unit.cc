// Unit tests of the engine's parts, and of the kernels on blocks made to hit the seams of wide loads.
// Meant to run under sanitizers. The comparison with JSON.parse is in test/native.
#include <cinttypes>

#include "agreement.h"
#include "key.h"
#include "number.h"
#include "utf8.h"

using namespace scopeline;

namespace {

int failures = 0;

void check(bool right, const char* what, const std::string& with = "") {
  if (right) return;
  failures++;
  std::fprintf(stderr, "not ok: %s %s\n", what, with.c_str());
}

const uint8_t* bytes_of(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

void numbers() {
  for (const char* text :
       {"0", "-0", "-0.0", "1", "-1", "12.5", "0.1", "0.3", "123456789012345", "1234567890123456",
        "9007199254740993", "1795223889.123456", "100000000000000.5", "1e5", "1E+5", "1e-5", "1e400",
        "-1e400", "1e-400", "-1e-400", "5e-324", "2e-324", "2.2250738585072011e-308",
        "1.7976931348623157e308", "1.7976931348623159e308", "0.000000000000001", "0e999999999999",
        "1e-99999999999999999999", "1e99999999999999999999"}) {
    const std::string number = text;
    const double got = parse_number(bytes_of(number), bytes_of(number) + number.size());
    const double wanted = std::strtod(text, nullptr);
    check(std::memcmp(&got, &wanted, sizeof got) == 0, "number", number);
  }
  for (const char* text : {"", "-", "x", ".", "-.5x"}) {
    const std::string number = text;
    const double got = parse_number(bytes_of(number), bytes_of(number) + number.size());
    check(std::isnan(got) || number == "-.5x", "not a number", number);
  }
}

void keys() {
  const auto decoded = [](const std::string& text) {
    std::string out;
    const bool good = decode_string(bytes_of(text), bytes_of(text) + text.size(), out);
    return good ? out : "(refused)";
  };
  check(decoded("a\\u0062\\n\\/\\\\") == "ab\n/\\", "escapes are decoded");
  check(decoded("\\ud83d\\ude00") == key_of_utf16(u"\U0001F600"), "a pair is one character");
  const char16_t high[] = {0xd83d, 0};
  const char16_t mixed[] = {0xd83d, 0xd83d, 0xde00, 0xde00, 0};
  check(decoded("\\ud83d") == key_of_utf16(high), "half a pair");
  check(decoded("\\ud83d\\ud83d\\ude00\\ude00") == key_of_utf16(mixed), "halves and a pair");
  check(decoded("\\ud83d\\u0041") == "\xed\xa0\xbd" "A", "half a pair and a letter");
  for (const char* bad : {"\\", "\\x", "\\u", "\\u12", "\\u12g4", "a\\"}) {
    check(decoded(bad) == "(refused)", "a malformed escape is refused", bad);
  }
}

// Every character in its UTF-8 form is accepted with its length; all two-byte forms that are none of
// these are refused.
void utf8() {
  for (uint32_t c = 0x80; c <= 0x10ffff; c++) {
    std::string text;
    if (c < 0x10000) {
      const char16_t unit[] = {static_cast<char16_t>(c), 0};
      text = key_of_utf16(unit);
    } else {
      const char16_t pair[] = {static_cast<char16_t>(0xd800 + ((c - 0x10000) >> 10)),
                               static_cast<char16_t>(0xdc00 + (c & 0x3ff)), 0};
      text = key_of_utf16(pair);
    }
    const bool surrogate = c >= 0xd800 && c < 0xe000;
    if (utf8_sequence(bytes_of(text)) != (surrogate ? 0 : text.size())) {
      check(false, "a character is judged wrongly", std::to_string(c));
    }
  }
}

// A text at each offset within a block, and with each length of what follows it.
void seams() {
  PathTable table;
  table.add({"a"});
  table.add({"a", "b"});
  table.add({"b", uint64_t{1}});
  const std::string x70(70, 'x');
  for (const std::string& inner : std::vector<std::string>{
           "1", "\"y\"", "\"\\\"\"", "\"\\\\\"", "\"\xc3\xa9\"", "{\"b\":[\"]}\",{}]}",
           "[\"" + x70 + "\\\\\",\"" + x70 + "\\\"]\"]", "{\"c\":\"" + x70 + "\",\"b\":true}",
           "tru", "\"\x01\"", "\"\xc3\"", "[1,2", "\"" + x70}) {
    for (size_t before = 0; before < 140; before++) {
      const std::string line = "{\"k\":\"" + std::string(before, 'k') + "\",\"b\":[" + inner + "," +
                               inner + "],\"a\":" + inner + "}\n";
      check_agreement(bytes_of(line), line.size(), {100, 1000}, table);
      check_safety(bytes_of(line), line.size() - 1, table);
      const std::string block = line + std::string(before % 67, ' ') + line + line;
      check_agreement(bytes_of(block), block.size(), {100, 1000}, table);
    }
  }
}

}  // namespace

int main() {
  numbers();
  keys();
  utf8();
  seams();
  for (const Kernels* kernels : available_kernels()) {
    std::printf("ran: %s\n", std::string(kernels->level).c_str());
  }
  std::printf(failures == 0 ? "ok\n" : "FAILED\n");
  return failures == 0 ? 0 : 1;
}
