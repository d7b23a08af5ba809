#include "arguments.h"

#include <cmath>
#include <string>
#include <utility>

#include "key.h"

namespace scopeline {
namespace {

std::nullopt_t refuse(Napi::Env env, const char* sentence) {
  Napi::TypeError::New(env, sentence).ThrowAsJavaScriptException();
  return std::nullopt;
}

// Memory that another thread may change while it is read cannot be checked once and then trusted.
bool is_shared(const Napi::TypedArray& array) {
  const Napi::Value buffer = array.ArrayBuffer();
  return !buffer.IsArrayBuffer();
}

std::optional<PathStep> read_step(Napi::Value value) {
  if (value.IsString()) {
    const std::u16string text = value.As<Napi::String>().Utf16Value();
    return key_of_utf16(text);
  }
  if (!value.IsNumber()) return refuse(value.Env(), "A step of a field path must be a string or a number.");
  const double number = value.As<Napi::Number>().DoubleValue();
  // 2^32-2 is the last index that an array can have.
  const bool index = number >= 0 && number <= 4294967294.0 && number == std::floor(number);
  return PathStep{index ? static_cast<uint64_t>(number) : kNoIndex};
}

std::optional<std::vector<PathStep>> read_path(Napi::Value value) {
  if (!value.IsArray()) return refuse(value.Env(), "A field path must be an array.");
  const auto list = value.As<Napi::Array>();
  const uint32_t length = list.Length();
  if (length == 0 || length > PathTable::kMaxSteps) {
    return refuse(value.Env(), "A field path must have 1 to 1000 steps.");
  }
  std::vector<PathStep> path;
  path.reserve(length);
  for (uint32_t i = 0; i < length; i++) {
    const Napi::Value item = list.Get(i);
    if (value.Env().IsExceptionPending()) return std::nullopt;
    auto step = read_step(item);
    if (!step) return std::nullopt;
    path.push_back(std::move(*step));
  }
  return path;
}

}  // namespace

std::optional<Bytes> read_bytes(Napi::Value value) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    return refuse(value.Env(), "The block must be a Uint8Array.");
  }
  const auto array = value.As<Napi::Uint8Array>();
  if (is_shared(array)) return refuse(value.Env(), "The block may not be shared memory.");
  if (array.ByteLength() > UINT32_MAX) return refuse(value.Env(), "The block must be smaller than 4 GiB.");
  return Bytes{array.Data(), array.ByteLength()};
}

std::optional<Lines> read_lines(Napi::Value value, Bytes bytes) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint32_array) {
    return refuse(value.Env(), "The lines must be a Uint32Array.");
  }
  const auto array = value.As<Napi::Uint32Array>();
  if (is_shared(array)) return refuse(value.Env(), "The lines may not be shared memory.");
  const Lines lines{bytes.data, bytes.size, array.Data(), array.ElementLength() / 2};
  for (size_t row = 0; row < lines.rows; row++) {
    const uint32_t start = lines.offsets[row * 2];
    const uint32_t end = lines.offsets[row * 2 + 1];
    if (start > end || end > bytes.size) {
      Napi::RangeError::New(value.Env(), "A line lies outside of its block.").ThrowAsJavaScriptException();
      return std::nullopt;
    }
  }
  return lines;
}

std::optional<uint32_t> read_limit(Napi::Value value) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number >= 0) return number < UINT32_MAX ? static_cast<uint32_t>(number) : UINT32_MAX;
  }
  return refuse(value.Env(), "A limit must be a number from 0.");
}

std::optional<PathTable> read_paths(Napi::Value value) {
  if (!value.IsArray()) return refuse(value.Env(), "The field paths must be an array.");
  const auto list = value.As<Napi::Array>();
  PathTable table;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Value item = list.Get(i);
    if (value.Env().IsExceptionPending()) return std::nullopt;
    const auto path = read_path(item);
    if (!path) return std::nullopt;
    table.add(*path);
  }
  return table;
}

}  // namespace scopeline
