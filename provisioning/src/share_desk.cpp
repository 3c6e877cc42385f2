#include "share_desk.hpp"

#include <provisioning/command.hpp>

#include "share_screen.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr unsigned kTriesToType = 3;

std::string_view paper(base::ShareKind kind) {
  return kind == base::ShareKind::authorisation ? "AUTHORISATION SHARE" : "BACKUP SHARE";
}

// One row of a share's text, without blanks.
base::Secret row_of(const base::Share& share, unsigned row) {
  const auto text = share.text();
  base::Secret out(base::kShareRowLength);
  std::size_t size = 0;
  for (const char c :
       text.expose_text().substr((row - 1) * (base::kShareRowLength + 4), base::kShareRowLength + 3)) {
    if (c != ' ') out.writable()[size++] = static_cast<base::Byte>(c);
  }
  return out;
}

// As it would stand in a share: upper case, and nothing between.
base::Secret normalised(const base::Secret& typed) {
  base::Secret out(typed.size());
  std::size_t size = 0;
  for (const char c : typed.expose_text()) {
    if (c == ' ' || c == '-') continue;
    out.writable()[size++] = static_cast<base::Byte>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  }
  return base::Secret(out.expose().first(size));
}

json::object set_facts(const base::ShareSet& of) {
  return {{"kind", base::name(of.kind)},
          {"appliance_mark", of.appliance},
          {"set", of.set},
          {"threshold", of.threshold},
          {"count", of.count}};
}

}  // namespace

// ---- shares go out
// ----------------------------------------------------------------------------------------------------------

base::Result<json::object> ShareDesk::give(const base::SplitPin& split,
                                           const std::vector<std::string>& custodians) {
  const auto& of = split.shares.front().of;
  dialogue_.table("set " + (dialogue_.rehearsal() ? std::string("[5 characters]") : of.set) + ", appliance " +
                  of.appliance + ": every share of it begins alike");
  for (std::size_t i = 0; i < split.shares.size(); ++i) {
    SIGILLO_CHECK(give_share(split.shares[i], custodians[i]));
    SIGILLO_CHECK(note_("given",
                        custodians[i] + " has share " + std::to_string(split.shares[i].number) +
                            (dice_ ? ", and typed a line of it back." : ", and typed it back."),
                        {{"custodian", custodians[i]}, {"share", split.shares[i].number}, {"set", of.set}}));
  }
  return set_facts(of);
}

base::Result<void> ShareDesk::give_share(const base::Share& share, const std::string& custodian) {
  const std::string which = std::to_string(share.number) + " of " + std::to_string(share.of.count);
  SIGILLO_CHECK(dialogue_.wait(custodian + " comes to the terminal alone, for share " + which + '.'));
  const std::string heading = std::string(paper(share.of.kind)) + ' ' + which + ", for " + custodian +
                              " alone\nappliance " + appliance_ + " (" + share.of.appliance + "), set " +
                              share.of.set + ", any " + std::to_string(share.of.threshold) + " of " +
                              std::to_string(share.of.count) +
                              "\nWrite these four lines and the words above on the paper.\n";
  const auto screen = share_screen(share, heading);
  std::vector<unsigned> rows{1, 2, 3, 4};
  static_assert(base::kShareRows == 4);
  if (dice_) rows = {dice_(base::kShareRows)};
  for (;;) {
    SIGILLO_CHECK(dialogue_.show(screen, std::string(paper(share.of.kind)) + ' ' + which + ", for " +
                                             custodian + " alone\nappliance " + appliance_ + " (" +
                                             share.of.appliance + "), set [5 characters], any " +
                                             std::to_string(share.of.threshold) + " of " +
                                             std::to_string(share.of.count) +
                                             "\n[a QR code, and beside it]\n1)  XXXX XXXX XXXX XXXX\n"
                                             "2)  XXXX XXXX XXXX XXXX\n3)  XXXX XXXX XXXX XXXX\n"
                                             "4)  XXXX XXXX XXXX XXXX"));
    SIGILLO_TRY(const bool right, types_back(share, rows));
    if (right) {
      dialogue_.say("Right. The paper goes into the envelope now.");
      return base::ok();
    }
    dialogue_.warn("The paper is not right: the share is shown once more, to be compared line by line.");
  }
}

base::Result<bool> ShareDesk::types_back(const base::Share& share, const std::vector<unsigned>& rows) {
  for (const unsigned row : rows) {
    SIGILLO_TRY(const bool right, types_back(share, row));
    if (!right) return false;
  }
  return true;
}

