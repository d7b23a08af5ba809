#include "abstract_socket.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

namespace scopeline {
namespace {

int open_socket(const std::string& name, bool listening) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  // The first byte of the path stays zero: that makes it abstract.
  if (name.empty() || name.size() >= sizeof(address.sun_path)) return -ENAMETOOLONG;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  const auto* where = reinterpret_cast<const sockaddr*>(&address);
  // Without waiting: to connect to a listener whose queue is full fails with EAGAIN.
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  const bool done = listening ? bind(fd, where, length) == 0 && listen(fd, SOMAXCONN) == 0
                              : connect(fd, where, length) == 0;
  if (done) return fd;
  const int error = errno;
  close(fd);
  return -error;
}

}  // namespace

Napi::Value abstract_socket(const Napi::CallbackInfo& info) {
  const std::string name = info[0].ToString().Utf8Value();
  return Napi::Number::New(info.Env(), open_socket(name, info[1].ToBoolean()));
}

}  // namespace scopeline
