// The strict scan, included once per instruction set into its own unnamed namespace, after a
// `StringWindow` that finds the next byte which a string may not simply hold, or which is no digit.
//
// One pass without an index: strings and numbers, which are most of the bytes, go by in wide steps, and
// everything between them is decided byte by byte. Nothing but a line's end may step over a newline,
// so the last newline of the block guards all reads of single bytes.

class Scanner {
 public:
  Scanner(const uint8_t* end, uint32_t max_depth, std::vector<uint8_t>& nesting)
      : window_(end), max_depth_(max_depth), nesting_(nesting) {
    if (nesting_.size() < kFirstNesting) nesting_.resize(kFirstNesting);
  }

  // Judges the object that starts at `p` with '{'. Gives the position after it, or nullptr; then
  // `stopped()` lies within the same line, at the newline at the latest.
  const uint8_t* object(const uint8_t* p) {
    size_t depth = 0;
    uint8_t container = '{';

  open:
    if (depth == max_depth_) return fail(p);
    if (depth == nesting_.size()) nesting_.resize(depth * 2);
    nesting_[depth++] = container;
    p = skip_space(p + 1);
    if (container == '{') {
      if (*p == '}') goto close;
      goto key;
    }
    if (*p == ']') goto close;
    goto value;

  key:
    if (*p != '"') return fail(p);
    p = string(p + 1);
    if (p == nullptr) return nullptr;
    p = skip_space(p);
    if (*p != ':') return fail(p);
    p = skip_space(p + 1);

  value:
    switch (*p) {
      case '"':
        p = string(p + 1);
        break;
      case '{':
      case '[':
        container = *p;
        goto open;
      case 't':
        p = literal(p, "true", 4);
        break;
      case 'f':
        p = literal(p, "false", 5);
        break;
      case 'n':
        p = literal(p, "null", 4);
        break;
      default:
        p = number(p);
    }
    if (p == nullptr) return nullptr;

  after:
    p = skip_space(p);
    if (*p == ',') {
      p = skip_space(p + 1);
      if (container == '{') goto key;
      goto value;
    }
    // '{' and '}' differ by 2, and so do '[' and ']'.
    if (*p != container + 2) return fail(p);

  close:
    p++;
    if (--depth == 0) return p;
    container = nesting_[depth - 1];
    goto after;
  }

  const uint8_t* stopped() const { return stopped_; }

  static const uint8_t* skip_space(const uint8_t* p) {
    if (*p > ' ') [[likely]] return p;
    while (is_space(*p)) p++;
    return p;
  }

 private:
  static constexpr size_t kFirstNesting = 64;

  const uint8_t* fail(const uint8_t* p) {
    stopped_ = p;
    return nullptr;
  }

  // From after the opening quote to after the closing one.
  const uint8_t* string(const uint8_t* p) {
    for (;;) {
      p = window_.string_stop(p);
      if (*p == '"') [[likely]] return p + 1;
      if (*p >= 0x80) {
        do {
          const size_t length = utf8_sequence(p);
          if (length == 0) return fail(p);
          p += length;
        } while (*p >= 0x80);
      } else if (*p == '\\') {
        p = escape(p);
        if (p == nullptr) return nullptr;
      } else {
        return fail(p);
      }
    }
  }

  const uint8_t* escape(const uint8_t* p) {
    switch (p[1]) {
      case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return p + 2;
      case 'u':
        for (int i = 2; i < 6; i++) {
          if (hex_digit(p[i]) < 0) return fail(p);
        }
        return p + 6;
      default:
        return fail(p);
    }
  }

  const uint8_t* literal(const uint8_t* p, const char* text, size_t length) {
    for (size_t i = 1; i < length; i++) {
      if (p[i] != static_cast<uint8_t>(text[i])) return fail(p);
    }
    return p + length;
  }

  const uint8_t* number(const uint8_t* p) {
    if (*p == '-') p++;
    if (!is_digit(*p)) return fail(p);
    const bool zero = *p == '0';
    const uint8_t* const whole = p;
    p = window_.digits_end(p);
    if (zero && p - whole > 1) return fail(p);
    if (*p == '.') {
      if (!is_digit(*++p)) return fail(p);
      p = window_.digits_end(p);
    }
    if ((*p | 0x20) == 'e') {
      p++;
      if (*p == '+' || *p == '-') p++;
      if (!is_digit(*p)) return fail(p);
      p = window_.digits_end(p);
    }
    return p;
  }

  StringWindow window_;
  const uint8_t* stopped_ = nullptr;
  const size_t max_depth_;
  std::vector<uint8_t>& nesting_;  // the opening brackets that are not closed
};

void scan(const uint8_t* block, size_t size, ScanLimits limits, Scan& out) {
  out.lines.clear();
  out.bad = 0;
  while (size > 0 && block[size - 1] != '\n') {
    out.bad = 1;
    size--;
  }
  const uint8_t* const end = block + size;
  Scanner scanner(end, limits.max_depth, out.nesting);
  for (const uint8_t* start = block; start < end;) {
    const uint8_t* p = Scanner::skip_space(start);
    const bool blank = *p == '\n';
    bool good = false;
    if (*p == '{') {
      if (const uint8_t* after = scanner.object(p)) {
        p = Scanner::skip_space(after);
        good = *p == '\n';
      } else {
        p = scanner.stopped();
      }
    }
    const auto newline = static_cast<const uint8_t*>(
        *p == '\n' ? p : std::memchr(p, '\n', static_cast<size_t>(end - p)));
    const uint8_t* const stop = newline > start && newline[-1] == '\r' ? newline - 1 : newline;
    if (static_cast<size_t>(stop - start) > limits.max_line_bytes) {
      out.bad++;
    } else if (good) {
      out.lines.push_back(static_cast<uint32_t>(start - block));
      out.lines.push_back(static_cast<uint32_t>(stop - block));
    } else if (!blank) {
      out.bad++;
    }
    start = newline + 1;
  }
}
