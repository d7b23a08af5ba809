// The extraction, included once per instruction set into its own unnamed namespace, after a
// `SpanWindow` that finds the next quote or backslash or the end of a number, and `container_end`.
//
// Lines are known to be valid, so nothing is judged: what no path names is skipped. Still each step
// stays within its line, and text that makes no sense ends the walk: a caller's mistake costs values,
// never memory safety.

class Walk {
 public:
  Walk(const PathTable& table, const Lines& lines, const Columns& out, std::string& key)
      : table_(table), bytes_(lines.bytes), buffer_end_(lines.bytes + lines.size),
        window_(buffer_end_), rows_(lines.rows), out_(out), decoded_(key) {}

  void line(size_t row, uint32_t start, uint32_t end) {
    row_ = row;
    end_ = bytes_ + end;
    const uint8_t* p = skip_space(bytes_ + start);
    if (p >= end_ || *p != '{' || object(p + 1, table_.root()) == nullptr) {
      clear(table_.root());
    }
  }

  // Whether a value was found so far that a repeated key put another one, or nothing, in place of.
  bool repeated() const { return repeated_; }

 private:
  using Node = PathTable::Node;

  // Each of these takes a position within the line and gives the one after what it read, or nullptr.

  // From after '{' to after '}'.
  const uint8_t* object(const uint8_t* p, const Node& node) {
    p = skip_space(p);
    if (p < end_ && *p == '}') return p + 1;
    for (;;) {
      if (p >= end_ || *p != '"') return nullptr;
      const uint8_t* const key = p + 1;
      bool escaped = false;
      const uint8_t* const after_key = string(key, escaped);
      if (after_key == nullptr) return nullptr;
      const Node* const wanted = child(node, key, after_key - 1, escaped);
      p = skip_space(after_key);
      if (p >= end_ || *p != ':') return nullptr;
      p = skip_space(p + 1);
      p = wanted ? value(p, *wanted) : skip(p);
      if (p == nullptr) return nullptr;
      p = skip_space(p);
      if (p >= end_) return nullptr;
      if (*p == '}') return p + 1;
      if (*p != ',') return nullptr;
      p = skip_space(p + 1);
    }
  }

  // From after '[' to after ']'.
  const uint8_t* array(const uint8_t* p, const Node& node) {
    p = skip_space(p);
    if (p < end_ && *p == ']') return p + 1;
    for (uint64_t at = 0;; at++) {
      const Node* wanted = nullptr;
      for (const auto& index : node.indices) {
        if (index.at == at) wanted = index.node.get();
      }
      p = wanted ? value(p, *wanted) : skip(p);
      if (p == nullptr) return nullptr;
      p = skip_space(p);
      if (p >= end_) return nullptr;
      if (*p == ']') return p + 1;
      if (*p != ',') return nullptr;
      p = skip_space(p + 1);
    }
  }

  const Node* child(const Node& node, const uint8_t* key, const uint8_t* key_end, bool escaped) {
    if (escaped) [[unlikely]] {
      if (!decode_string(key, key_end, decoded_)) return nullptr;
      key = reinterpret_cast<const uint8_t*>(decoded_.data());
      key_end = key + decoded_.size();
    }
    const auto length = static_cast<size_t>(key_end - key);
    if (!(node.key_lengths >> (length < 63 ? length : 63) & 1)) return nullptr;
    for (const auto& candidate : node.keys) {
      if (candidate.text.size() == length &&
          std::memcmp(candidate.text.data(), key, length) == 0) {
        return candidate.node.get();
      }
    }
    return nullptr;
  }

  // A value that a path names. An earlier value under the same key goes, with all below it.
  const uint8_t* value(const uint8_t* p, const Node& node) {
    clear(node);
    if (p >= end_) return nullptr;
    const uint8_t* const start = p;
    switch (*p) {
      case '"': {
        bool escaped = false;
        p = string(start + 1, escaped);
        if (p == nullptr) return nullptr;
        store(node, escaped ? Kind::kEscapedString : Kind::kString, start + 1, p - 1);
        return p;
      }
      case '{':
        p = node.keys.empty() ? container(start) : object(start + 1, node);
        if (p != nullptr) store(node, Kind::kObject, start, p);
        return p;
      case '[':
        p = node.indices.empty() ? container(start) : array(start + 1, node);
        if (p != nullptr) store(node, Kind::kArray, start, p);
        return p;
      default:
        p = scalar(start);
        if (p == start) return nullptr;
        switch (*start) {
          case 't': store(node, Kind::kTrue, start, p); break;
          case 'f': store(node, Kind::kFalse, start, p); break;
          case 'n': store(node, Kind::kNull, start, p); break;
          default:
            store(node, Kind::kNumber, start, p);
            if (!node.columns.empty()) store_number(node, parse_number(start, p));
        }
        return p;
    }
  }

  // A value that no path names.
  const uint8_t* skip(const uint8_t* p) {
    if (p >= end_) return nullptr;
    if (*p == '"') {
      bool escaped = false;
      return string(p + 1, escaped);
    }
    if (*p == '{' || *p == '[') return container(p);
    const uint8_t* const after = scalar(p);
    return after == p ? nullptr : after;
  }

  // From after the opening quote to after the closing one.
  const uint8_t* string(const uint8_t* p, bool& escaped) {
    for (;;) {
      p = window_.quote_stop(p);
      if (p >= end_) return nullptr;
      if (*p == '"') [[likely]] return p + 1;
      escaped = true;
      p += 2;
      if (p >= end_) return nullptr;
    }
  }

  // A number or literal, up to what ends it.
  const uint8_t* scalar(const uint8_t* p) { return std::min(window_.scalar_end(p), end_); }

  // From an opening bracket to after the closing one.
  const uint8_t* container(const uint8_t* p) const {
    return container_end(p, end_, buffer_end_);
  }

  const uint8_t* skip_space(const uint8_t* p) const {
    while (p < end_ && *p <= ' ') p++;
    return p;
  }

  void store(const Node& node, Kind kind, const uint8_t* start, const uint8_t* end) {
    for (const uint32_t column : node.columns) {
      const size_t cell = column * rows_ + row_;
      out_.kinds[cell] = kind;
      out_.spans[cell * 2] = static_cast<uint32_t>(start - bytes_);
      out_.spans[cell * 2 + 1] = static_cast<uint32_t>(end - bytes_);
    }
  }

  void store_number(const Node& node, double number) {
    for (const uint32_t column : node.columns) out_.numbers[column * rows_ + row_] = number;
  }

  void clear(const Node& node) {
    for (const uint32_t column : node.subtree) {
      const size_t cell = column * rows_ + row_;
      if (out_.kinds[cell] == Kind::kMissing) continue;
      repeated_ = true;
      out_.kinds[cell] = Kind::kMissing;
      out_.numbers[cell] = 0;
      out_.spans[cell * 2] = out_.spans[cell * 2 + 1] = 0;
    }
  }

  const PathTable& table_;
  const uint8_t* const bytes_;
  const uint8_t* const buffer_end_;
  SpanWindow window_;
  const size_t rows_;
  const Columns& out_;
  std::string& decoded_;
  size_t row_ = 0;
  bool repeated_ = false;
  const uint8_t* end_ = nullptr;
};

bool extract(const PathTable& table, const Lines& lines, const Columns& out, std::string& key) {
  Walk walk(table, lines, out, key);
  for (size_t row = 0; row < lines.rows; row++) {
    walk.line(row, lines.offsets[row * 2], lines.offsets[row * 2 + 1]);
  }
  return walk.repeated();
}
