// Assembly::Parts: what an opened appliance is put together from, for the assembly itself and for officers'
// actions, which change what is in it (keys, channels) while it serves. In the order of building; destruction
// is the reverse: housekeeping stops, calls end, the store closes with its last anchor, the HSM's workers
// and the deciders join, the token logs out. Thread rule: each member by its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <appliance/assembly.hpp>
#include <hsm/evp_key.hpp>
#include <sealed_store/reopenable_store.hpp>
#include <sealed_store/sqlcipher_store.hpp>

#include "anchor.hpp"
#include "engine.hpp"
#include "housekeeping.hpp"
#include "key_uses.hpp"
#include "ledger_keeper.hpp"
#include "resealer.hpp"
#include "runs.hpp"

namespace sigillo::appliance {

struct Assembly::Parts {
  Config config;
  std::unique_ptr<hsm::Token> token;
  std::unique_ptr<Anchor> anchor;
  std::unique_ptr<TimedAnchor> timed_anchor;
  std::shared_ptr<Figures> figures = std::make_shared<Figures>();
  std::unique_ptr<MeteredWitness> witness;
  std::unique_ptr<sealed_store::HeadWitness> detached;  // of a candidate, in place of the three above
  std::unique_ptr<hsm::Dispatcher> dispatcher;
  std::unique_ptr<sealed_store::ReopenableStore> store;
  KeyRegister registered;
  KeyRing ring;
  std::unique_ptr<Verifier> verifier;
  std::unique_ptr<Messages> messages;
  ChannelRegistry channels;
  std::unique_ptr<SubjectQueue> queue;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Runs> runs;
  std::unique_ptr<KeyUses> key_uses;
  std::unique_ptr<Housekeeping> housekeeping;
  std::unique_ptr<Segments> segments;
  std::unique_ptr<LedgerKeeper> ledger_keeper;
  std::unique_ptr<Resealer> resealer;
  std::string appliance_id;
  std::vector<std::string> holds;  // why it must not answer channels yet, though it is open to officers

  const Context& context() const { return engine->context(); }
};

sealed_store::StoreOptions options_of(const Config& config);
// The file's keys under a version of the store key.
base::Result<sealed_store::StoreKeys> store_keys(hsm::Token& token, std::uint16_t version);
// The version of the store key that opens the file, whatever the register says of it.
base::Result<std::uint16_t> store_version_of(hsm::Token& token, const KeyRegister& keys,
                                             const std::string& path);

// Why a start did not get through its own commits. The HSM went away in the middle: no fault of the store's,
// and it comes back by itself.
base::Error hsm_or_store(const base::Error& error);

}  // namespace sigillo::appliance
