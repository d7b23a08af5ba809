// libFuzzer harness: any bytes as a block, under all instruction sets. The first two bytes choose the
// limits; the rest is the block.
#include "agreement.h"

using namespace scopeline;

static PathTable make_table() {
  PathTable table;
  table.add({"a"});
  table.add({"b"});
  table.add({"a", "b"});
  table.add({"a", "b", "c"});
  table.add({"a", uint64_t{0}});
  table.add({"a", uint64_t{1}, "b"});
  table.add({""});
  table.add({"a", "a", "a", "a"});
  table.add({"\xed\xa0\xbd"});
  table.add({"data", "http_status_code"});
  return table;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const PathTable table = make_table();
  if (size < 2) return 0;
  const uint32_t depth = data[0] < 128 ? 1000 : data[0] % 8u;
  const uint32_t length = data[1] < 128 ? 1 << 20 : data[1];
  data += 2;
  size -= 2;
  check_agreement(data, size, {depth, length}, table);
  check_safety(data, size, table);
  return 0;
}
