#include <appliance/records.hpp>

namespace sigillo::appliance {

std::string to_text(const Id& id) {
  return base::to_base64url(id);
}

std::optional<Id> parse_id(std::string_view text) {
  const auto bytes = base::from_base64url(text);
  if (!bytes || bytes->size() != std::tuple_size_v<Id>) return std::nullopt;
  Id id;
  std::copy(bytes->begin(), bytes->end(), id.begin());
  return id;
}

Id random_id() {
  Id id;
  base::random_bytes(id);
  return id;
}

sealed_store::RecordKey record_key(Table table, const Id& id) {
  return {static_cast<std::uint8_t>(table), id};
}

// Two subjects that share a moment only see each other's records as hints.
base::Instant held_at(const SubjectIndex& subject) {
  return {static_cast<std::int64_t>(base::read_be<std::uint64_t>(subject) >> 1)};
}

State state_of(const SubjectRecord& record, base::Instant now) {
  struct Of {
    base::Instant now;
    State operator()(const NoCredential&) const { return State::none; }
    State operator()(const Provisional& p) const {
      return now < p.expires ? State::provisional : State::lapsed;
    }
    State operator()(const Definitive& d) const { return now < d.expires ? State::active : State::expired; }
    State operator()(const Blocked&) const { return State::blocked; }
    State operator()(const Revoked&) const { return State::revoked; }
  };
  return std::visit(Of{now}, record.state);
}

bool is_live(State state) {
  switch (state) {
    case State::provisional:
    case State::active:
    case State::expired:
    case State::blocked:
      return true;
    case State::none:
    case State::lapsed:
    case State::revoked:
      return false;
  }
  std::abort();
}

}  // namespace sigillo::appliance
