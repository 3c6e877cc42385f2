// Reading: one figure of the appliance's own, for whoever scrapes: /metrics renders them. Labels are words of
// the product (an outcome, a step, an HSM function) and names of enrolled channels: never a subject, an
// operator or an identifier, so that what is scraped tells nothing of anybody. Thread rule: values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sigillo::appliance {

struct Reading {
  enum class Kind : std::uint8_t { counter, gauge, histogram };
  const char* name;
  const char* help;
  Kind kind = Kind::gauge;
  const char* label = "";  // empty: none
  std::string label_value = {};
  double value = 0;                         // of a histogram: its sum in seconds
  std::vector<std::uint64_t> buckets = {};  // by base::Histogram::kBounds
  std::string channel = {};                 // a second label, `channel`; empty: none
};

}  // namespace sigillo::appliance
