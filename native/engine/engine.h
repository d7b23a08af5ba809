// What the engine does, once per instruction set: judge the lines of a block, and fetch the values at
// paths as columns. No part of it knows Node.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "path_table.h"

namespace scopeline {

struct ScanLimits {
  uint32_t max_depth;       // nesting of objects and arrays; the record itself is level 1
  uint32_t max_line_bytes;  // without the line break
};

// The verdict on a block, and memory that the next scan uses again.
struct Scan {
  // Start and end offsets of the lines that are JSON objects.
  std::vector<uint32_t> lines;
  // Lines that are neither such an object nor blank. Bytes after the last newline count as one.
  uint32_t bad = 0;
  std::vector<uint8_t> nesting;
};

enum class Kind : uint8_t {
  kMissing,
  kNull,
  kFalse,
  kTrue,
  kNumber,
  kString,
  kEscapedString,
  kObject,
  kArray,
};

// Where an extraction writes; each array is column-major and zeroed, spans with two entries a value.
struct Columns {
  Kind* kinds;
  double* numbers;
  uint32_t* spans;
};

struct Lines {
  const uint8_t* bytes;
  size_t size;
  const uint32_t* offsets;  // start, end of each line; start <= end <= size
  size_t rows;
};

struct Kernels {
  std::string_view level;
  // `size` is below 4 GiB.
  void (*scan)(const uint8_t* block, size_t size, ScanLimits limits, Scan& out);
  // A line that no scan accepted gives some values or none, but touches no memory of others. `key` is
  // memory that the next extraction uses again. Says whether any value gave way to a later one under
  // the same key, or under the same key of what is around it.
  bool (*extract)(const PathTable& table, const Lines& lines, const Columns& out, std::string& key);
};

// The kernels that this processor can run, fastest first; the last are portable.
const std::vector<const Kernels*>& available_kernels();

}  // namespace scopeline
