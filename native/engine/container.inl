// Finds the end of an object or array 64 bytes a step; included after `brackets_of`, in files whose
// processor has carry-less multiplication.

// The bytes of a block that are escaped by a backslash before them; `carry` tells the next block
// whether its first byte is.
uint64_t escaped_bytes(uint64_t backslashes, uint64_t& carry) {
  uint64_t escaped = carry;
  backslashes &= ~carry;
  carry = 0;
  while (backslashes != 0) {
    const uint64_t next = (backslashes & -backslashes) << 1;
    if (next == 0) {
      carry = 1;
      break;
    }
    escaped |= next;
    // The backslash itself, and the one that it escapes, are used up.
    backslashes &= (backslashes - 1) & ~next;
  }
  return escaped;
}

// Each bit tells whether the number of set bits up to it is odd: inside of strings, for quotes.
uint64_t inside_pairs(uint64_t quotes) {
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<int64_t>(quotes)),
                                               _mm_set1_epi8(-1), 0);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(product));
}

// The position after the bracket that closes the one at `p`, or nullptr if it is not before `end`.
const uint8_t* container_end(const uint8_t* p, const uint8_t* end, const uint8_t* buffer_end) {
  size_t depth = 0;
  uint64_t escape_carry = 0;
  uint64_t string_carry = 0;  // all ones while in a string
  for (; p < end; p += 64) {
    uint8_t last[64];
    const uint8_t* from = p;
    if (buffer_end - p < 64) [[unlikely]] {
      std::memset(last, ' ', sizeof last);
      std::memcpy(last, p, static_cast<size_t>(buffer_end - p));
      from = last;
    }
    const Brackets block = brackets_of(from);
    uint64_t quotes = block.quotes;
    if ((block.backslashes | escape_carry) != 0) [[unlikely]] {
      quotes &= ~escaped_bytes(block.backslashes, escape_carry);
    }
    const uint64_t inside = inside_pairs(quotes) ^ string_carry;
    string_carry = static_cast<uint64_t>(static_cast<int64_t>(inside) >> 63);
    const uint64_t opens = block.opens & ~inside;
    uint64_t closes = block.closes & ~inside;
    size_t closed = 0;
    for (; closes != 0; closes &= closes - 1) {
      closed++;
      const uint64_t before = (closes & -closes) - 1;
      if (depth + static_cast<size_t>(std::popcount(opens & before)) <= closed) {
        const uint8_t* const after = p + std::countr_zero(closes) + 1;
        return after <= end ? after : nullptr;
      }
    }
    depth += static_cast<size_t>(std::popcount(opens)) - closed;
  }
  return nullptr;
}
