// sigillo channel: who may call and who may receive.
#include <filesystem>
#include <memory>

#include <CLI/CLI.hpp>

#include <base/jwe.hpp>
#include <provisioning/admin.hpp>
#include <provisioning/certificate.hpp>

#include "files.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr std::size_t kFileMax = 16 * 1024;
constexpr std::int64_t kOverlapMax = 90 * 86'400;

constexpr const char* kFooter =
    "A key that is made here stays here: what goes to the appliance is its request. FILE is made where it is "
    "not "
    "there,\n"
    "with FILE.csr (or FILE.pub) beside it, and used again where it is: for an act that is signed by "
    "turns.\n\n"
    "Examples:\n"
    "  sigillo channel enrol courier-sms acme --owner \"Acme S.p.A.\" --csr acme.csr --delivery-key "
    "acme-delivery.jwk.pub \\\n"
    "      --certificate acme.pem --config /etc/sigillo/sigillo.toml --officer anna=anna.key --officer "
    "bruno=bruno.key\n"
    "  sigillo channel renew portal portal --new-key portal-2027.key --certificate portal-2027.pem --overlap "
    "7d ...\n"
    "  sigillo channel renew courier-sms acme --delivery-key acme-2027.jwk.pub ...\n"
    "  sigillo channel suspend portal portal --config ... --officer anna=anna.key      one officer is "
    "enough\n"
    "  sigillo channel list --config /etc/sigillo/sigillo.toml\n\n"
    "Exit codes: 0 done; 1 refused, and nothing is changed (a signature, an argument, a key or owner that "
    "another "
    "channel\n"
    "has); 2 the appliance is sealed, or the HSM did not serve.";

constexpr const char* kNames =
    "Nothing was changed. A role is one of portal, contact-centre, branch, back-office, courier-sms, "
    "courier-email, courier-pec, courier-post, auditor; a name has 1 to 48 of a to z, 0 to 9 and hyphen.";

struct Arguments {
  AdminOptions admin;
  std::string role, name, owner, csr, new_key, delivery_key, new_delivery_key, certificate, overlap;
  int days = 397;
};

// Files that a command makes and, given again for the second signature, uses again.
base::Result<std::string> request_of(const Arguments& arguments) {
  if (!arguments.csr.empty()) return read_small_file(arguments.csr, kFileMax);
  const fs::path request = arguments.new_key + ".csr";
  std::error_code ignored;
  if (fs::exists(arguments.new_key, ignored)) return read_small_file(request, kFileMax);
  SIGILLO_TRY(const auto key, generate_p256());
  SIGILLO_TRY(const auto pem, to_pem(*key));
  SIGILLO_TRY(const auto text, make_request(*key));
  SIGILLO_CHECK(write_new_file(request, base::view(text), 0644));
  SIGILLO_CHECK(write_new_file(arguments.new_key, pem.expose(), 0600));
  return text;
}

base::Result<std::string> delivery_key_of(const Arguments& arguments) {
  std::error_code ignored;
  const fs::path open = arguments.new_delivery_key + ".pub";
  if (!arguments.new_delivery_key.empty() && !fs::exists(arguments.new_delivery_key, ignored)) {
    const auto key = base::EcPrivateKey::generate();
    const auto kid = key.public_key().thumbprint();
    const auto closed = key.to_jwk(kid);
    SIGILLO_CHECK(write_new_file(open, base::view(key.public_key().to_jwk(kid, "enc")), 0644));
    SIGILLO_CHECK(write_new_file(arguments.new_delivery_key, closed.expose(), 0600));
  }
  SIGILLO_TRY(
      const auto text,
      read_small_file(arguments.delivery_key.empty() ? open.string() : arguments.delivery_key, kFileMax));
  const auto key = base::EcPublicKey::from_jwk(text);
  // A file with `d` in it is refused here and there: a private key has no business on this machine.
  if (!key)
    return base::Error(Errc::file,
                       "it is no public EC P-256 JWK: give FILE.pub, which stands beside the private one");
  return key->to_jwk(key->kid().empty() ? key->thumbprint() : key->kid(), "enc");
}

