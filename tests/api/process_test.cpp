#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.hpp"

namespace sigillo::api {
namespace {

TEST(Process, ExitCodesTellALocalFaultFromASealedAndARefusedOne) {
  EXPECT_EQ(exit_of(501), Exit::local);
  EXPECT_EQ(exit_of(403), Exit::local);
  EXPECT_EQ(exit_of(201), Exit::sealed);
  EXPECT_EQ(exit_of(299), Exit::sealed);
  EXPECT_EQ(exit_of(401), Exit::sealed);
  EXPECT_EQ(exit_of(301), Exit::refused);
}

// In a child: what is hardened stays so for the process's life.
TEST(Process, IsHardenedBeforeASecretIsRead) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    harden();
    rlimit core{1, 1};
    getrlimit(RLIMIT_CORE, &core);
    const bool good = core.rlim_max == 0 && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 && umask(0) == 077;
    leave(good ? Exit::good : Exit::local);
  }
  int status = 1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

}  // namespace
}  // namespace sigillo::api
