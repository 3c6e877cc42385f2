#include <appliance/messages.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "built_in_templates.hpp"
#include "utf8.hpp"

namespace sigillo::appliance {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kPin = "K7QF-2M9X";
constexpr std::string_view kToken = "0123456789abcdefghijABCDEFGHIJ0123456789-_x";
constexpr base::Instant kExpires{1'798'722'300'000};  // 2026-12-31T13:05:00Z, 14:05 in Rome

struct Way {
  MessageKind kind;
  Medium medium;
};
constexpr Way kWays[] = {
    {MessageKind::first_half, Medium::sms},      {MessageKind::first_half, Medium::email},
    {MessageKind::first_half, Medium::pec},      {MessageKind::first_half, Medium::post},
    {MessageKind::second_half, Medium::sms},     {MessageKind::second_half, Medium::email},
    {MessageKind::second_half, Medium::pec},     {MessageKind::second_half, Medium::post},
    {MessageKind::second_half, Medium::voice},   {MessageKind::whole, Medium::counter},
    {MessageKind::definitive, Medium::counter},  {MessageKind::recovery_link, Medium::email},
    {MessageKind::recovery_link, Medium::pec},   {MessageKind::revocation_link, Medium::email},
    {MessageKind::revocation_link, Medium::pec}, {MessageKind::notice, Medium::sms},
    {MessageKind::notice, Medium::email},        {MessageKind::notice, Medium::pec},
    {MessageKind::notice, Medium::post}};
constexpr Language kLanguages[] = {Language::it, Language::de, Language::en};
constexpr int kEvents = static_cast<int>(NoticeEvent::substituted) + 1;

bool is_link(MessageKind kind) {
  return kind == MessageKind::recovery_link || kind == MessageKind::revocation_link;
}

std::string rendered(const Messages& messages, MessageKind kind, Medium medium, Language language,
                     NoticeEvent event = NoticeEvent::activated) {
  const base::Secret secret(base::view(is_link(kind) ? kToken : kPin));
  const bool is_notice = kind == MessageKind::notice;
  const MessageValues values{is_notice ? nullptr : &secret,
                             "dlv_8Hq2",
                             "*************62S",
                             "req_77",
                             kExpires,
                             is_notice ? std::optional(event) : std::nullopt};
  return std::string(messages.render(kind, medium, language, values).expose_text());
}

// GSM 03.38 in 7 bits: the basic table alone, since each character of the extension counts twice.
bool is_gsm(char32_t c) {
  static constexpr std::u32string_view kTable =
      U"@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
      U"abcdefghijklmnopqrstuvwxyzäöñüà";
  return kTable.find(c) != std::u32string_view::npos;
}
std::size_t gsm_length(std::string_view text) {
  std::size_t length = 0;
  while (!text.empty()) {
    const auto c = next_code_point(text);
    EXPECT_TRUE(c && is_gsm(*c)) << "U+" << std::hex << static_cast<std::uint32_t>(c.value_or(0));
    if (!c) break;
    ++length;
  }
  return length;
}

TEST(Messages, EveryWayHasATextInEveryLanguageAndNoOtherIsThere) {
  const Messages messages = Messages::built_in();
  std::set<std::string> files;
  for (const auto& [kind, medium] : kWays) {
    for (const Language language : kLanguages) {
      const std::string text = rendered(messages, kind, medium, language);
      EXPECT_FALSE(text.empty()) << name(kind) << name(medium);
      EXPECT_EQ(text.find_first_of("{}"), std::string::npos) << text;
      for (const char* suffix : {".it.txt", ".de.txt", ".en.txt"})
        files.insert(std::string(name(kind)) + '.' + std::string(name(medium)) + suffix);
    }
  }
  std::set<std::string> built_in;
  for (const auto& each : built_in_templates()) built_in.emplace(each.file);
  EXPECT_EQ(built_in, files);
}

TEST(Messages, AHalfIsInItsTextOnceAndNotInTheSubjectLine) {
  const Messages messages = Messages::built_in();
  for (const auto& [kind, medium] : kWays) {
    for (const Language language : kLanguages) {
      const std::string text = rendered(messages, kind, medium, language);
      const std::string_view secret = is_link(kind) ? kToken : kPin;
      std::size_t times = 0;
      for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 1)) ++times;
      const std::size_t wanted = kind == MessageKind::notice ? 0 : medium == Medium::voice ? 2 : 1;
      EXPECT_EQ(times, wanted) << text;
      EXPECT_EQ(text.find("req_77") != std::string::npos, is_link(kind)) << text;
      if (medium != Medium::email && medium != Medium::pec) continue;
      const std::string subject = text.substr(0, text.find('\n'));
      EXPECT_TRUE(subject.starts_with("Subject: ")) << text;
      EXPECT_EQ(subject.find(secret), std::string::npos);
      EXPECT_EQ(text.substr(subject.size(), 2), "\n\n");
    }
  }
}

