// OpenAct: that an act is being carried out: kept from the commit that writes the act down to the one that
// writes its end. What a start, or the next act, finds of it is an act that was interrupted: it is closed in
// the ledger with what is there of it, on the token and in the store, and not with what was meant. Thread
// rule: values; read and written under the turn of the one act that there is.
#pragma once

#include <optional>
#include <string>

#include "action.hpp"

namespace sigillo::appliance {

struct OpenActRecord {
  std::string digest, action, officers;
  std::string about;        // the use or the key of an act on keys
  std::string before;       // what was active of that use; nothing where it was none
  std::uint64_t after = 0;  // entries of the act come after this one
  std::uint64_t base = 0;   // of the ledger
  template <class V>
  void fields(V&& v) {
    v(digest, action, officers, about, before, after, base);
  }
};

OpenActRecord open_act(const ActionCall& call, const Act& act);
// The entry that closes what was left open; nothing where nothing was. The record is the caller's to erase,
// in the same commit.
base::Result<std::optional<sealed_store::Event>> close_interrupted(const Assembly::Parts& parts);

}  // namespace sigillo::appliance
