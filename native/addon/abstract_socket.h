// Sockets of Linux's abstract namespace under exactly the name that is given. Node.js fills such a name
// up with zero bytes, which to the kernel is another name, so that other programs would not find it.
#pragma once

#include <napi.h>

namespace scopeline {

// abstractSocket(name, listen) -> a descriptor that listens or is connected, or a negative errno
Napi::Value abstract_socket(const Napi::CallbackInfo& info);

}  // namespace scopeline