TEST(Messages, AnSmsIsOneSms) {
  const Messages messages = Messages::built_in();
  for (const auto& [kind, medium] : kWays) {
    if (medium != Medium::sms) continue;
    for (const Language language : kLanguages) {
      for (int event = 0; event < kEvents; ++event) {
        const std::string text = rendered(messages, kind, medium, language, static_cast<NoticeEvent>(event));
        EXPECT_LE(gsm_length(text), 160U) << text;
      }
    }
  }
}

TEST(Messages, EveryEventIsSaidInItsOwnWords) {
  const Messages messages = Messages::built_in();
  std::set<std::string> texts;
  for (const Language language : kLanguages) {
    for (int event = 0; event < kEvents; ++event) {
      texts.insert(
          rendered(messages, MessageKind::notice, Medium::email, language, static_cast<NoticeEvent>(event)));
    }
  }
  EXPECT_EQ(texts.size(), static_cast<std::size_t>(3 * kEvents));
}

TEST(Messages, TimeIsThatOfRomeInTheFormOfTheLanguage) {
  const Messages messages = Messages::built_in();
  EXPECT_THAT(rendered(messages, MessageKind::first_half, Medium::post, Language::it),
              HasSubstr("31/12/2026 ore 14:05"));
  EXPECT_THAT(rendered(messages, MessageKind::first_half, Medium::post, Language::de),
              HasSubstr("31.12.2026, 14:05 Uhr"));
  EXPECT_THAT(rendered(messages, MessageKind::first_half, Medium::post, Language::en),
              HasSubstr("31 December 2026, 14:05"));
}

TEST(Messages, ANoticeHasNeitherLinkNorNumberToCall) {
  const Messages messages = Messages::built_in();
  for (const Language language : kLanguages) {
    const std::string text = rendered(messages, MessageKind::notice, Medium::email, language);
    EXPECT_THAT(text, Not(HasSubstr("http")));
    EXPECT_THAT(text, Not(HasSubstr("www")));
  }
}

TEST(Messages, AWayThatNothingGoesByIsEmpty) {
  EXPECT_TRUE(rendered(Messages::built_in(), MessageKind::definitive, Medium::email, Language::it).empty());
  EXPECT_TRUE(rendered(Messages::built_in(), MessageKind::whole, Medium::sms, Language::it).empty());
}

class MessageFolder : public testing::Test {
 protected:
  MessageFolder() {
    std::string form = (std::filesystem::temp_directory_path() / "sigillo-messages-XXXXXX").string();
    folder_ = mkdtemp(form.data());
  }
  ~MessageFolder() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& file, std::string_view text) const {
    std::ofstream(folder_ / file, std::ios::binary) << text;
  }
  std::string refused(const std::string& file, std::string_view text) const {
    write(file, text);
    const auto loaded = Messages::load(folder_);
    std::filesystem::remove(folder_ / file);
    const auto* error = std::get_if<std::string>(&loaded);
    EXPECT_TRUE(error != nullptr) << "taken: " << text;
    const std::string sentence = error != nullptr ? *error : std::string();
    EXPECT_THAT(sentence, HasSubstr(folder_ / file));
    return sentence;
  }
  std::filesystem::path folder_;
};

