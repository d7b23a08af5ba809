// The field paths of one extraction, merged into a tree so that one walk over a line serves all.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace scopeline {

// A step of a path: a key of an object (in the form of key.h) or an index of an array. An index that
// no array can have is kNoIndex.
using PathStep = std::variant<std::string, uint64_t>;
inline constexpr uint64_t kNoIndex = UINT64_MAX;

class PathTable {
 public:
  struct Node {
    struct Key {
      std::string text;
      std::unique_ptr<Node> node;
    };
    struct Index {
      uint64_t at;
      std::unique_ptr<Node> node;
    };
    std::vector<Key> keys;
    std::vector<Index> indices;
    // Bit n: some key has n bytes (63: that or more). Refuses most keys without comparing any.
    uint64_t key_lengths = 0;
    // Columns whose path ends here, and all that end here or below.
    std::vector<uint32_t> columns;
    std::vector<uint32_t> subtree;
  };

  // Walks go as deep as the longest path, on the stack.
  static constexpr size_t kMaxSteps = 1000;

  // Adds a path of 1 to kMaxSteps steps; its column is the number of paths added before it.
  void add(const std::vector<PathStep>& path);

  const Node& root() const { return root_; }
  uint32_t columns() const { return columns_; }

 private:
  Node root_;
  uint32_t columns_ = 0;
};

}  // namespace scopeline
