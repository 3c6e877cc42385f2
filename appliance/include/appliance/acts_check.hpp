// ActsCheck: the officers' side of a ledger, checked entry by entry from what the ledger itself has: who was
// enrolled with which key, from the founding on, and who signed what. Attack it stops: whoever has the store
// and the ledger's key writes acts that nobody signed. Owned by ExportCheck, which has checked the chain.
// Thread rule: one thread. Never: reads a text of an act but where an auditor gives it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <appliance/officers.hpp>
#include <base/jwe.hpp>
#include <sealed_store/values.hpp>

namespace sigillo::appliance {

class ActsCheck {
 public:
  // A ledger that does not begin with its first entry has officers that nobody here knows: acts of theirs are
  // counted as unchecked.
  void begin(bool with_first_entry) { from_first_ = with_first_entry; }
  // Nothing, or a sentence that names what does not hold.
  std::optional<std::string> take(const sealed_store::LedgerEntry& entry);
  // At the last entry: an act whose signatures are not there.
  std::optional<std::string> end() const;

  std::uint64_t held() const { return held_; }
  std::uint64_t unchecked() const { return unchecked_; }
  // Whether an act with this text is in it.
  bool has(std::string_view act_text) const;

 private:
  struct Officer {
    std::optional<base::EcPublicKey> key;  // nothing: enrolled when the ledger had thumbprints only
    OfficerStatus status = OfficerStatus::active;
  };
  struct OpenAct {
    std::string digest, operators;
    std::vector<std::string> to_sign;  // who has not, in the order of the act
    std::size_t signed_by = 0;
    bool unchecked = false;
  };

  std::optional<std::string> begin_act(const sealed_store::Event& event);
  std::optional<std::string> signature(const sealed_store::Event& event);
  std::optional<std::string> effect(const sealed_store::Event& event);
  std::optional<std::string> officer(const sealed_store::Event& event);
  std::optional<std::string> verify(const sealed_store::Event& event);
  void end_act(const sealed_store::Event& event);

  bool from_first_ = true;
  bool founded_ = false;
  std::map<std::string, Officer> officers_;
  std::optional<OpenAct> act_;
  std::set<std::string> digests_;
  std::uint64_t held_ = 0, unchecked_ = 0;
};

}  // namespace sigillo::appliance
