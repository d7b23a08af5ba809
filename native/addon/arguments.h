// Reads what JavaScript passes in: bytes, line offsets, limits, paths. Every reader checks fully,
// because what lies behind it works on bare memory; a failed one leaves a JavaScript error pending.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine.h"
#include "path_table.h"

namespace scopeline {

struct Bytes {
  const uint8_t* data;
  size_t size;
};

// A Uint8Array (or Buffer) below 4 GiB.
std::optional<Bytes> read_bytes(Napi::Value value);

// Offsets as a Batch keeps them, all within `bytes`.
std::optional<Lines> read_lines(Napi::Value value, Bytes bytes);

// A whole number from 0; above 2^32-1 it counts as that.
std::optional<uint32_t> read_limit(Napi::Value value);

// A list of paths, each a list of strings and numbers.
std::optional<PathTable> read_paths(Napi::Value value);

}  // namespace scopeline
