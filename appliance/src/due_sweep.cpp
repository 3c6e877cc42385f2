#include "due_sweep.hpp"

#include <base/log.hpp>

#include <list>

#include "ops.hpp"

namespace sigillo::appliance {
namespace {

constexpr std::size_t kPage = 200;
// Whoever holds the turns of several waits for others who wait for it; a key in flight waits for nobody.
constexpr std::size_t kUnderTurns = 1;
constexpr std::size_t kWithoutTurns = 200;
constexpr base::Duration kAgain = base::seconds(60);  // what could not be read

}  // namespace

struct DueSweep::Taking {
  sealed_store::Changes changes;
  std::vector<SubjectQueue::Turn> turns;
  std::list<idempotency::KeyHeld> keys;
};

// One due record of each kind. All re-read under the turn that owns the record.
struct DueSweep::Takes {
  using Taken = base::Task<base::Result<void>>;

  static Taken answer(Engine& engine, Id id, Taking& to) {
    const auto& context = engine.context();
    if (!to.keys.emplace_back(engine.keys_in_flight(), std::vector{id}).held()) co_return base::ok();
    SIGILLO_CO_TRY(auto kept, context.load<IdempotencyRecord>(Table::idempotency, id));
    if (kept && context.now() >= kept->at + idempotency::kKept) {
      to.changes.erases.push_back(record_key(Table::idempotency, id));
    } else if (kept && kept->secret && !kept->sealed.empty()) {
      kept->sealed.clear();
      to.changes.puts.push_back(
          context.put(Table::idempotency, id, *kept, Queue::idempotency, kept->at + idempotency::kKept));
    }
    co_return base::ok();
  }

  static Taken link(Engine& engine, Id id, Taking& to) {
    const auto& context = engine.context();
    SIGILLO_CO_TRY(const auto found, context.load<LinkRecord>(Table::link, id));
    if (!found) co_return base::ok();
    auto turn = co_await context.queue.enter(found->subject);
    to.turns.push_back(std::move(turn));
    to.changes.erases.push_back(record_key(Table::link, id));
    const sealed_store::GuardKey key{id, static_cast<std::uint8_t>(guard::Counter::link)};
    if (context.store.guard(key).total() == 0) co_return base::ok();
    to.changes.events.push_back(count_ended(key, sealed_store::GuardValue{}, context.now()));
    co_return base::ok();
  }

  // A credential that lapsed: its verifiers are of no use to anybody any more, so they go.
  static Taken verifiers(Engine& engine, SubjectIndex index, Taking& to) {
    const auto& context = engine.context();
    auto turn = co_await context.queue.enter(index);
    to.turns.push_back(std::move(turn));
    SIGILLO_CO_TRY(auto record, context.load_subject(index));
    if (state_of(record, context.now()) != State::lapsed) co_return base::ok();
    auto& lapsed = std::get<Provisional>(record.state);
    lapsed.first.reset();
    lapsed.second.reset();
    to.changes.puts.push_back(context.put(Table::subject, index, record));
    co_return base::ok();
  }

  static Taken contact_use(Engine& engine, Id contact, Taking& to) {
    const auto& context = engine.context();
    auto turn = co_await context.queue.enter(contact);
    to.turns.push_back(std::move(turn));
    // Attack: (1) give a contact for five subjects, (2) give it for a sixth in the moment in which it falls
    // due: with that use, those that count would be gone as well, and no alarm be raised.
    SIGILLO_CO_TRY(const auto found, context.load<ContactUse>(Table::contact_use, contact));
    const auto counts = [&](const ContactUse::Use& one) { return context.now() < one.at + kContactWindow; };
    if (found && std::ranges::none_of(found->uses, counts))
      to.changes.erases.push_back(record_key(Table::contact_use, contact));
    co_return base::ok();
  }

  static Taken outcome(Engine&, Id id, Taking& to) {
    to.changes.erases.push_back(record_key(Table::delivery, id));
    co_return base::ok();
  }
};

DueSweep::DueSweep(Engine& engine)
    : engine_(engine),
      lines_{{{Queue::idempotency, Takes::answer, kWithoutTurns},
              {Queue::link, Takes::link, kUnderTurns},
              {Queue::subject, Takes::verifiers, kUnderTurns},
              {Queue::contact_use, Takes::contact_use, kUnderTurns},
              {Queue::delivery, Takes::outcome, kWithoutTurns}}} {}

bool DueSweep::step(std::chrono::steady_clock::duration time) {
  const auto until = std::chrono::steady_clock::now() + time;
  const auto now = engine_.context().now();
  const bool set_back = now < std::exchange(looked_, now);  // and what came since stands before `passed`
  for (auto& line : lines_) {
    if (set_back || now >= line.again) {
      line.passed.reset();
      line.again = kNever;
    }
    if (!sweep(line, until)) return false;
  }
  return true;
}

bool DueSweep::sweep(Line& line, std::chrono::steady_clock::time_point until) {
  const auto& context = engine_.context();
  auto passed = line.passed;
  for (bool more = true; more; more = more && std::chrono::steady_clock::now() < until) {
    const auto due = context.store.due(static_cast<std::uint8_t>(line.queue), context.now(), kPage, passed);
    if (!due) return of_one_part(due.error());
    for (Due rest(*due); !rest.empty();) {
      const auto next = rest.first(std::min(line.at_once, rest.size()));
      if (!sweep(line, next)) return false;
      rest = rest.subspan(next.size());
    }
    if (!due->empty()) passed = due->back();
    more = due->size() == kPage;
  }
  if (line.again != kNever) line.passed = passed;
  return true;
}

// Where one of several cannot be read or erased, none is: then each goes by itself.
bool DueSweep::sweep(Line& line, Due due) {
  const auto swept = base::sync_wait(commit(line, due));
  if (swept) return true;
  if (!of_one_part(swept.error())) {
    base::log::error("housekeeping-failed", swept.error());
    return false;
  }
  if (due.size() > 1)
    return std::ranges::all_of(due, [&](const auto& one) { return sweep(line, Due(&one, 1)); });
  const auto& context = engine_.context();
  context.figures->unreadable(due.front().key, swept.error());
  line.again = std::min(line.again, context.now() + kAgain);
  return true;
}

base::Task<base::Result<void>> DueSweep::commit(const Line& line, Due due) {
  Taking taking;
  for (const auto& one : due) SIGILLO_CO_CHECK(co_await line.take(engine_, one.key.id, taking));
  auto& changes = taking.changes;
  if (changes.puts.empty() && changes.erases.empty()) co_return base::ok();
  changes.witnessed = false;
  const auto committed = co_await engine_.context().store.commit(std::move(changes));
  if (!committed) co_return committed.error();
  co_return base::ok();
}

}  // namespace sigillo::appliance
