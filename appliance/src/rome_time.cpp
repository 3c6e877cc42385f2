#include "rome_time.hpp"

namespace sigillo::appliance {

std::chrono::local_time<std::chrono::milliseconds> rome_wall_clock(base::Instant instant) {
  using namespace std::chrono;
  const sys_time<milliseconds> utc{milliseconds(instant.ms)};
  const auto year_utc = year_month_day(floor<days>(utc)).year();
  const auto turn = [&](month which) { return sys_days(year_utc / which / Sunday[last]) + hours(1); };
  const bool summer = utc >= turn(March) && utc < turn(October);
  return local_time<milliseconds>(utc.time_since_epoch() + hours(summer ? 2 : 1));
}

}  // namespace sigillo::appliance