base::Result<bool> ShareDesk::types_back(const base::Share& share, unsigned row) {
  const auto expected = row_of(share, row);
  for (unsigned tried = 0; tried < kTriesToType; ++tried) {
    const std::string line = "line " + std::to_string(row);
    SIGILLO_TRY(const auto typed,
                dialogue_.ask_secret("Type " + line + " from the paper",
                                     {line + " of the share",
                                      dialogue_.rehearsal() ? std::string(expected.expose_text()) : ""}));
    if (base::constant_time_equal(normalised(typed), expected)) return true;
    const auto fault = base::check_share_row(row, typed);
    dialogue_.warn(fault ? fault->sentence()
                         : "That is a line of another share: take the paper that was just written.");
  }
  return false;
}

// ---- shares come back
// -------------------------------------------------------------------------------------------------------

// Nothing: the custodian goes away without having given one.
base::Result<std::optional<base::Share>> ShareDesk::read_share(unsigned number) {
  base::Secret whole(0);
  for (unsigned row = 1; row <= base::kShareRows;) {
    SIGILLO_TRY(
        const auto typed,
        dialogue_.ask_secret("Share " + std::to_string(number) + ", line " + std::to_string(row), {}));
    if (row == 1 && typed.expose_text() == "stop") return std::optional<base::Share>();
    // A scanner types the whole code at once.
    if (row == 1 && typed.size() > 2 * base::kShareRowLength) {
      auto parsed = base::parse_share(typed);
      if (auto* share = std::get_if<base::Share>(&parsed)) return std::optional(std::move(*share));
      dialogue_.warn(std::get<base::ShareFault>(parsed).sentence());
      continue;
    }
    if (const auto fault = base::check_share_row(row, typed)) {
      dialogue_.warn(fault->sentence());
      continue;
    }
    whole = base::Secret::concat({whole.expose(), typed.expose()});
    ++row;
  }
  auto parsed = base::parse_share(whole);
  if (auto* share = std::get_if<base::Share>(&parsed)) return std::optional(std::move(*share));
  dialogue_.warn(std::get<base::ShareFault>(parsed).sentence());
  return std::optional<base::Share>();
}

base::Result<GatheredPin> ShareDesk::gather(base::ShareKind kind, const std::string& set, unsigned threshold,
                                            const std::string& why) {
  dialogue_.say(why + " Each types the four lines of their " + std::string(base::name(kind)) +
                " (blanks and case do not matter), or scans its code. \"stop\" ends it.");
  base::ShareCollector collector(appliance_, set, kind);
  base::ShareSet of;
  // Of a set that nobody has named, the first share says how many are wanted.
  const auto wanted = [&] { return threshold != 0 ? threshold : collector.needed(); };
  while (collector.have() == 0 || collector.have() < wanted()) {
    SIGILLO_TRY(auto share, read_share(collector.have() + 1));
    if (!share) {
      const std::string have = wanted() == 0 ? "Have no share yet"
                                             : "Have " + std::to_string(collector.have()) + " of " +
                                                   std::to_string(wanted()) + " shares";
      SIGILLO_TRY(const bool more,
                  dialogue_.confirm(have + "; fewer open nothing. Does another custodian come?"));
      if (!more) return base::Error(Errc::ceremony, "there were not enough shares to go on");
      continue;
    }
    const auto copy = base::Share{share->of, share->number, {}};
    const auto verdict = collector.add(std::move(*share));
    const std::string said = base::ShareCollector::sentence(verdict, copy);
    const bool good =
        verdict == base::ShareCollector::Verdict::taken || verdict == base::ShareCollector::Verdict::enough;
    if (good) of = copy.of;
    good ? dialogue_.say(said) : dialogue_.warn(said);
    SIGILLO_CHECK(note_(good ? "used" : "refused", said, {}));
  }
  auto pin = collector.pin();
  if (!pin) {
    SIGILLO_CHECK(note_("refused", "The shares do not fit together: one of them was altered.", {}));
    dialogue_.warn(
        "The shares do not fit together: one of them was altered, check characters and all. Find out whose, "
        "with other custodians.");
    return base::Error(Errc::ceremony, "the shares do not fit together");
  }
  return GatheredPin{std::move(of), std::move(*pin)};
}

}  // namespace sigillo::provisioning
