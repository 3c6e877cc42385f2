// Channels: who may call and who may receive. Each act is durable first and in the registry then, which the
// next request on an open connection asks.
#include <algorithm>

#include "actions.hpp"
#include "certificates.hpp"

namespace sigillo::appliance {
namespace {

namespace json = boost::json;

constexpr const char* kAgain = "Nothing was changed. Correct that, and run it again.";
constexpr std::int64_t kDaysMax = 825, kDaysDefault = 397;
constexpr std::int64_t kOverlapMax = 90 * 86'400, kOverlapDefault = 7 * 86'400;
constexpr std::size_t kOwnerMax = 64;
constexpr std::size_t kFormerKeysMax = 1000;  // 32 bytes each, in a record that every change seals anew

// Attack: (1) renew a courier twice, (2) enrol its first key, which somebody may still hold, for another
// courier. So no key is forgotten. False: there are too many.
bool take_key(Channel& channel, const base::Digest& key, base::Instant overlap_ends) {
  if (key == channel.certificate_key) return true;
  if (channel.former) channel.former_keys.push_back(channel.former->certificate_key);
  channel.former = {channel.certificate_key, overlap_ends, channel.ca_version};
  channel.certificate_key = key;
  std::erase(channel.former_keys, key);  // its own, come back
  return channel.former_keys.size() <= kFormerKeysMax;
}

json::object shown(const Channel& channel, base::Instant now) {
  json::object out{{"channel", channel.label()},
                   {"role", name(channel.role)},
                   {"name", channel.name},
                   {"status", name(channel.status)},
                   {"owner", channel.owner},
                   {"certificate_key", base::to_hex(channel.certificate_key)},
                   {"ca", "sigillo.ca-v" + std::to_string(channel.ca_version)}};
  if (channel.certificate_expires.ms != 0)
    out["certificate_expires_at"] = base::to_rfc3339(channel.certificate_expires);
  if (channel.former && now < channel.former->until)
    out["former"] = {{"certificate_key", base::to_hex(channel.former->certificate_key)},
                     {"until", base::to_rfc3339(channel.former->until)}};
  if (const auto key = base::EcPublicKey::from_jwk(channel.delivery_jwk)) out["delivery_kid"] = key->kid();
  return out;
}

// Durable, then seen. The whole set is checked with the change in it.
std::optional<ActionFailure> put(ActionCall& call, const Channel& channel, EventKind kind,
                                 std::string reference) {
  auto& parts = call.parts();
  auto all = parts.channels.all();
  const auto same = [&](const Channel& one) { return one.label() == channel.label(); };
  std::erase_if(all, same);
  all.push_back(channel);
  // Attack: (1) have a second courier enrolled with a key or under an owner that has one already, (2) read
  // both halves. What would make that possible is refused whatever the officers signed.
  if (const auto checked = check_channels(all); !checked)
    return refused(std::string("Refused: ") + checked.error().detail() + '.',
                   "Nothing was changed. Each courier and desk has keys and an owner of its own.");
  auto event = call.event(kind);
  event.reference = std::move(reference);
  sealed_store::Changes changes;
  changes.events.push_back(std::move(event));
  changes.puts.push_back(call.context().put(Table::channel, channel_id(channel.role, channel.name),
                                            to_record(channel), Queue::channel));
  const auto committed = base::sync_wait(parts.store->commit(std::move(changes)));
  if (!committed) return failed(committed.error(), "The channel could not be written", kAgain);
  parts.channels.set(std::move(all));
  return std::nullopt;
}

std::string reference_of(const Channel& channel) {
  return channel.label() + ' ' + base::to_hex(channel.certificate_key).substr(0, 32);
}

struct Named {
  Role role;
  std::string name;
};
std::optional<Named> named(const json::object& parameters) {
  const auto role_text = text_of(parameters, "role");
  const auto name_text = text_of(parameters, "name");
  const auto role = role_text ? parse_role(*role_text) : std::nullopt;
  if (!role || !name_text || !parse_channel_uri(channel_uri(*role, *name_text))) return std::nullopt;
  return Named{*role, *name_text};
}

std::optional<Channel> find(ActionCall& call, const Named& who) {
  for (auto& channel : call.parts().channels.all()) {
    if (channel.role == who.role && channel.name == who.name) return std::move(channel);
  }
  return std::nullopt;
}

std::string advice_of_names() {
  return "Nothing was changed. A role is one of portal, contact-centre, branch, back-office, courier-sms, "
         "courier-email, courier-pec, courier-post, auditor; a name has 1 to 48 of a to z, 0 to 9 and "
         "hyphen.";
}

// A number of the parameters within its bounds, or the default; nothing where it is out of them.
std::optional<std::int64_t> bounded(const json::object& parameters, std::string_view member,
                                    std::int64_t otherwise, std::int64_t least, std::int64_t most) {
  if (!parameters.contains(member)) return otherwise;
  const auto number = number_of(parameters, member);
  if (!number || *number < least || *number > most) return std::nullopt;
  return number;
}

ActionOutcome set_status(ActionCall& call, ChannelStatus to, EventKind kind) {
  if (!only(call.parameters, {"role", "name"}))
    return invalid("A channel is named by \"role\" and \"name\".");
  const auto who = named(call.parameters);
  if (!who) return invalid("That is no role and name of a channel.", advice_of_names());
  auto channel = find(call, *who);
  if (!channel) return invalid("There is no channel " + channel_uri(who->role, who->name) + '.');
  if (channel->status == to) return invalid(channel->label() + " is " + std::string(name(to)) + " already.");
  if (channel->status == ChannelStatus::revoked)
    return invalid(channel->label() + " is revoked, for good.",
                   "Nothing was changed. Enrol a channel of another name, with new keys.");
  channel->status = to;
  if (auto failure = put(call, *channel, kind, channel->label())) return std::move(*failure);
  return shown(*channel, call.context().now());
}

}  // namespace

ActionOutcome channels_list(ActionCall& call) {
  if (!only(call.parameters, {})) return invalid("Listing channels takes nothing.");
  auto all = call.parts().channels.all();
  std::ranges::sort(all, {}, &Channel::label);
  json::array list;
  for (const auto& channel : all) list.push_back(shown(channel, call.context().now()));
  return json::object{{"channels", std::move(list)}};
}

ActionOutcome channels_enrol(ActionCall& call) {
  const auto& given = call.parameters;
  if (!only(given, {"role", "name", "owner", "csr", "delivery_jwk", "days"}))
    return invalid(
        "A channel is enrolled by \"role\", \"name\", \"owner\", \"csr\", \"delivery_jwk\" and \"days\".");
  const auto who = named(given);
  if (!who) return invalid("That is no role and name of a channel.", advice_of_names());
  const auto owner = text_of(given, "owner"), csr = text_of(given, "csr");
  const auto jwk = text_of(given, "delivery_jwk");
  const auto days = bounded(given, "days", kDaysDefault, 1, kDaysMax);
  if (!owner || owner->empty() || owner->size() > kOwnerMax || !csr || !days)
    return invalid("An owner (1 to 64 characters), a certificate request and 1 to 825 days are needed.");
  if (opens_deliveries(who->role) != jwk.has_value())
    return invalid(jwk ? "This role opens no deliveries: it takes no delivery key."
                       : "This role opens deliveries: it takes a delivery key.");
  if (find(call, *who))
    return invalid("There is a channel " + std::string(name(who->role)) + ':' + who->name + " already.",
                   "Nothing was changed. Renew that one, or take another name.");
  auto key = key_of_request(*csr);
  if (!key) return failed(key.error(), "The request is refused", kAgain);
  const auto now = call.context().now();
  auto issued = issue_for(work_of(call), who->role, who->name, **key, base::days(*days), call.clock.now());
  if (!issued) return failed(issued.error(), "The certificate could not be issued", kAgain);
  Channel channel;
  channel.role = who->role;
  channel.name = who->name;
  channel.owner = *owner;
  channel.certificate_key = issued->key;
  channel.certificate_expires = issued->expires;
  channel.ca_version = issued->ca_version;
  channel.delivery_jwk = jwk.value_or("");
  if (courier_medium(who->role)) {
    const auto outbox = next_outbox(call.parts().channels.all(), who->role);
    if (!outbox)
      return refused("There have been too many couriers.", "Nothing was changed. Renew one that is there.");
    channel.outbox = *outbox;
  }
  if (auto failure = put(call, channel, EventKind::channel_enrolled, reference_of(channel)))
    return std::move(*failure);
  auto out = shown(channel, now);
  out["certificate"] = issued->pem;
  return out;
}

ActionOutcome channels_renew(ActionCall& call) {
  const auto& given = call.parameters;
  if (!only(given, {"role", "name", "csr", "delivery_jwk", "days", "overlap_s"}))
    return invalid(
        "A channel is renewed by \"role\", \"name\", \"csr\", \"delivery_jwk\", \"days\" and \"overlap_s\".");
  const auto who = named(given);
  if (!who) return invalid("That is no role and name of a channel.", advice_of_names());
  auto channel = find(call, *who);
  if (!channel || channel->status == ChannelStatus::revoked)
    return invalid("There is no channel of that role and name, or it is revoked.");
  const auto csr = text_of(given, "csr"), jwk = text_of(given, "delivery_jwk");
  const auto days = bounded(given, "days", kDaysDefault, 1, kDaysMax);
  const auto overlap = bounded(given, "overlap_s", kOverlapDefault, 0, kOverlapMax);
  if (!days || !overlap || (!csr && !jwk))
    return invalid(
        "A renewal takes a certificate request, a delivery key, or both; 1 to 825 days; an overlap of at "
        "most 90 days.");
  if (jwk && !opens_deliveries(channel->role))
    return invalid("This role opens no deliveries: it takes no delivery key.");
  const auto now = call.context().now();
  std::string pem;
  if (csr) {
    auto key = key_of_request(*csr);
    if (!key) return failed(key.error(), "The request is refused", kAgain);
    auto issued = issue_for(work_of(call), who->role, who->name, **key, base::days(*days), call.clock.now());
    if (!issued) return failed(issued.error(), "The certificate could not be issued", kAgain);
    if (!take_key(*channel, issued->key, now + base::seconds(*overlap)))
      return refused(channel->label() + " has had too many keys.",
                     "Nothing was changed. Enrol a channel of another name, and revoke this one.");
    channel->certificate_expires = issued->expires;
    channel->ca_version = issued->ca_version;
    pem = std::move(issued->pem);
  }
  if (jwk) {
    channel->former_delivery.push_back(channel->delivery_jwk);
    channel->delivery_jwk = *jwk;
  }
  if (auto failure = put(call, *channel, EventKind::channel_renewed, reference_of(*channel)))
    return std::move(*failure);
  auto out = shown(*channel, now);
  if (!pem.empty()) out["certificate"] = pem;
  return out;
}

ActionOutcome channels_suspend(ActionCall& call) {
  return set_status(call, ChannelStatus::suspended, EventKind::channel_suspended);
}
ActionOutcome channels_resume(ActionCall& call) {
  return set_status(call, ChannelStatus::active, EventKind::channel_resumed);
}
// What was sealed to a courier that is revoked is opened by nobody: who signed is told how much that is, as
// it was a moment before, for from then on the sweep ends it.
ActionOutcome channels_revoke(ActionCall& call) {
  std::optional<std::size_t> lost;
  if (const auto who = named(call.parameters); who && courier_medium(who->role)) {
    if (const auto courier = find(call, *who)) {
      const auto waiting = call.context().store.members(static_cast<std::uint8_t>(outbox_of(*courier)));
      if (waiting) lost = waiting->size();
    }
  }
  auto done = set_status(call, ChannelStatus::revoked, EventKind::channel_revoked);
  auto* out = std::get_if<json::object>(&done);
  if (out != nullptr && lost) (*out)["lost_deliveries"] = *lost;
  return done;
}

}  // namespace sigillo::appliance
