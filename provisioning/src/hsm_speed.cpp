// sigillo hsm speed: calls per second by number of threads.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>
#include <vector>

#include <boost/json/array.hpp>

#include <appliance/assembly.hpp>
#include <hsm/profile.hpp>

#include "audit_files.hpp"
#include "hsm_command.hpp"

namespace sigillo::provisioning {
namespace {

using Clock = std::chrono::steady_clock;
using Call = std::function<base::Result<void>()>;

struct Kind {
  const char* name;
  const char* words;
  std::function<Call()> of_thread;  // each thread has a call of its own
};
struct Figure {
  std::string kind;
  unsigned threads = 0;
  std::uint64_t calls = 0;
  double seconds = 0;
  double median_us = 0, p99_us = 0;
  double per_second() const { return static_cast<double>(calls) / seconds; }
};

// The threads begin together, and each call is timed: a pool that makes callers wait shows in the p99.
base::Result<Figure> measure(const Kind& kind, unsigned threads, double seconds) {
  std::atomic<bool> go = false, stop = false;
  std::vector<std::vector<float>> taken(threads);
  std::vector<base::Result<void>> ends(threads, base::ok());
  std::vector<std::thread> running;
  for (unsigned i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      const Call call = kind.of_thread();
      go.wait(false);
      while (!stop) {
        const auto begun = Clock::now();
        ends[i] = call();
        if (!ends[i]) return;
        taken[i].push_back(std::chrono::duration<float, std::micro>(Clock::now() - begun).count());
      }
    });
  }
  const auto begun = Clock::now();
  go = true;
  go.notify_all();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (auto& thread : running) thread.join();
  Figure out{.kind = kind.name, .threads = threads};
  out.seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  std::vector<float> all;
  for (unsigned i = 0; i < threads; ++i) {
    SIGILLO_CHECK(ends[i]);
    all.insert(all.end(), taken[i].begin(), taken[i].end());
  }
  std::ranges::sort(all);
  out.calls = all.size();
  if (!all.empty()) out.median_us = all[all.size() / 2], out.p99_us = all[all.size() * 99 / 100];
  return out;
}

base::Result<std::vector<Kind>> kinds_of(hsm::Token& token) {
  SIGILLO_TRY(const auto mac, token.find_key({appliance::KeyLabels::index, 1}));
  SIGILLO_TRY(const auto signing, token.find_key({appliance::KeyLabels::receipt, 1}));
  // What is signed is drawn for this: no signature made here is good for anything.
  base::Bytes digest(32);
  SIGILLO_CHECK(token.random(digest));
  const auto hmac = [&token, mac]() -> Call {
    return [&token, mac]() -> base::Result<void> {
      SIGILLO_CHECK(
          token.hmac(mac, base::view("sigillo/speed: 64 bytes, as a blind index or a verifier takes.")));
      return base::ok();
    };
  };
  const auto sign = [&token, signing, digest]() -> Call {
    return [&token, signing, digest]() -> base::Result<void> {
      SIGILLO_CHECK(token.sign(signing, digest));
      return base::ok();
    };
  };
  const auto random = [&token]() -> Call {
    return [&token]() -> base::Result<void> {
      base::ByteArray<16> out{};
      return token.random(out);
    };
  };
  const auto replace = [&token, digest]() -> Call {
    const std::string label = "sigillo.speed." + base::to_hex(digest).substr(0, 16);
    return [&token, digest, label]() -> base::Result<void> {
      SIGILLO_TRY(const auto made, token.create_data(label, digest));
      return token.destroy_data(made);
    };
  };
  return std::vector<Kind>{{"hmac", "HMAC-SHA256", hmac},
                           {"ecdsa", "ECDSA P-256", sign},
                           {"random", "random, 16 bytes", random},
                           {"replace", "data object replaced", replace}};
}

std::vector<unsigned> steps_to(unsigned most) {
  std::vector<unsigned> out;
  for (unsigned n = 1; n < most; n *= 2) out.push_back(n);
  out.push_back(most);
  return out;
}

base::Result<std::vector<Figure>> measure_all(hsm::Token& token, unsigned most, double seconds) {
  SIGILLO_TRY(const auto kinds, kinds_of(token));
  const auto steps = steps_to(most);
  std::vector<Figure> out;
  Progress progress("measuring", kinds.size() * steps.size());
  for (const auto& kind : kinds) {
    for (const unsigned threads : steps) {
      progress.at(out.size());
      SIGILLO_TRY(auto figure, measure(kind, threads, seconds));
      out.push_back(std::move(figure));
    }
  }
  return out;
}

std::string table_of(const std::vector<Figure>& figures, const hsm::TokenIdentity& id) {
  std::string out = id.library + ' ' + id.library_version + ", token " + id.manufacturer + ' ' + id.model +
                    ", " + std::to_string(std::thread::hardware_concurrency()) +
                    " cores\n\noperation   threads    calls/s   median us     p99 us";
  for (const auto& one : figures) {
    char line[128];
    std::snprintf(line, sizeof line, "\n%-10s %8u %10.0f %11.1f %10.1f", one.kind.c_str(), one.threads,
                  one.per_second(), one.median_us, one.p99_us);
    out += line;
  }
  return out;
}

}  // namespace

void hsm_speed(const SpeedRequest& request, Context& context) {
  auto opened = open_hsm(request.config, context);
  if (!opened) return;
  auto& token = *opened->token;
  const auto identity = token.identity();
  const unsigned most = request.threads > 0
                            ? request.threads
                            : static_cast<unsigned>(std::min<std::size_t>(token.parallelism(), 64));
  const auto figures = measure_all(token, most, request.seconds);
  if (!identity || !figures) {
    const auto& error = identity ? figures.error() : identity.error();
    return context.failed(Exit::remote_or_sealed, "The module was not measured: " + sentence(error) + '.',
                          error.is(hsm::Errc::no_such_key)
                              ? "The token has no keys yet: run this after the ceremony."
                              : "`sigillo diagnose` says more.");
  }
  boost::json::array list;
  for (const auto& one : *figures) {
    list.push_back({{"operation", one.kind},
                    {"threads", one.threads},
                    {"calls", one.calls},
                    {"per_second", one.per_second()},
                    {"median_us", one.median_us},
                    {"p99_us", one.p99_us}});
  }
  context.result("sigillo.hsm-speed/1",
                 {{"library", identity->library},
                  {"library_version", identity->library_version},
                  {"manufacturer", identity->manufacturer},
                  {"model", identity->model},
                  {"cores", std::thread::hardware_concurrency()},
                  {"figures", std::move(list)}},
                 table_of(*figures, *identity));
}

}  // namespace sigillo::provisioning
