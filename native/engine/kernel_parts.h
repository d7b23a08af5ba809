// What the kernels need of others. A file that raises the instruction set for its kernels includes
// this first: functions of these headers must be compiled for every processor, because the linker
// keeps one copy of them for all files.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "characters.h"
#include "engine.h"
#include "key.h"
#include "levels.h"
#include "number.h"
#include "utf8.h"
