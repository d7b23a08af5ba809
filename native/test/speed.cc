// How fast each instruction set judges and extracts, on blocks of 256 KiB of an NDJSON file. Prints
// the best of several rounds, in bytes of input per second of processor time.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>

#include "engine.h"

namespace {

using namespace scopeline;

constexpr size_t kBlock = 256 * 1024;
constexpr int kRounds = 7;

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::vector<std::vector<uint8_t>> blocks_of(const std::vector<uint8_t>& file) {
  std::vector<std::vector<uint8_t>> blocks;
  for (size_t start = 0; start < file.size();) {
    size_t end = std::min(file.size(), start + kBlock);
    while (end > start && file[end - 1] != '\n') end--;
    if (end == start) break;
    blocks.emplace_back(file.begin() + static_cast<ptrdiff_t>(start),
                        file.begin() + static_cast<ptrdiff_t>(end));
    start = end;
  }
  return blocks;
}

template <class Work>
double best(const std::vector<std::vector<uint8_t>>& blocks, size_t size, Work work) {
  double fastest = 1e9;
  for (int round = 0; round < kRounds; round++) {
    const double start = processor_seconds();
    for (const auto& block : blocks) work(block);
    fastest = std::min(fastest, processor_seconds() - start);
  }
  return static_cast<double>(size) / fastest / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: speed FILE\n"), 2;
  std::ifstream in(argv[1], std::ios::binary);
  const std::vector<uint8_t> file{std::istreambuf_iterator<char>(in), {}};
  const auto blocks = blocks_of(file);
  PathTable table;
  table.add({"sourcetype"});
  table.add({"data", "http_status_code"});
  table.add({"data", "duration"});
  for (const Kernels* kernels : available_kernels()) {
    Scan scan;
    size_t rows = 0;
    uint32_t bad = 0;
    const double scanned = best(blocks, file.size(), [&](const std::vector<uint8_t>& block) {
      kernels->scan(block.data(), block.size(), {1000, 1 << 20}, scan);
      rows = std::max(rows, scan.lines.size() / 2);
      bad += scan.bad;
    });
    std::vector<Kind> kinds(rows * 3);
    std::vector<double> numbers(rows * 3);
    std::vector<uint32_t> spans(rows * 6);
    std::string key;
    const double both = best(blocks, file.size(), [&](const std::vector<uint8_t>& block) {
      kernels->scan(block.data(), block.size(), {1000, 1 << 20}, scan);
      const Lines lines{block.data(), block.size(), scan.lines.data(), scan.lines.size() / 2};
      std::fill(kinds.begin(), kinds.end(), Kind::kMissing);
      kernels->extract(table, lines, {kinds.data(), numbers.data(), spans.data()}, key);
    });
    std::printf("%-9s scan %.2f GB/s  extract %.2f GB/s  both %.2f GB/s  (%u bad)\n",
                std::string(kernels->level).c_str(), scanned, 1 / (1 / both - 1 / scanned), both, bad);
  }
}