TEST_F(MessageFolder, AFileReplacesTheBuiltInTextAndLeavesTheOthers) {
  write("pin.first-half.sms.it.txt", "Codice {pin}, entro {expires}\n\n");
  write("README", "not a template {");
  const auto loaded = Messages::load(folder_);
  ASSERT_TRUE(std::holds_alternative<Messages>(loaded)) << std::get<std::string>(loaded);
  const auto& messages = std::get<Messages>(loaded);
  EXPECT_EQ(rendered(messages, MessageKind::first_half, Medium::sms, Language::it),
            "Codice K7QF-2M9X, entro 31/12/2026 ore 14:05");
  EXPECT_EQ(rendered(messages, MessageKind::first_half, Medium::sms, Language::de),
            rendered(Messages::built_in(), MessageKind::first_half, Medium::sms, Language::de));
}

TEST_F(MessageFolder, TheBuiltInTextsPassTheirOwnCheck) {
  for (const auto& each : built_in_templates()) write(std::string(each.file), each.text);
  const auto loaded = Messages::load(folder_);
  ASSERT_TRUE(std::holds_alternative<Messages>(loaded)) << std::get<std::string>(loaded);
  EXPECT_EQ(rendered(std::get<Messages>(loaded), MessageKind::whole, Medium::counter, Language::it),
            rendered(Messages::built_in(), MessageKind::whole, Medium::counter, Language::it));
}

TEST_F(MessageFolder, AMalformedTextIsRefusedWithItsFile) {
  const std::string sms = "pin.first-half.sms.it.txt";
  EXPECT_THAT(refused(sms, "Codice {pim}"), HasSubstr("{pim}"));
  EXPECT_THAT(refused(sms, "Codice {}{pin}"), HasSubstr("{}"));
  EXPECT_THAT(refused(sms, "Codice {pin}{}"), HasSubstr("{}"));
  EXPECT_THAT(refused(sms, "Codice {pin} {event}"), HasSubstr("{event}"));
  EXPECT_THAT(refused(sms, "Codice"), HasSubstr("lacks {pin}"));
  EXPECT_THAT(refused(sms, ""), HasSubstr("lacks {pin}"));
  EXPECT_THAT(refused(sms, "Codice {pin"), HasSubstr("brace"));
  EXPECT_THAT(refused(sms, "Codice pin}"), HasSubstr("brace"));
  EXPECT_THAT(refused(sms, "Codice {{pin}}"), HasSubstr("brace"));
  EXPECT_THAT(refused(sms, "Codice {pin} \xff"), HasSubstr("UTF-8"));
  EXPECT_THAT(refused(sms, "Codice {pin}\r\nx"), HasSubstr("UTF-8"));
  EXPECT_THAT(refused(sms, "{pin}" + std::string(9000, 'x')), HasSubstr("8 KiB"));
  EXPECT_THAT(refused("pin.first-half.fax.it.txt", "{pin}"), HasSubstr("no message has this name"));
  EXPECT_THAT(refused("pin.first-half.sms.fr.txt", "{pin}"), HasSubstr("no message has this name"));
  EXPECT_THAT(refused("notice.sms.it.txt", "{event} {pin}"), HasSubstr("{pin}"));
  EXPECT_THAT(refused("link.recovery.email.it.txt", "Subject: x\n\n{link_token}"),
              HasSubstr("lacks {reference}"));
}

TEST_F(MessageFolder, AMailMustHaveASubjectLineAndNoSecretInIt) {
  const std::string mail = "pin.first-half.email.it.txt";
  EXPECT_THAT(refused(mail, "Gentile utente,\n\n{pin}"), HasSubstr("Subject"));
  EXPECT_THAT(refused(mail, "Subject: \n\n{pin}"), HasSubstr("Subject"));
  EXPECT_THAT(refused(mail, "Subject: PIN\nil suo codice {pin}"), HasSubstr("empty line"));
  EXPECT_THAT(refused(mail, "Subject: {pin}\n\nil suo codice"), HasSubstr("secret"));
}

TEST_F(MessageFolder, AFolderThatIsNotThereIsRefused) {
  const auto loaded = Messages::load(folder_ / "absent");
  ASSERT_TRUE(std::holds_alternative<std::string>(loaded));
  EXPECT_THAT(std::get<std::string>(loaded), HasSubstr("absent"));
}

}  // namespace
}  // namespace sigillo::appliance
