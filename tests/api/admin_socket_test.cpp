// The officers' socket of a process that is short of something.
#include <gtest/gtest.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include <api/admin_socket.hpp>

namespace sigillo::api {
namespace {

// The line that answers one that is no request; empty where the visit was dropped.
std::string visit(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(path, address.sun_path);
  std::string out;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    static_cast<void>(::send(fd, "{}\n", 3, MSG_NOSIGNAL));
    char piece[512];
    while (!out.ends_with('\n')) {
      const ssize_t count = ::recv(fd, piece, sizeof piece, 0);
      if (count <= 0) break;
      out.append(piece, static_cast<std::size_t>(count));
    }
  }
  ::close(fd);
  return out;
}

// Threads that are begun meanwhile want a stack larger than any address space: the kernel gives none, and
// pthread_create says EAGAIN, as where a limit on tasks is reached.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    pthread_attr_init(&huge);
    pthread_attr_setstacksize(&huge, std::size_t{1} << 50U);
    pthread_setattr_default_np(&huge);
    pthread_attr_destroy(&huge);
  }
  ~NoThreads() { pthread_setattr_default_np(&before_); }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  pthread_attr_t before_;
};

TEST(AdminSocket, AVisitThatFindsNoThreadIsDroppedAndTheNextOneIsServed) {
  std::string folder = "/tmp/sigillo-admin-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const appliance::Config config;
  const base::ManualClock clock{{1'700'000'000'000}};
  appliance::Host host(config, clock);
  appliance::Administration administration(host, clock);
  auto opened = AdminSocket::open(folder + "/admin.sock", administration);
  ASSERT_TRUE(opened) << opened.error().detail();
  testing::internal::CaptureStderr();
  {
    const NoThreads short_of_them;
    EXPECT_EQ(visit(folder + "/admin.sock"), "");
    EXPECT_EQ(visit(folder + "/admin.sock"), "");
  }
  EXPECT_NE(visit(folder + "/admin.sock").find("\"invalid\""), std::string::npos);
  const std::string log = testing::internal::GetCapturedStderr();
  const auto told = log.find("admin-not-served");
  EXPECT_NE(told, std::string::npos);
  EXPECT_EQ(log.find("admin-not-served", told + 1), std::string::npos) << log;  // once, not at each visit
  opened.value().reset();
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sigillo::api
