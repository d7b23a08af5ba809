#include "levels.h"

namespace scopeline {

const std::vector<const Kernels*>& available_kernels() {
  static const std::vector<const Kernels*> available = [] {
    std::vector<const Kernels*> found;
    for (const Kernels* kernels : {avx512_kernels(), avx2_kernels(), portable_kernels()}) {
      if (kernels != nullptr) found.push_back(kernels);
    }
    return found;
  }();
  return available;
}

}  // namespace scopeline
