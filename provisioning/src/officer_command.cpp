// sigillo officer: keys of officers, who is one, and signing what another began.
#include <filesystem>
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>

#include <appliance/officers.hpp>
#include <provisioning/admin.hpp>
#include <provisioning/officer_key.hpp>
#include <provisioning/terminal.hpp>

#include "files.hpp"
#include "signing.hpp"

namespace sigillo::provisioning {
namespace {

namespace json = boost::json;

constexpr const char* kUnchanged = "Nothing was changed. Correct the name.";
constexpr const char* kFooter =
    "Examples:\n"
    "  sigillo officer keygen /media/anna/anna.key\n"
    "  sigillo officer list --config /etc/sigillo/sigillo.toml\n"
    "  sigillo officer enrol carla --key carla.key.pub --config /etc/sigillo/sigillo.toml \\\n"
    "      --officer anna=/media/anna/anna.key --officer bruno=/media/bruno/bruno.key\n"
    "By turns, on two machines:\n"
    "  sigillo officer enrol carla --key carla.key.pub --config ... --act enrol.json --officer "
    "anna=anna.key\n"
    "  sigillo officer sign enrol.json --officer bruno=bruno.key\n"
    "  sigillo officer enrol carla --key carla.key.pub --config ... --act enrol.json\n\n"
    "With a key in a token of one's own (a smart card, say):\n"
    "  sigillo officer public carla.pub --key 'pkcs11:token=carla;object=sign' --module "
    "/usr/lib/opensc-pkcs11.so\n"
    "  sigillo officer sign enrol.json --officer "
    "'bruno=pkcs11:token=bruno;object=sign?module-path=/usr/lib/card.so'\n"
    "The PIN is asked for, or stands in a file (0600) that the URI names: ?pin-source=/media/bruno/pin. It "
    "is tried\n"
    "once, and not at all where the token says that one more wrong one locks it.\n\n"
    "Exit codes: 0 done; 1 refused, and nothing is changed (a signature, an argument, a file); 2 the "
    "appliance "
    "is\n"
    "sealed, or the HSM did not serve.";

struct Arguments {
  AdminOptions admin;
  std::string name, file, key, password_file;
};

base::Result<base::Secret> new_password(const std::string& file) {
  if (!file.empty()) return read_secret_file(file);
  SIGILLO_TRY(auto first, ask_secret("New password of the key: "));
  SIGILLO_TRY(const auto second, ask_secret("The same again: "));
  if (!base::constant_time_equal(first, second))
    return base::Error(Errc::terminal, "the two passwords differ");
  return first;
}

void keygen(const Arguments& arguments, Context& context) {
  const auto fail = [&](const base::Error& error) {
    context.failed(Exit::local, arguments.file + ": " + sentence(error) + '.', "No key was made.");
  };
  // Before a password is chosen for it.
  std::error_code ignored;
  for (const auto& made : {arguments.file, arguments.file + ".pub"})
    if (std::filesystem::exists(made, ignored))
      return context.failed(Exit::local, made + " is there already.", "No key was made. Name another file.");
  const auto password = new_password(arguments.password_file);
  if (!password)
    return context.failed(Exit::local,
                          (arguments.password_file.empty() ? "The password" : arguments.password_file) +
                              ": " + sentence(password.error()) + '.',
                          "No key was made.");
  if (password->size() < kPasswordMin)
    return context.failed(Exit::local, "The password has fewer than 8 characters.",
                          "No key was made. Take a longer one.");
  const auto key = generate_p256();
  if (!key) return fail(key.error());
  const auto point = public_point(**key);
  if (!point) return fail(point.error());
  if (const auto written = write_officer_key(arguments.file, **key, *password); !written)
    return fail(written.error());
  const auto thumbprint = base::EcPublicKey::from_point(*point)->thumbprint();
  context.result("sigillo.officer-keygen/1",
                 {{"file", arguments.file}, {"public", arguments.file + ".pub"}, {"key", thumbprint}},
                 "The key is in " + arguments.file + "; keep it to yourself. Give " + arguments.file +
                     ".pub to whoever enrols you, and read this to them:\n  " + thumbprint);
}

void sign(const Arguments& arguments, Context& context) {
  auto read = read_act_file(arguments.file);
  const auto fail = [&](const appliance::ActionFailure& failure) {
    context.failed(Exit::local, failure.what, failure.next);
  };
  if (const auto* failure = std::get_if<appliance::ActionFailure>(&read)) return fail(*failure);
  auto& act = std::get<appliance::SignedAct>(read);
  const auto words = act_in_words(*appliance::parse_act(act.text));
  if (!context.json) std::fprintf(stderr, "%s\n", words.c_str());  // before the password is asked for
  auto signers = open_signers(arguments.admin);
  if (const auto* failure = std::get_if<appliance::ActionFailure>(&signers)) return fail(*failure);
  if (const auto failure = sign_by(std::get<Signers>(signers), act)) return fail(*failure);
  if (const auto failure = write_act_file(arguments.file, act)) return fail(*failure);
  context.result("sigillo.officer-sign/1", {{"file", arguments.file}, {"signatures", act.signatures.size()}},
                 arguments.file + " has " + std::to_string(act.signatures.size()) + " signature(s) now.");
}

void list(const Arguments& arguments, Context& context) {
  auto result = perform(arguments.admin, context, {.action = "officers.list"});
  if (!result) return;
  std::string words;
  for (const auto& one : (*result)["officers"].as_array()) {
    const auto& officer = one.as_object();
    const auto text = [&](const char* name) { return std::string(officer.at(name).as_string()); };
    words += (words.empty() ? "" : "\n") + text("name") + "  " + text("status") + "  since " +
             text("enrolled_at") + "  key " + text("key");
  }
  context.result("sigillo.officer-list/1", std::move(*result), words);
}

void acts(const Arguments& arguments, Context& context) {
  auto result = perform(arguments.admin, context, {.action = "acts.list"});
  if (!result) return;
  std::string words;
  for (const auto& one : (*result)["acts"].as_array()) {
    const auto& act = one.as_object();
    const auto parsed = appliance::parse_act(act.at("act").as_string());
    words += (words.empty() ? "" : "\n") + std::string(act.at("at").as_string()) + "  " +
             (parsed ? parsed->action : "?");
    for (const auto& signature : act.at("signatures").as_array())
      words += "  " + std::string(signature.as_object().at("officer").as_string());
  }
  context.result("sigillo.officer-acts/1", std::move(*result), words.empty() ? "No act yet." : words);
}

std::variant<base::ByteArray<65>, appliance::ActionFailure> public_half(const Arguments& arguments) {
  if (hsm::is_token_uri(arguments.key)) {
    const auto uri = read_token_uri(arguments.key, arguments.admin.module);
    if (const auto* failure = std::get_if<appliance::ActionFailure>(&uri)) return *failure;
    return token_public_key(std::get<hsm::TokenUri>(uri), pin_of(""));
  }
  const auto point = read_officer_public_key(arguments.key);
  if (!point)
    return appliance::ActionFailure{"invalid", arguments.key + ": " + sentence(point.error()) + '.',
                                    "Nothing was changed. Name the .pub file that keygen made."};
  return *point;
}

// With the PIN, and a signature that nobody needs: a public key that somebody put beside another's private
// one is found before it is enrolled.
void show_public(const Arguments& arguments, Context& context) {
  const auto fail = [&](const appliance::ActionFailure& failure) {
    context.failed(Exit::local, failure.what, failure.next);
  };
  const auto uri = read_token_uri(arguments.key, arguments.admin.module);
  if (const auto* failure = std::get_if<appliance::ActionFailure>(&uri)) return fail(*failure);
  auto opened = open_token_key(std::get<hsm::TokenUri>(uri), pin_of(""));
  if (const auto* failure = std::get_if<appliance::ActionFailure>(&opened)) return fail(*failure);
  auto& key = *std::get<std::unique_ptr<OfficerSigner>>(opened);
  base::Digest nothing{};
  base::random_bytes(nothing);
  const auto proof = key.sign(nothing);
  if (const auto* failure = std::get_if<appliance::ActionFailure>(&proof)) return fail(*failure);
  if (const auto written = write_officer_public_key(arguments.file, key.point()); !written)
    return context.failed(Exit::local, arguments.file + ": " + sentence(written.error()) + '.',
                          "Name a file that is not there yet.");
  const auto thumbprint = base::EcPublicKey::from_point(key.point())->thumbprint();
  context.result("sigillo.officer-public/1", {{"public", arguments.file}, {"key", thumbprint}},
                 "The public half is in " + arguments.file +
                     ". Give it to whoever enrols you, and read this to them:\n  " + thumbprint);
}

void enrol(const Arguments& arguments, Context& context) {
  if (!appliance::valid_officer_name(arguments.name))
    return context.failed(Exit::local, "An officer's name is 1 to 32 of a to z, 0 to 9 and hyphen.",
                          kUnchanged);
  const auto half = public_half(arguments);
  if (const auto* failure = std::get_if<appliance::ActionFailure>(&half))
    return context.failed(Exit::local, failure->what, failure->next);
  const auto* point = std::get_if<base::ByteArray<65>>(&half);
  auto result = perform(arguments.admin, context,
                        {.action = "officers.enrol",
                         .parameters = {{"name", arguments.name}, {"key", base::to_base64url(*point)}}});
  if (!result) return;
  const auto thumbprint = std::string(result->at("key").as_string());
  context.result("sigillo.officer-enrol/1", std::move(*result),
                 arguments.name + " is an officer, with the key " + thumbprint + '.');
}

void change(const Arguments& arguments, Context& context, const char* action, const char* schema,
            const char* words) {
  if (!appliance::valid_officer_name(arguments.name))
    return context.failed(Exit::local, "An officer's name is 1 to 32 of a to z, 0 to 9 and hyphen.",
                          kUnchanged);
  auto result =
      perform(arguments.admin, context, {.action = action, .parameters = {{"name", arguments.name}}});
  if (result) context.result(schema, std::move(*result), arguments.name + words);
}

void suspend(const Arguments& arguments, Context& context) {
  change(arguments, context, "officers.suspend", "sigillo.officer-suspend/1",
         " signs nothing until an act of two officers lets them again.");
}
void resume(const Arguments& arguments, Context& context) {
  change(arguments, context, "officers.resume", "sigillo.officer-resume/1", " may sign again.");
}
void revoke(const Arguments& arguments, Context& context) {
  change(arguments, context, "officers.revoke", "sigillo.officer-revoke/1",
         " is no officer any more, for good.");
}

using Run = void (*)(const Arguments&, Context&);

std::pair<CLI::App*, std::shared_ptr<Arguments>> add(CLI::App& parent, Context& context, const char* name,
                                                     const char* help, Run run) {
  auto* command = parent.add_subcommand(name, help)->footer(kFooter);
  auto arguments = std::make_shared<Arguments>();
  command->callback([arguments, &context, run] { run(*arguments, context); });
  return {command, arguments};
}

void add_keys(CLI::App& officer, Context& context) {
  const auto [made, of_made] =
      add(officer, context, "keygen",
          "Makes an officer's key, encrypted with a password, and its public half.", keygen);
  made->add_option("FILE", of_made->file, "file of the key to make; FILE.pub is its public half")->required();
  made->add_option("--password-file", of_made->password_file, "the password; else it is asked for, twice");
  const auto [signs, of_signs] =
      add(officer, context, "sign", "Signs an act that another officer began.", sign);
  signs->add_option("FILE", of_signs->file, "the act, as written by --act")->required();
  add_signing_options(*signs, of_signs->admin, true);
  const auto [shows, of_shows] =
      add(officer, context, "public",
          "Writes the public half of a key in a token to a file, for an enrolment.", show_public);
  shows->add_option("FILE", of_shows->file, "the file to make")->required();
  shows->add_option("--key", of_shows->key, "PKCS#11 URI of the key")->required();
  shows->add_option("--module", of_shows->admin.module, "PKCS#11 module, where the URI names none")
      ->type_name("FILE");
}

}  // namespace

void add_officer(CLI::App& app, Context& context) {
  auto* officer = app.add_subcommand("officer", "Officers: their keys, who is one, what they signed.");
  officer->footer(kFooter);
  officer->require_subcommand(1);
  add_keys(*officer, context);
  const struct {
    const char* name;
    const char* help;
    Run run;
  } kReads[] = {{"list", "Says who is an officer.", list},
                {"acts", "Says what officers signed; --format json has texts, signatures and keys.", acts}};
  for (const auto& [name, help, run] : kReads) {
    const auto [command, arguments] = add(*officer, context, name, help, run);
    add_admin_options(*command, arguments->admin, 0);
  }
  const struct {
    const char* name;
    const char* help;
    Run run;
  } kActs[] = {{"enrol", "Makes somebody an officer. Takes two officers.", enrol},
               {"suspend", "An officer signs nothing for now. Takes two officers.", suspend},
               {"resume", "A suspended officer may sign again. Takes two officers.", resume},
               {"revoke", "An officer is none any more, for good. Takes two officers.", revoke}};
  for (const auto& [name, help, run] : kActs) {
    const auto [command, arguments] = add(*officer, context, name, help, run);
    command->add_option("NAME", arguments->name, "the officer's name")->required();
    if (run == enrol)
      command
          ->add_option("--key", arguments->key,
                       "the .pub file of the officer's key, or the PKCS#11 URI of one in a token")
          ->required();
    add_admin_options(*command, arguments->admin, 2);
  }
}

}  // namespace sigillo::provisioning
