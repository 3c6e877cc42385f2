// The contacts of a subject as its record keeps them: since when each is there, and whether it was confirmed.
// Thread rule: values.
#pragma once

#include <optional>
#include <string>

#include <appliance/contacts.hpp>
#include <base/clock.hpp>

namespace sigillo::appliance {

template <class T>
struct Registered {
  T value{};
  base::Instant since{};
  bool confirmed = false;
  bool counts(base::Instant now, base::Duration quarantine) const {
    return confirmed || now >= since + quarantine;
  }
  template <class V>
  void fields(V&& v) {
    v(value, since, confirmed);
  }
};

struct StoredAddress : PostalAddress {
  template <class V>
  void fields(V&& v) {
    v(name, street, postcode, city, province, country);
  }
};
struct RegisteredContacts {
  std::optional<Registered<std::string>> mobile, email, pec, phone;
  std::optional<Registered<StoredAddress>> postal;
  template <class V>
  void fields(V&& v) {
    v(mobile, email, pec, phone, postal);
  }
};

}  // namespace sigillo::appliance