// "7d", "12h", "0s"
std::optional<std::int64_t> seconds_of(const std::string& text) {
  if (text.size() < 2 || text.size() > 8) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  switch (text.back()) {
    case 's':
      return value;
    case 'm':
      return value * 60;
    case 'h':
      return value * 3600;
    case 'd':
      return value * 86'400;
    default:
      return std::nullopt;
  }
}

// Nothing where it failed, said by then.
std::optional<json::object> parameters_of(const Arguments& arguments, Context& context) {
  json::object out{{"role", arguments.role}, {"name", arguments.name}};
  if (!arguments.owner.empty()) out["owner"] = arguments.owner;
  const auto fail = [&](const std::string& what, const base::Error& error) {
    context.failed(Exit::local, what + ": " + sentence(error) + '.', "Nothing was changed.");
    return std::nullopt;
  };
  if (!arguments.csr.empty() || !arguments.new_key.empty()) {
    auto request = request_of(arguments);
    if (request) {
      if (const auto key = appliance::key_of_request(*request); !key) request = key.error();
    }
    if (!request) return fail(arguments.csr.empty() ? arguments.new_key : arguments.csr, request.error());
    out["csr"] = *request;
    out["days"] = arguments.days;
  }
  if (!arguments.delivery_key.empty() || !arguments.new_delivery_key.empty()) {
    const auto jwk = delivery_key_of(arguments);
    if (!jwk)
      return fail(arguments.delivery_key.empty() ? arguments.new_delivery_key : arguments.delivery_key,
                  jwk.error());
    out["delivery_jwk"] = *jwk;
  }
  if (!arguments.overlap.empty()) {
    const auto overlap = seconds_of(arguments.overlap);
    if (!overlap || *overlap > kOverlapMax) {
      context.failed(Exit::local, "--overlap is a number and s, m, h or d, and at most 90d.",
                     "Nothing was changed.");
      return std::nullopt;
    }
    out["overlap_s"] = *overlap;
  }
  return out;
}

// The certificate is public and the appliance does not keep it: it is written before anything is said.
bool keep_certificate(const Arguments& arguments, Context& context, json::object& result) {
  const auto* pem = result.if_contains("certificate");
  if (pem == nullptr) return true;
  if (arguments.certificate.empty()) return true;
  const auto written = write_new_file(arguments.certificate, base::view(std::string(pem->as_string())), 0644);
  if (written) return true;
  context.failed(
      Exit::local,
      "The channel is changed, but " + arguments.certificate + ": " + sentence(written.error()) + '.',
      "Renew it with --certificate naming a file that is not there.");
  return false;
}

void change(const Arguments& arguments, Context& context, const char* action, const char* schema,
            const std::string& words) {
  std::error_code ignored;
  if (!arguments.certificate.empty() && fs::exists(arguments.certificate, ignored))
    return context.failed(Exit::local, arguments.certificate + " is there already.",
                          "Nothing was changed. Name a file that is not.");
  const auto role = appliance::parse_role(arguments.role);
  if (!role || !appliance::parse_channel_uri(appliance::channel_uri(*role, arguments.name)))
    return context.failed(
        Exit::local, arguments.role + ':' + arguments.name + " is no role and name of a channel.", kNames);
  const auto made = [&](const json::object&) { return parameters_of(arguments, context); };
  auto result = perform(arguments.admin, context, {.action = action, .parameters_of = made});
  if (!result || !keep_certificate(arguments, context, *result)) return;
  std::string said = arguments.role + ':' + arguments.name + words;
  const auto* member = result->if_contains("lost_deliveries");
  if (const auto lost = member != nullptr ? member->to_number<std::int64_t>() : 0; lost > 0)
    said += " Nobody opens what was sealed to it and not delivered: " + std::to_string(lost) +
            " deliveries end as failed, and halves among them are to be made anew.";
  if (!arguments.certificate.empty()) said += " Its certificate is in " + arguments.certificate + '.';
  context.result(schema, std::move(*result), said);
}

