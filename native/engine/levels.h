// The kernels of each instruction set; nullptr where they are not part of this build.
#pragma once

#include "engine.h"

namespace scopeline {

const Kernels* portable_kernels();
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();

}  // namespace scopeline
