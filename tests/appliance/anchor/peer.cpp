// A process with a token of its own, told line by line what to do: tests/appliance/anchor/processes_test.cpp
// has two of them on one SoftHSM2. Each line is answered by one. `die N before|after`: the N-th call to the
// token from then on is the process's last, without its effect or with it.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <map>
#include <sstream>

#include <support/softhsm_fixture.hpp>

#include "anchor.hpp"

namespace sigillo::appliance {
namespace {

class MortalToken final : public hsm::Token {
 public:
  explicit MortalToken(hsm::Token& behind) : behind_(behind) {}
  void die(int calls, bool after) { left_ = calls, after_ = after; }

  base::Result<void> random(std::span<base::Byte> out) override { return behind_.random(out); }
  base::Result<base::Digest> hmac(hsm::KeyRef key, base::ByteView message) override {
    return behind_.hmac(key, message);
  }
  base::Result<base::Bytes> sign(hsm::KeyRef key, base::ByteView digest) override {
    return behind_.sign(key, digest);
  }
  base::Result<base::Bytes> public_key(hsm::KeyRef key) override { return behind_.public_key(key); }
  base::Result<hsm::KeyRef> find_key(const hsm::KeyId& id) override { return behind_.find_key(id); }
  base::Result<std::vector<hsm::KeyInfo>> list_keys() override { return behind_.list_keys(); }
  base::Result<hsm::KeyRef> generate_key(const hsm::KeyId& id, hsm::KeyType type) override {
    return behind_.generate_key(id, type);
  }
  base::Result<void> destroy_key(const hsm::KeyId& id) override { return behind_.destroy_key(id); }
  base::Result<hsm::DataHandle> create_data(const std::string& label, base::ByteView value) override {
    const Mortal call(*this);
    return behind_.create_data(label, value);
  }
  base::Result<std::vector<hsm::DataObject>> list_data(const std::string& label) override {
    const Mortal call(*this);
    return behind_.list_data(label);
  }
  base::Result<void> destroy_data(hsm::DataHandle handle) override {
    const Mortal call(*this);
    return behind_.destroy_data(handle);
  }
  base::Result<std::vector<hsm::DataObject>> list_data_anew(const std::string& label) override {
    const Mortal call(*this);
    return behind_.list_data_anew(label);
  }
  base::Result<hsm::DataHandle> create_rewritable_data(const std::string& label,
                                                       base::ByteView value) override {
    const Mortal call(*this);
    return behind_.create_rewritable_data(label, value);
  }
  base::Result<void> rewrite_data(hsm::DataHandle handle, base::ByteView value) override {
    const Mortal call(*this);
    return behind_.rewrite_data(handle, value);
  }
  base::Result<base::Bytes> read_data(hsm::DataHandle handle) override {
    const Mortal call(*this);
    return behind_.read_data(handle);
  }
  base::Result<void> self_test() override { return behind_.self_test(); }
  std::size_t parallelism() const override { return behind_.parallelism(); }

 private:
  struct Mortal {
    explicit Mortal(MortalToken& token) : last(token.left_ > 0 && --token.left_ == 0), after(token.after_) {
      if (last && !after) ::_exit(9);
    }
    ~Mortal() {
      if (last) ::_exit(9);
    }
    const bool last, after;
  };
  hsm::Token& behind_;
  int left_ = 0;
  bool after_ = false;
};

// A ledger is known by its first letter: two copies that go on from one head have different hashes.
sealed_store::Head head_of(const std::string& branch, std::uint64_t seq) {
  return {1, seq, base::sha256({base::view(branch + std::to_string(seq))}), {}};
}

template <class T>
std::string said(const base::Result<T>& result) {
  if (result) return "ok";
  return result.error().is(sealed_store::Errc::fenced) ? "fenced"
                                                       : "error " + std::to_string(result.error().number());
}

class Peer {
 public:
  std::string obey(const std::string& line) {
    std::istringstream words(line);
    std::string verb, name;
    std::uint64_t seq = 0;
    words >> verb;
    if (verb == "die") {
      int calls = 0;
      words >> calls >> name;
      token_.die(calls, name == "after");
      return "ok";
    }
    if (verb == "recorded") return recorded();
    if (verb == "check") return said(anchor_->check());
    if (verb == "takeover" || verb == "record") {
      words >> name >> seq;
      const auto head = head_of(name, seq);
      return said(verb == "record" ? anchor_->record(head) : anchor_->take_over(head));
    }
    if (verb == "records") return records(words);
    return objects(verb, words);
  }