void enrol(const Arguments& arguments, Context& context) {
  if (arguments.csr.empty() == arguments.new_key.empty())
    return context.failed(Exit::local, "One of --csr and --new-key is needed.", "Nothing was changed.");
  change(arguments, context, "channels.enrol", "sigillo.channel-enrol/1", " is enrolled.");
}
void renew(const Arguments& arguments, Context& context) {
  change(arguments, context, "channels.renew", "sigillo.channel-renew/1",
         arguments.csr.empty() && arguments.new_key.empty()
             ? " has a new delivery key; what was sealed before still opens with the old one."
             : " has a new certificate; the old one is good until the overlap is over.");
}
void suspend(const Arguments& arguments, Context& context) {
  change(arguments, context, "channels.suspend", "sigillo.channel-suspend/1",
         " is suspended, also on open connections; `resume` takes two officers.");
}
void resume(const Arguments& arguments, Context& context) {
  change(arguments, context, "channels.resume", "sigillo.channel-resume/1", " may call again.");
}
void revoke(const Arguments& arguments, Context& context) {
  change(arguments, context, "channels.revoke", "sigillo.channel-revoke/1",
         " is revoked, for good, also on open connections.");
}

void list(const Arguments& arguments, Context& context) {
  auto result = perform(arguments.admin, context, {.action = "channels.list"});
  if (!result) return;
  std::string words;
  for (const auto& one : (*result)["channels"].as_array()) {
    const auto& channel = one.as_object();
    const auto text = [&](const char* name) {
      const auto* member = channel.if_contains(name);
      return member != nullptr ? std::string(member->as_string()) : std::string("-");
    };
    words += (words.empty() ? "" : "\n") + text("channel") + "  " + text("status") + "  owner " +
             text("owner") + "  certificate to " + text("certificate_expires_at") + "  under " + text("ca") +
             "  delivery key " + text("delivery_kid");
    if (const auto* former = channel.if_contains("former"))
      words +=
          "  (the one before is good until " + std::string(former->as_object().at("until").as_string()) + ')';
  }
  context.result("sigillo.channel-list/1", std::move(*result), words.empty() ? "No channel yet." : words);
}

using Run = void (*)(const Arguments&, Context&);

std::shared_ptr<Arguments> add(CLI::App& parent, Context& context, const char* name, const char* help,
                               Run run, unsigned officers) {
  auto* command = parent.add_subcommand(name, help)->footer(kFooter);
  auto arguments = std::make_shared<Arguments>();
  command->callback([arguments, &context, run] { run(*arguments, context); });
  if (run != list) {
    command->add_option("ROLE", arguments->role, "its role")->required();
    command->add_option("NAME", arguments->name, "its name")->required();
  }
  if (run == enrol)
    command->add_option("--owner", arguments->owner, "whose it is; one for each that receives")
        ->required()
        ->check(CLI::Validator(
            [](const std::string& text) {
              return text.empty() || text.size() > 64 ? std::string("must be 1 to 64 bytes long")
                                                      : std::string();
            },
            "", "owner"));
  if (run == enrol || run == renew) {
    command->add_option("--csr", arguments->csr, "certificate request (PKCS #10, PEM) of the channel");
    command->add_option("--new-key", arguments->new_key, "make the key here, into this file");
    command->add_option("--delivery-key", arguments->delivery_key,
                        "public delivery key (JWK) of the channel");
    command->add_option("--new-delivery-key", arguments->new_delivery_key, "make it here, into this file");
    command->add_option("--certificate", arguments->certificate, "where the certificate goes");
    command->add_option("--days", arguments->days, "how long the certificate is good; 397 unless told")
        ->check(CLI::Range(1, 825));
  }
  if (run == renew)
    command->add_option("--overlap", arguments->overlap,
                        "how long the old certificate stays good; 7d unless told");
  add_admin_options(*command, arguments->admin, officers);
  return arguments;
}

}  // namespace

void add_channel(CLI::App& app, Context& context) {
  auto* channel = app.add_subcommand("channel", "Channels: who may call and who may receive.");
  channel->footer(kFooter);
  channel->require_subcommand(1);
  add(*channel, context, "list", "Says which channels there are, and until when their certificates are good.",
      list, 0);
  add(*channel, context, "enrol", "A new channel. Takes two officers.", enrol, 2);
  add(*channel, context, "renew", "New certificate or delivery key, with an overlap. Takes two officers.",
      renew, 2);
  add(*channel, context, "suspend", "The channel may not call for now. Takes one officer.", suspend, 1);
  add(*channel, context, "resume", "A suspended channel may call again. Takes two officers.", resume, 2);
  add(*channel, context, "revoke", "The channel's end, for good. Takes two officers.", revoke, 2);
}

}  // namespace sigillo::provisioning
