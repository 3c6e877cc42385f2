#include "ceremony_plan.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <set>

#include <appliance/config.hpp>
#include <appliance/officers.hpp>
#include <base/printable.hpp>
#include <base/shares.hpp>
#include <hsm/personal_token.hpp>

#include "files.hpp"

namespace sigillo::provisioning {
namespace {

constexpr std::size_t kPlanMax = 64 * 1024;
constexpr std::size_t kNameMax = 64;

class Reader {
 public:
  Reader(const toml::table& root, std::string name) : root_(root), name_(std::move(name)) {}

  std::variant<CeremonyPlan, std::string> read() {
    known("", {"appliance", "folder", "hsm", "server", "custodians", "officers"});
    known("hsm", {"module", "token_label", "spare_module", "spare_label", "allow_test_module"});
    known("server", {"listen", "monitor", "names"});
    known("custodians", {"threshold", "names"});
    what();
    machine();
    people();
    if (!fault_.empty()) return fault_;
    return std::move(plan_);
  }

 private:
  void fail(const std::string& key, const std::string& wanted) {
    if (fault_.empty()) fault_ = name_ + ": " + key + ' ' + wanted + '.';
  }
  void known(const std::string& table, std::initializer_list<std::string_view> keys) {
    const auto* in = table.empty() ? &root_ : root_.at_path(table).as_table();
    if (in == nullptr) return fail('[' + table + ']', "is missing: add it");
    for (const auto& [key, value] : *in) {
      if (std::ranges::find(keys, std::string_view(key)) == keys.end())
        fail((table.empty() ? "" : table + '.') + std::string(key.str()),
             "is not a key of a plan: remove it or correct its name");
    }
  }
  std::string text(const char* path, std::string otherwise = {}) {
    const auto node = root_.at_path(path);
    if (!node) {
      if (otherwise.empty()) fail(path, "is missing: add it");
      return otherwise;
    }
    const auto value = node.value_exact<std::string>();
    if (!value) fail(path, "must be a text in quotes");
    return value.value_or("");
  }
  std::vector<std::string> texts(const char* path) {
    std::vector<std::string> out;
    const auto* list = root_.at_path(path).as_array();
    if (list == nullptr || list->empty()) {
      fail(path, "must be a list of texts, as in [\"...\", \"...\"]");
      return out;
    }
    for (const auto& item : *list) {
      const auto value = item.value_exact<std::string>();
      if (!value) fail(path, "must hold texts alone");
      out.push_back(value.value_or(""));
    }
    return out;
  }

