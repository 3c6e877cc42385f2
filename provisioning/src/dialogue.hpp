// Dialogue: the port to the people in the room. What is said, asked and typed in a ceremony goes through it,
// so that the rehearsal (--dry-run) and the day itself are one script: RoomDialogue has a terminal,
// RehearsalDialogue prints what would be typed and answers with it. Thread rule: one thread. Errors:
// Errc::terminal where nobody answers any more. Never: shows a secret where a scrolled-back line would keep
// it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <base/result.hpp>
#include <base/secret.hpp>

namespace sigillo::provisioning {

// What a rehearsal prints in place of a person's typing, and takes as typed.
struct Typed {
  std::string words;   // "the password, twice the same"
  std::string answer;  // never used in a room
};

class Dialogue {
 public:
  virtual ~Dialogue() = default;
  virtual bool rehearsal() const = 0;

  virtual void heading(std::string_view text) = 0;
  virtual void say(std::string_view text) = 0;    // a paragraph, wrapped at 78 columns
  virtual void runs(std::string_view what) = 0;   // what the machine does now
  virtual void table(std::string_view line) = 0;  // one line, as it stands
  virtual void warn(std::string_view text) = 0;   // something went otherwise than planned

  virtual base::Result<std::string> ask(std::string_view question, const Typed& typed) = 0;
  virtual base::Result<base::Secret> ask_secret(std::string_view question, const Typed& typed) = 0;
  // On a screen of its own, which is cleared when Enter is pressed. `in_rehearsal` stands in its place there.
  virtual base::Result<void> show(const base::Secret& screen, std::string_view in_rehearsal) = 0;

  // Until Enter.
  base::Result<void> wait(std::string_view what);
  // "yes", or "no"; anything else is asked again.
  base::Result<bool> confirm(std::string_view question);
};

// Errc::terminal where standard input and output are no terminal.
base::Result<std::unique_ptr<Dialogue>> open_room();
std::unique_ptr<Dialogue> rehearse();

// At blanks; words that are longer stand alone. UTF-8 is counted by characters.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width);

}  // namespace sigillo::provisioning
