// The decoded form in which object keys are compared. JavaScript compares UTF-16; a key may hold half
// a surrogate pair, which UTF-8 cannot say. So both sides are written as WTF-8: UTF-8 in which an
// unpaired surrogate takes three bytes. Equal UTF-16 gives equal bytes and the other way round.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace scopeline {

// Decodes the text between the quotes of a JSON string into `out` (replaced). False if an escape is
// malformed, which a line that passed the scan cannot have.
bool decode_string(const uint8_t* begin, const uint8_t* end, std::string& out);

// The same form for a key given as UTF-16.
std::string key_of_utf16(std::u16string_view text);

}  // namespace scopeline
