// Binds the engine to JavaScript: {interface, levels, engine(level?), abstractSocket(name, listen)}. Results are copied into memory
// that JavaScript owns, so nothing has to be kept alive or freed across the border.
#include <napi.h>

#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "abstract_socket.h"
#include "arguments.h"
#include "engine.h"

namespace scopeline {
namespace {

// Grows when a function's arguments or results change, so that a loader can refuse an old binary.
constexpr int kInterface = 3;

// Cells of one extraction; more would be a mistake of the caller, and gigabytes.
constexpr size_t kMaxCells = size_t{1} << 28;

constexpr napi_type_tag kPathTableTag{0x5c09e11e7ab1e5, 0x9a7b0e4c35d2f681};

// Memory that calls use again; each thread of JavaScript has its own.
struct Scratch {
  Scan scan;
  std::string key;
};

// Runs what may run out of memory and makes a JavaScript error of that.
template <class Work>
Napi::Value guarded(const Napi::CallbackInfo& info, Work work) {
  try {
    return work();
  } catch (const std::exception& error) {
    Napi::Error::New(info.Env(), std::string("The native engine failed: ") + error.what())
        .ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
}

const Kernels& kernels_of(const Napi::CallbackInfo& info) {
  return *static_cast<const Kernels*>(info.Data());
}

Scratch& scratch_of(Napi::Env env) { return *env.GetInstanceData<Scratch>(); }

// scan(block, maxDepth, maxLineBytes) -> {lines, bad}
Napi::Value scan_block(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const auto bytes = read_bytes(info[0]);
    if (!bytes) return env.Undefined();
    const auto depth = read_limit(info[1]);
    if (!depth) return env.Undefined();
    const auto length = read_limit(info[2]);
    if (!length) return env.Undefined();
    Scan& scan = scratch_of(env).scan;
    kernels_of(info).scan(bytes->data, bytes->size, {*depth, *length}, scan);
    auto lines = Napi::Uint32Array::New(env, scan.lines.size());
    if (env.IsExceptionPending()) return env.Undefined();
    if (!scan.lines.empty()) {
      std::memcpy(lines.Data(), scan.lines.data(), scan.lines.size() * sizeof(uint32_t));
    }
    auto result = Napi::Object::New(env);
    result["lines"] = lines;
    result["bad"] = Napi::Number::New(env, scan.bad);
    return result;
  });
}

// compile(paths) -> an object that only extract can read
Napi::Value compile(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    auto table = read_paths(info[0]);
    if (!table) return env.Undefined();
    auto owned = std::make_unique<PathTable>(std::move(*table));
    auto holder = Napi::Object::New(env);
    const auto destroy = [](napi_env, void* data, void*) { delete static_cast<PathTable*>(data); };
    if (napi_wrap(env, holder, owned.get(), destroy, nullptr, nullptr) != napi_ok) {
      Napi::Error::New(env, "The field paths could not be kept.").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    owned.release();
    holder.TypeTag(&kPathTableTag);
    return holder;
  });
}

const PathTable* table_of(Napi::Value value) {
  void* table = nullptr;
  const bool ours = value.IsObject() && value.As<Napi::Object>().CheckTypeTag(&kPathTableTag) &&
                    napi_unwrap(value.Env(), value, &table) == napi_ok;
  if (ours) return static_cast<const PathTable*>(table);
  Napi::TypeError::New(value.Env(), "The table must come from compile().").ThrowAsJavaScriptException();
  return nullptr;
}

// extract(table, bytes, lines) -> {kinds, numbers, spans, repeated}
Napi::Value extract_columns(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const PathTable* const table = table_of(info[0]);
    if (table == nullptr) return env.Undefined();
    const auto bytes = read_bytes(info[1]);
    if (!bytes) return env.Undefined();
    const auto lines = read_lines(info[2], *bytes);
    if (!lines) return env.Undefined();
    if (table->columns() > 0 && lines->rows > kMaxCells / table->columns()) {
      Napi::RangeError::New(env, "Too many lines and paths for one call.").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    const size_t cells = lines->rows * table->columns();
    // One allocation for all three, zeroed by the runtime; the widest first keeps them aligned.
    constexpr size_t kCell = sizeof(double) + 2 * sizeof(uint32_t) + sizeof(Kind);
    auto memory = Napi::ArrayBuffer::New(env, cells * kCell);
    if (env.IsExceptionPending()) return env.Undefined();
    auto numbers = Napi::Float64Array::New(env, cells, memory, 0);
    auto spans = Napi::Uint32Array::New(env, cells * 2, memory, cells * sizeof(double));
    auto kinds = Napi::Uint8Array::New(env, cells, memory, cells * (kCell - sizeof(Kind)));
    bool repeated = false;
    if (cells > 0) {
      const Columns columns{reinterpret_cast<Kind*>(kinds.Data()), numbers.Data(), spans.Data()};
      repeated = kernels_of(info).extract(*table, *lines, columns, scratch_of(env).key);
    }
    auto result = Napi::Object::New(env);
    result["kinds"] = kinds;
    result["numbers"] = numbers;
    result["spans"] = spans;
    result["repeated"] = Napi::Boolean::New(env, repeated);
    return result;
  });
}

// engine(level?) -> {level, scan, compile, extract}; the fastest that runs here unless told
Napi::Value engine(const Napi::CallbackInfo& info) {
  return guarded(info, [&]() -> Napi::Value {
    const Napi::Env env = info.Env();
    const Kernels* chosen = available_kernels().front();
    if (!info[0].IsUndefined()) {
      const std::string wanted = info[0].ToString().Utf8Value();
      chosen = nullptr;
      for (const Kernels* kernels : available_kernels()) {
        if (kernels->level == wanted) chosen = kernels;
      }
      if (chosen == nullptr) {
        Napi::RangeError::New(env, "This processor or build has no level \"" + wanted + "\".")
            .ThrowAsJavaScriptException();
        return env.Undefined();
      }
    }
    void* const data = const_cast<Kernels*>(chosen);
    auto result = Napi::Object::New(env);
    result["level"] = Napi::String::New(env, chosen->level.data(), chosen->level.size());
    result["scan"] = Napi::Function::New(env, scan_block, "scan", data);
    result["compile"] = Napi::Function::New(env, compile, "compile", data);
    result["extract"] = Napi::Function::New(env, extract_columns, "extract", data);
    return result;
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Scratch);
  const auto& available = available_kernels();
  auto levels = Napi::Array::New(env, available.size());
  for (uint32_t i = 0; i < available.size(); i++) {
    levels[i] = Napi::String::New(env, std::string(available[i]->level));
  }
  exports["interface"] = Napi::Number::New(env, kInterface);
  exports["levels"] = levels;
  exports["engine"] = Napi::Function::New(env, engine, "engine");
  exports["abstractSocket"] = Napi::Function::New(env, abstract_socket, "abstractSocket");
  return exports;
}

}  // namespace
}  // namespace scopeline

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) {
  return scopeline::init(env, exports);
}
NODE_API_MODULE(scopeline, init_addon)