 private:
  std::string recorded() {
    anchor_ = std::make_unique<Anchor>(token_, 1, Anchor::Use::founding);
    const auto found = anchor_->recorded();
    if (!found) return said(found);
    return *found ? std::to_string((*found)->seq) : "none";
  }
  // From the one after `seq` on, until one is not recorded: gives the last that was.
  std::string records(std::istringstream& words) {
    std::string branch;
    std::uint64_t seq = 0, count = 0;
    words >> branch >> seq >> count;
    for (const auto end = seq + count; seq < end; ++seq) {
      const auto done = anchor_->record(head_of(branch, seq + 1));
      if (!done) return std::to_string(seq) + " " + said(done);
    }
    return std::to_string(seq);
  }
  std::string objects(const std::string& verb, std::istringstream& words) {
    std::string value;
    words >> value;
    if (verb == "create") {
      const auto made = token_.create_data("sigillo.peers", base::view(value));
      if (made) handles_[value] = *made;
      return said(made);
    }
    if (verb == "cell") {
      const auto made = token_.create_rewritable_data("sigillo.peers", base::view(value));
      if (made) handles_[value] = *made;
      return said(made);
    }
    if (verb == "write") {  // write NAME VALUE: the object that was called NAME when it was made or listed
      std::string text;
      words >> text;
      return said(token_.rewrite_data(handles_[value], base::view(text)));
    }
    if (verb == "read") {
      const auto read = token_.read_data(handles_[value]);
      return read ? std::string(base::text(*read)) : said(read);
    }
    if (verb == "destroy") return said(token_.destroy_data(handles_[value]));
    const auto listed =
        verb == "anew" ? token_.list_data_anew("sigillo.peers") : token_.list_data("sigillo.peers");
    if (!listed) return said(listed);
    std::string out = "listed";
    for (const auto& object : *listed) {
      const std::string text(base::text(object.value));
      handles_[text] = object.handle;
      out += " " + text;
    }
    return out;
  }

  static hsm::TokenOptions options() {
    hsm::TokenOptions out;
    out.module = testing::softhsm_module();
    out.token_label = testing::kTokenLabel;
    return out;
  }
  // Two that open a SoftHSM2 token in the same instant sometimes meet a file that is half written: a start
  // that fails, and is made again.
  static std::unique_ptr<hsm::Pkcs11Token> open() {
    for (int tries = 1;; ++tries) {
      auto opened = hsm::Pkcs11Token::open(options(), testing::user_pin());
      if (opened) return std::move(*opened);
      if (tries < 500) continue;
      std::fprintf(stderr, "not opened: %u, 0x%lx, %s\n", static_cast<unsigned>(opened.error().number()),
                   opened.error().raw(), opened.error().detail());
      std::abort();
    }
  }
  std::unique_ptr<hsm::Pkcs11Token> real_ = open();
  MortalToken token_{*real_};
  std::unique_ptr<Anchor> anchor_;
  std::map<std::string, hsm::DataHandle> handles_;
};

}  // namespace
}  // namespace sigillo::appliance

int main() {
  {
    sigillo::appliance::Peer peer;
    for (std::string line; std::getline(std::cin, line);) std::cout << peer.obey(line) << std::endl;
  }            // the token closed, and with it the thread that connects anew
  ::_exit(0);  // SoftHSM2's destructors may crash
}
