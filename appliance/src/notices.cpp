#include "notices.hpp"

#include <base/log.hpp>

namespace sigillo::appliance {
namespace {

constexpr base::Duration kNoticeValidity = base::days(30);

// Not under the subject's turn, which its requests wait for. Attack: (1) guess until a name is locked, (2)
// guess once more at once: of one that exists the notice would be waited for, its seals and its commit; of
// another there is none. So an erasure may come in between, and see nothing of it, at any time from its look
// at the couriers' queues to its commit: after the turn that it holds all that time, the notice goes. That
// turn is this one's for a single look, when everything is written.
base::Task<bool> notify(const Context& context, SubjectIndex subject, NoticeEvent event) {
  co_await context.dispatcher.hop();
  const auto record = context.load_subject(subject);
  if (!record) {
    base::log::error("notice-lost", record.error());
    co_return false;
  }
  sealed_store::Changes changes;
  add_notices(context, changes, record->contacts, subject, record->hint, event, context.now());
  if (changes.puts.empty()) co_return true;
  sealed_store::Changes taken_back;
  for (const auto& put : changes.puts) taken_back.erases.push_back(put.key);
  const auto committed = co_await context.store.commit(std::move(changes));
  if (!committed) base::log::error("notice-lost", committed.error());
  if (!committed) co_return false;
  co_await context.dispatcher.hop();
  const auto turn = co_await context.queue.enter(subject);
  const auto after = context.load_subject(subject);
  if (!after || !plain(after->contacts).empty()) co_return true;
  co_return static_cast<bool>(co_await context.store.commit(std::move(taken_back)));
}

}  // namespace

void add_notices(const Context& context, sealed_store::Changes& changes, const RegisteredContacts& before,
                 const SubjectIndex& subject, const std::string& hint, NoticeEvent event, base::Instant now) {
  const Contacts contacts = plain(before);
  bool sent = false;
  for (const Medium medium : {Medium::sms, Medium::email, Medium::pec, Medium::post}) {
    if (medium == Medium::post && sent) break;
    auto to = destination(medium, contacts);
    if (!to) continue;
    const Parcel parcel{MessageKind::notice,   std::move(*to), subject, hint, nullptr, {},
                        now + kNoticeValidity, event};
    if (std::holds_alternative<Id>(post(context, changes, parcel, now))) {
      sent = true;
    } else {
      base::log::warn("notice-without-courier", {{"medium", name(medium)}});
    }
  }
}

void send_notices_later(const Context& context, const SubjectIndex& subject, NoticeEvent event) {
  context.background(notify(context, subject, event));
}

}  // namespace sigillo::appliance