  void what() {
    plan_.appliance = text("appliance");
    const auto plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.'; };
    if (plan_.appliance.empty() || plan_.appliance.size() > 26 ||
        !std::all_of(plan_.appliance.begin(), plan_.appliance.end(), plain))
      fail("appliance", "must be 1 to 26 letters, digits, hyphens and dots, such as \"inps-roma-1\"");
    plan_.folder = text("folder");
    const auto& folder = plan_.folder.native();
    if (!folder.starts_with('/') || folder.size() < 2 || folder.size() > 512 || !is_path(folder))
      fail("folder", "must be an absolute path: where everything that is made goes");
    plan_.folder = plan_.folder.lexically_normal();
    if (!plan_.folder.has_filename()) plan_.folder = plan_.folder.parent_path();
  }
  static bool is_path(std::string_view path) {
    return std::none_of(path.begin(), path.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  }

  void machine() {
    plan_.module = text("hsm.module");
    plan_.token_label = text("hsm.token_label", plan_.appliance);
    plan_.spare_module = text("hsm.spare_module", plan_.module);
    plan_.spare_label = text("hsm.spare_label", plan_.appliance + "-spare");
    for (const auto* module : {&plan_.module, &plan_.spare_module}) {
      if (!module->starts_with('/') || !is_path(*module))
        fail("hsm.module", "must be the absolute path of a PKCS#11 module");
    }
    for (const auto* label : {&plan_.token_label, &plan_.spare_label}) {
      if (label->size() > 32 || !is_name(*label)) fail("hsm.token_label", "must be 1 to 32 characters");
    }
    if (plan_.token_label == plan_.spare_label)
      fail("hsm.spare_label", "must be another than hsm.token_label: it names the token of the backup");
    if (const auto node = root_.at_path("hsm.allow_test_module")) {
      if (!node.is_boolean()) fail("hsm.allow_test_module", "must be true or false, without quotes");
      plan_.allow_test_module = node.value_or(false);
    }
    plan_.listen = text("server.listen", plan_.listen);
    plan_.monitor = text("server.monitor", plan_.monitor);
    for (const auto* endpoint : {&plan_.listen, &plan_.monitor}) {
      if (!appliance::parse_endpoint(*endpoint))
        fail("server.listen", "and server.monitor must be HOST:PORT");
    }
    for (const auto& host : texts("server.names")) {
      const auto written = appliance::certificate_names(host);
      // A text that is a list of its own, or has spaces, is no name.
      if (!written || !written->ends_with(':' + host))
        return fail("server.names", "must be DNS names and IP addresses");
      plan_.server_names += (plan_.server_names.empty() ? "" : ",") + *written;
    }
  }

  void people() {
    std::set<std::string> seen;
    for (auto& name : texts("custodians.names")) {
      if (!is_name(name)) fail("custodians.names", "must be names of 1 to 64 bytes");
      if (!seen.insert(name).second) fail("custodians.names", "has \"" + name + "\" twice");
      plan_.custodians.push_back({{}, std::move(name)});
    }
    const auto threshold = root_.at_path("custodians.threshold").value_exact<std::int64_t>().value_or(0);
    const auto count = static_cast<std::int64_t>(plan_.custodians.size());
    if (threshold < 2 || threshold > count || count > base::kSharesMax)
      fail("custodians.threshold",
           "must be a whole number from 2 to the number of custodians, who are at most " +
               std::to_string(base::kSharesMax));
    plan_.threshold = static_cast<unsigned>(std::clamp<std::int64_t>(threshold, 0, base::kSharesMax));
    const auto* officers = root_["officers"].as_table();
    if (officers == nullptr) return fail("[officers]", "is missing: add it");
    seen.clear();
    for (const auto& [id, node] : *officers) {
      const std::string key = "officers." + std::string(id.str());
      if (!appliance::valid_officer_name(id.str()))
        fail(key, "must be named by 1 to 32 of a to z, 0 to 9 and -");
      const auto* table = node.as_table();
      const auto name =
          table == nullptr ? node.value_exact<std::string>() : (*table)["name"].value_exact<std::string>();
      if (!name || !is_name(*name))
        fail(key, "must be a name in quotes, or { name = \"...\", key = \"pkcs11:...\" }");
      if (name && !seen.insert(*name).second) fail("[officers]", "has \"" + *name + "\" twice");
      plan_.officers.push_back(
          {std::string(id.str()), name.value_or(""), table == nullptr ? "" : brought(key, *table)});
    }
    if (plan_.officers.size() < 2) fail("[officers]", "must name at least two");
  }

  // The URI of a key that an officer brings in a token. No PIN: it is typed in the room.
  std::string brought(const std::string& key, const toml::table& officer) {
    known(key, {"name", "key"});
    const auto text = officer["key"].value_exact<std::string>().value_or("");
    const auto parsed = hsm::parse_token_uri(text);
    if (const auto* why = std::get_if<std::string>(&parsed)) {
      fail(key + ".key", "is refused: " + *why);
      return text;
    }
    const auto& uri = std::get<hsm::TokenUri>(parsed);
    if (uri.module_path.empty()) fail(key + ".key", "names no module: add ?module-path=");
    if (!uri.pin_source.empty())
      fail(key + ".key", "has a pin-source: in a ceremony the PIN is typed, leave it out");
    return text;
  }

  const toml::table& root_;
  std::string name_, fault_;
  CeremonyPlan plan_;
};

}  // namespace

// Names of people are UTF-8; what would move the cursor, or stand for nothing, is none.
bool is_name(std::string_view text) {
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  return !text.empty() && text.size() <= kNameMax && text.front() != ' ' && text.back() != ' ' &&
         std::none_of(text.begin(), text.end(), is_control) && base::printable(text) == text;
}

std::variant<CeremonyPlan, std::string> parse_plan(const std::string& text, const std::string& name) {
  try {
    const toml::table root = toml::parse(text);
    auto plan = Reader(root, name).read();
    if (auto* good = std::get_if<CeremonyPlan>(&plan)) good->text = text;
    return plan;
  } catch (const toml::parse_error& error) {
    return name + ':' + std::to_string(error.source().begin.line) +
           ": not TOML, or a key given twice: " + std::string(error.description()) + '.';
  }
}

std::variant<CeremonyPlan, std::string> read_plan(const std::filesystem::path& file) {
  const auto text = read_small_file(file, kPlanMax);
  if (!text) return file.string() + ": " + text.error().detail() + '.';
  return parse_plan(*text, file.string());
}

const char* const kExamplePlan = R"(# The plan of a key ceremony. No secret belongs here.
appliance = "inps-roma-1"     # in shares, receipts and checkpoints
folder = "/srv/sigillo"       # where everything that is made goes

[hsm]
module = "/usr/lib/vendor/libpkcs11.so"
token_label = "inps-roma-1"
spare_label = "inps-roma-1-spare"   # a second token: the backup is proven on it, and it stays a spare

[server]
listen = "0.0.0.0:8443"
monitor = "127.0.0.1:9464"
names = ["pin.example.it", "192.0.2.10"]

[custodians]                  # who keep the shares: any 3 of these 5 open the appliance
threshold = 3
names = ["Giulia Bianchi", "Nicolò D'Amico", "Chiara Esposito", "Luca Ferrari", "Zoë Dell'Acqua"]

[officers]                    # who sign what changes keys, policy or people: two of them at a time
anna = "Anna Galli"
bruno = { name = "Bruno Conti", key = "pkcs11:token=bruno;object=sign?module-path=/usr/lib/vendor/card.so" }
)";

}  // namespace sigillo::provisioning
