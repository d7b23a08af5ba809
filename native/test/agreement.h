// Holds the kernels of every instruction set to the reference and to each other on one block; ends the
// program with a message where they differ. Blocks are copied to memory of exactly their size, so
// that a sanitizer sees any read outside.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "engine.h"
#include "reference.h"

namespace scopeline {

[[noreturn]] inline void differ(const Kernels& kernels, const char* what) {
  std::fprintf(stderr, "%s: %s\n", std::string(kernels.level).c_str(), what);
  std::abort();
}

struct ColumnMemory {
  std::vector<Kind> kinds;
  std::vector<double> numbers;
  std::vector<uint32_t> spans;
  bool repeated = false;
  explicit ColumnMemory(size_t cells) : kinds(cells), numbers(cells), spans(cells * 2) {}
  bool equals(const ColumnMemory& other) const {
    return repeated == other.repeated && kinds == other.kinds && spans == other.spans &&
           (numbers.empty() ||
            std::memcmp(numbers.data(), other.numbers.data(), numbers.size() * sizeof(double)) == 0);
  }
};

inline ColumnMemory extract_with(const Kernels& kernels, const PathTable& table, const Lines& lines) {
  ColumnMemory memory(lines.rows * table.columns());
  std::string key;
  const Columns out{memory.kinds.data(), memory.numbers.data(), memory.spans.data()};
  memory.repeated = kernels.extract(table, lines, out, key);
  return memory;
}

// What the reference says about a block.
inline Scan expected_scan(reference::Text block, ScanLimits limits) {
  Scan scan;
  size_t start = 0;
  for (size_t i = 0; i < block.size(); i++) {
    if (block[i] != '\n') continue;
    const size_t end = i > start && block[i - 1] == '\r' ? i - 1 : i;
    const auto line = block.subspan(start, end - start);
    const auto verdict = reference::judge(line, limits.max_depth, limits.max_line_bytes);
    if (verdict == reference::Verdict::kBad) scan.bad++;
    if (verdict == reference::Verdict::kRecord) {
      scan.lines.push_back(static_cast<uint32_t>(start));
      scan.lines.push_back(static_cast<uint32_t>(end));
    }
    start = i + 1;
  }
  if (start < block.size()) scan.bad++;
  return scan;
}

// A value must be what its kind says, and lie within its line.
inline void check_cells(const Kernels& kernels, const Lines& lines, const ColumnMemory& memory) {
  for (size_t cell = 0; cell < memory.kinds.size(); cell++) {
    const size_t row = cell % lines.rows;
    const uint32_t start = memory.spans[cell * 2];
    const uint32_t end = memory.spans[cell * 2 + 1];
    const Kind kind = memory.kinds[cell];
    if (kind != Kind::kNumber && memory.numbers[cell] != 0) differ(kernels, "a number for another kind");
    if (kind == Kind::kMissing) {
      if (start != 0 || end != 0) differ(kernels, "a span for a missing value");
      continue;
    }
    if (start < lines.offsets[row * 2] || end > lines.offsets[row * 2 + 1] || start > end) {
      differ(kernels, "a span outside of its line");
    }
    const std::string text(lines.bytes + start, lines.bytes + end);
    const bool escaped = text.find('\\') != std::string::npos;
    const auto wrong = [&] {
      switch (kind) {
        case Kind::kNull: return text != "null";
        case Kind::kFalse: return text != "false";
        case Kind::kTrue: return text != "true";
        case Kind::kNumber: {
          const double number = std::strtod(text.c_str(), nullptr);
          return std::memcmp(&number, &memory.numbers[cell], sizeof number) != 0;
        }
        case Kind::kString: return escaped;
        case Kind::kEscapedString: return !escaped;
        case Kind::kObject: return text.front() != '{' || text.back() != '}';
        case Kind::kArray: return text.front() != '[' || text.back() != ']';
        default: return true;
      }
    };
    if (wrong()) differ(kernels, "a value that its text does not give");
  }
}

inline void check_agreement(const uint8_t* data, size_t size, ScanLimits limits,
                            const PathTable& table) {
  const std::unique_ptr<uint8_t[]> block(new uint8_t[size]);
  if (size > 0) std::memcpy(block.get(), data, size);
  const Scan expected = expected_scan({block.get(), size}, limits);
  const Lines lines{block.get(), size, expected.lines.data(), expected.lines.size() / 2};
  const ColumnMemory first = extract_with(*available_kernels().front(), table, lines);
  check_cells(*available_kernels().front(), lines, first);
  for (const Kernels* kernels : available_kernels()) {
    Scan scan;
    kernels->scan(block.get(), size, limits, scan);
    if (scan.lines != expected.lines || scan.bad != expected.bad) differ(*kernels, "another verdict");
    if (!extract_with(*kernels, table, lines).equals(first)) differ(*kernels, "other columns");
  }
}

// Lines that no scan has seen: whatever comes out, only the line may be touched.
inline void check_safety(const uint8_t* data, size_t size, const PathTable& table) {
  const std::unique_ptr<uint8_t[]> block(new uint8_t[size]);
  if (size > 0) std::memcpy(block.get(), data, size);
  const auto whole = static_cast<uint32_t>(size);
  const std::vector<uint32_t> offsets{0,         whole, whole / 3, whole - whole / 3,
                                      whole / 2, whole, 0,         whole / 2};
  const Lines lines{block.get(), size, offsets.data(), offsets.size() / 2};
  for (const Kernels* kernels : available_kernels()) extract_with(*kernels, table, lines);
}

}  // namespace scopeline
