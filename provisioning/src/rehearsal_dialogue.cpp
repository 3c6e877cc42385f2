// The dialogue of --dry-run: every word that is said and asked, and in place of the people's typing what they
// type.
#include <cstdio>

#include "dialogue.hpp"

namespace sigillo::provisioning {
namespace {

constexpr std::size_t kWidth = 78;

void write(const std::string& text) {
  std::fputs(text.c_str(), stdout);
}

class RehearsalDialogue final : public Dialogue {
 public:
  bool rehearsal() const override { return true; }
  void heading(std::string_view text) override { write("\n== " + std::string(text) + " ==\n\n"); }
  void say(std::string_view text) override { write(wrapped(text, 0, kWidth)); }
  void runs(std::string_view what) override { write(wrapped("-> " + std::string(what), 2, kWidth)); }
  void table(std::string_view line) override { write("    " + std::string(line) + '\n'); }
  void warn(std::string_view text) override { write(wrapped("!! " + std::string(text), 0, kWidth)); }

  base::Result<std::string> ask(std::string_view question, const Typed& typed) override {
    write(std::string(question) + " > [" + typed.words + "]\n");
    return typed.answer;
  }
  base::Result<base::Secret> ask_secret(std::string_view question, const Typed& typed) override {
    write(std::string(question) + " > [" + typed.words + ", unseen]\n");
    return base::Secret(base::view(typed.answer));
  }
  base::Result<void> show(const base::Secret&, std::string_view in_rehearsal) override {
    write("    +-- on a screen of its own, cleared at Enter --\n");
    while (!in_rehearsal.empty()) {
      const auto end = in_rehearsal.find('\n');
      write("    | " + std::string(in_rehearsal.substr(0, end)) + '\n');
      if (end == std::string_view::npos) break;
      in_rehearsal.remove_prefix(end + 1);
    }
    write("    +--\nPress Enter when it is on paper: this screen is then cleared. > [Enter]\n");
    return base::ok();
  }
};

}  // namespace

std::unique_ptr<Dialogue> rehearse() {
  return std::make_unique<RehearsalDialogue>();
}

}  // namespace sigillo::provisioning
