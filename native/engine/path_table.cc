#include "path_table.h"

#include <algorithm>

namespace scopeline {
namespace {

PathTable::Node& child_for_key(PathTable::Node& node, const std::string& text) {
  for (auto& key : node.keys) {
    if (key.text == text) return *key.node;
  }
  node.key_lengths |= uint64_t{1} << std::min<size_t>(text.size(), 63);
  node.keys.push_back({text, std::make_unique<PathTable::Node>()});
  return *node.keys.back().node;
}

PathTable::Node& child_at_index(PathTable::Node& node, uint64_t at) {
  for (auto& index : node.indices) {
    if (index.at == at) return *index.node;
  }
  node.indices.push_back({at, std::make_unique<PathTable::Node>()});
  return *node.indices.back().node;
}

}  // namespace

void PathTable::add(const std::vector<PathStep>& path) {
  const uint32_t column = columns_++;
  Node* node = &root_;
  node->subtree.push_back(column);
  for (const PathStep& step : path) {
    const std::string* key = std::get_if<std::string>(&step);
    node = key ? &child_for_key(*node, *key) : &child_at_index(*node, std::get<uint64_t>(step));
    node->subtree.push_back(column);
  }
  node->columns.push_back(column);
}

}  // namespace scopeline
