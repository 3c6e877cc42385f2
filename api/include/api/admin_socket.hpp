// AdminSocket: the officers' way to a running appliance: a UNIX socket that only root and the appliance's own
// user may speak to (file mode, and SO_PEERCRED asked of the kernel), and no other way from anywhere. One
// request a connection: a line of JSON, what is secret as raw bytes once it is asked for, lines of progress,
// a line with the result. Threads of its own, bounded in number, size and time, so that nothing here holds up
// a channel. Thread rule: one owner; what it calls runs on its threads.
//   > {"schema":"sigillo.admin/1","action":"keys.rotate","parameters":{},"act":{...},"secret_bytes":0}
//   < {"give":"secret"}                      where secret_bytes is not 0
//   < {"progress":{"done":1,"total":10,"text":"records"}}
//   < {"result":{...}}  or  {"error":{"code":"refused","what":"...","next":"..."}}
#pragma once

#include <memory>
#include <string>

#include <appliance/administration.hpp>

namespace sigillo::api {

class AdminSocket {
 public:
  // Errc::port where another process has it: a live socket is never taken away. Errc::address where the path
  // cannot be one. The folder is there already.
  static base::Result<std::unique_ptr<AdminSocket>> open(const std::string& path,
                                                         appliance::Administration& administration);
  ~AdminSocket();  // as close(), then waits for what is being carried out
  // Nobody new comes in, and who has not asked yet is cut.
  void close();

 private:
  struct Parts;
  explicit AdminSocket(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace sigillo::api
