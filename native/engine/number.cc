#include "number.h"

#include <charconv>
#include <limits>
#include <system_error>

#include "characters.h"

namespace scopeline {
namespace {

// Powers of ten that a double holds exactly.
constexpr double kExactPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

// Says whether a number out of range is too large; otherwise it is too close to zero. Its decimal
// magnitude tells: the place of its first digit that is not 0, moved by the exponent.
bool overflows(const uint8_t* p, const uint8_t* end) {
  int64_t magnitude = 0;
  bool leading = true;  // no digit but 0 so far
  bool fraction = false;
  for (; p < end && (*p | 0x20) != 'e'; p++) {
    if (*p == '.') {
      fraction = true;
    } else if (leading && *p == '0') {
      if (fraction) magnitude--;
    } else {
      leading = false;
      if (!fraction) magnitude++;
    }
  }
  if (p == end) return magnitude > 0;
  p++;
  const bool negative = p < end && *p == '-';
  if (p < end && !is_digit(*p)) p++;
  int64_t exponent = 0;
  constexpr int64_t kEnough = int64_t{1} << 40;  // more than any line has digits
  for (; p < end && exponent < kEnough; p++) exponent = exponent * 10 + (*p - '0');
  return magnitude + (negative ? -exponent : exponent) > 0;
}

}  // namespace

double parse_number(const uint8_t* begin, const uint8_t* end) {
  const bool negative = begin < end && *begin == '-';
  const uint8_t* p = begin + negative;
  // Nearly all numbers have at most 15 digits and no exponent. Then digits and power of ten are exact
  // doubles, and one division rounds once: the result is the correctly rounded one.
  if (end - p <= 16) {
    uint64_t digits = 0;
    const uint8_t* const whole = p;
    while (p < end && is_digit(*p)) digits = digits * 10 + (*p++ - '0');
    long count = p - whole;
    long places = 0;
    if (count > 0 && p < end && *p == '.') {
      const uint8_t* const fraction = ++p;
      while (p < end && is_digit(*p)) digits = digits * 10 + (*p++ - '0');
      places = p - fraction;
      count += places;
    }
    if (p == end && count > 0 && count <= 15) {
      const double value = static_cast<double>(digits) / kExactPowers[places];
      return negative ? -value : value;
    }
  }
  double value = 0;
  const auto text = reinterpret_cast<const char*>(begin);
  const auto [stop, error] = std::from_chars(text, reinterpret_cast<const char*>(end), value);
  if (error == std::errc()) return value;
  if (error != std::errc::result_out_of_range) return std::numeric_limits<double>::quiet_NaN();
  value = overflows(begin + negative, end) ? std::numeric_limits<double>::infinity() : 0.0;
  return negative ? -value : value;
}

}  // namespace scopeline
