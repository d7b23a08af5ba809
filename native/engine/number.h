// The value of a JSON number, as JavaScript's Number(text) gives it.
#pragma once

#include <cstdint>

namespace scopeline {

// `begin` to `end` is a number by JSON's grammar; other text gives NaN. Correctly rounded; beyond the
// range of a double it is an infinity or a zero with the sign of the text.
double parse_number(const uint8_t* begin, const uint8_t* end);

}  // namespace scopeline
