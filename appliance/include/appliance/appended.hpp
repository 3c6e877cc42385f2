// Appended: what a record type learnt to keep after records of it had been written. It is the last member of
// a record that is sealed by itself, and stands there only where it says something: a record of before has
// nothing in its place, and decodes. What comes later still is appended inside it. Thread rule: values.
#pragma once

namespace sigillo::appliance {

template <class T>
struct Appended {
  T value{};
  bool operator==(const Appended&) const = default;
};

}  // namespace sigillo::appliance
