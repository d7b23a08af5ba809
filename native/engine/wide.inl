// Searches for the next byte of a kind in masks of 64 bytes; included after an instruction set's
// `Chunk`, which makes the masks.
//
// Most tokens are far shorter than 64 bytes. Comparing anew at each token would make every token wait
// for the one before it (load, compare, move to a mask, count); a shift of a mask made earlier is
// three cycles, and the masks themselves wait for nothing.

// Two masks of the latest 64 bytes that were asked for. `Masks` makes them.
template <class Masks>
class Window {
 public:
  explicit Window(const uint8_t* end) : end_(end) {}

  // The first position from `p` on whose byte is of the kind; the end of the buffer counts as one.
  const uint8_t* first(const uint8_t* p) { return search<0>(p); }
  const uint8_t* second(const uint8_t* p) { return search<1>(p); }

 private:
  template <int kMask>
  [[gnu::always_inline]] const uint8_t* search(const uint8_t* p) {
    for (;;) {
      uintptr_t offset = reinterpret_cast<uintptr_t>(p) - start_;
      if (offset >= 64) {
        move(p);
        offset = 0;
      }
      const uint64_t found = (kMask == 0 ? first_ : second_) >> offset;
      if (found != 0) [[likely]] return p + std::countr_zero(found);
      p += 64 - offset;
    }
  }

  [[gnu::always_inline]] void move(const uint8_t* p) {
    start_ = reinterpret_cast<uintptr_t>(p);
    if (end_ - p >= 64) [[likely]] {
      Masks::make(Chunk(p), first_, second_);
    } else {
      move_to_last(p);
    }
  }

  // Fewer than 64 bytes are left; bytes of others behind them must not be read.
  [[gnu::noinline]] void move_to_last(const uint8_t* p) {
    uint8_t last[64] = {};
    const auto left = static_cast<size_t>(end_ - p);
    std::memcpy(last, p, left);
    Masks::make(Chunk(last), first_, second_);
    first_ |= ~uint64_t{0} << left;
    second_ |= ~uint64_t{0} << left;
  }

  const uint8_t* const end_;
  // A number, since nothing lies at the first: it only makes the first search make masks.
  uintptr_t start_ = 0;
  uint64_t first_ = 0;
  uint64_t second_ = 0;
};

struct StringMasks {
  static void make(const Chunk& chunk, uint64_t& stops, uint64_t& not_digits) {
    stops = chunk.string_stops();
    not_digits = chunk.not_digits();
  }
};

struct SpanMasks {
  static void make(const Chunk& chunk, uint64_t& quotes, uint64_t& ends) {
    quotes = chunk.either('"', '\\');
    ends = chunk.scalar_ends();
  }
};

class StringWindow {
 public:
  explicit StringWindow(const uint8_t* end) : window_(end) {}
  const uint8_t* string_stop(const uint8_t* p) { return window_.first(p); }
  const uint8_t* digits_end(const uint8_t* p) { return window_.second(p); }

 private:
  Window<StringMasks> window_;
};

class SpanWindow {
 public:
  explicit SpanWindow(const uint8_t* end) : window_(end) {}
  const uint8_t* quote_stop(const uint8_t* p) { return window_.first(p); }
  const uint8_t* scalar_end(const uint8_t* p) { return window_.second(p); }

 private:
  Window<SpanMasks> window_;
};

struct Brackets {
  uint64_t quotes, backslashes, opens, closes;
};

inline Brackets brackets_of(const uint8_t* p) {
  const Chunk chunk(p);
  return {chunk.equal('"'), chunk.equal('\\'), chunk.folded_equal('{'), chunk.folded_equal('}')};
}
