// ShareDesk: where custodians get their shares and give them back, one at a time: in a ceremony, and where
// shares are renewed. A share is shown once, to one custodian alone, who proves the paper by typing from it.
// What happens is noted, never what is on a paper. Thread rule: one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include <base/shares.hpp>

#include "dialogue.hpp"

namespace sigillo::provisioning {

struct GatheredPin {
  base::ShareSet of;
  base::Secret pin;
};

class ShareDesk {
 public:
  // "given", "used" or "refused", a sentence, and facts, into the transcript.
  using Note = std::function<base::Result<void>(const char* event, std::string said, boost::json::object)>;
  // `dice` says which line of a paper is typed back, for a ceremony can be held again. Without dice all are:
  // where old shares die by new ones, a slip in a line that nobody asked for would be found when it is too
  // late.
  ShareDesk(std::string appliance, Dialogue& dialogue, std::function<unsigned(unsigned sides)> dice,
            Note note)
      : appliance_(std::move(appliance)),
        dialogue_(dialogue),
        dice_(std::move(dice)),
        note_(std::move(note)) {}

  // One to each of `custodians`, by name. What the set is.
  base::Result<boost::json::object> give(const base::SplitPin& split,
                                         const std::vector<std::string>& custodians);
  // As many as open, in any order. `set` and `threshold` as far as they are known: empty and 0 where the
  // first share says it. `why` is a sentence that comes before what each has to do. Errc::ceremony where too
  // few came, or one was altered.
  base::Result<GatheredPin> gather(base::ShareKind kind, const std::string& set, unsigned threshold,
                                   const std::string& why);

 private:
  base::Result<void> give_share(const base::Share& share, const std::string& custodian);
  base::Result<bool> types_back(const base::Share& share, const std::vector<unsigned>& rows);
  base::Result<bool> types_back(const base::Share& share, unsigned row);
  base::Result<std::optional<base::Share>> read_share(unsigned number);

  std::string appliance_;
  Dialogue& dialogue_;
  std::function<unsigned(unsigned)> dice_;
  Note note_;
};

}  // namespace sigillo::provisioning
