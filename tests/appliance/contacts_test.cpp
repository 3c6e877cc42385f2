#include <appliance/contacts.hpp>

#include <gtest/gtest.h>

#include <chrono>

namespace sigillo::appliance {
namespace {

PostalAddress rossi() {
  return {"Mario Rossi", "Via Garibaldi 1", "00153", "Roma", "RM", "IT"};
}

// Milliseconds of a UTC date and time.
base::Instant utc(int year, unsigned month, unsigned day, int hour, int minute = 0) {
  using namespace std::chrono;
  const sys_days date = std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  return {duration_cast<milliseconds>(date.time_since_epoch() + hours(hour) + minutes(minute)).count()};
}

TEST(Contacts, AMobileIsE164) {
  EXPECT_EQ(parse_e164("+393331234567"), "+393331234567");
  EXPECT_TRUE(parse_e164("+12345678"));
  EXPECT_TRUE(parse_e164("+123456789012345"));
  for (const char* bad : {"", "+", "393331234567", "+1234567", "+1234567890123456", "+0393331234",
                          "+39 3331234567", "+39-3331234567", "00393331234567", "+39333123456a",
                          " +393331234567", "+393331234567\n", "++93331234567"}) {
    EXPECT_FALSE(parse_e164(bad)) << bad;
  }
}

TEST(Contacts, AMailAddressIsOneAddressInLowerCase) {
  EXPECT_EQ(parse_mail("M.Rossi@Example.IT"), "m.rossi@example.it");
  EXPECT_TRUE(parse_mail("a@b.it"));
  EXPECT_TRUE(parse_mail("o'brien+inps@xn--caff-8oa.example"));
  EXPECT_TRUE(parse_mail(std::string(64, 'a') + "@example.it"));
  for (const std::string& bad : {std::string(),
                                 std::string("@example.it"),
                                 std::string("rossi"),
                                 std::string("rossi@"),
                                 std::string("rossi@example"),
                                 std::string("rossi@.it"),
                                 std::string("rossi@example.it."),
                                 std::string("rossi@exa mple.it"),
                                 std::string("ros si@example.it"),
                                 std::string(".rossi@example.it"),
                                 std::string("rossi.@example.it"),
                                 std::string("ros..si@example.it"),
                                 std::string("a@b@example.it"),
                                 std::string("\"ros si\"@example.it"),
                                 std::string("rossi(x)@example.it"),
                                 std::string("rossi@[192.0.2.1]"),
                                 std::string("rossi@192.0.2.1"),
                                 std::string("rossi@-example.it"),
                                 std::string("rossi@example-.it"),
                                 std::string("rossi@example.it\r\nBcc: x@y.it"),
                                 std::string("rossi@ex\xc3\xa0mple.it"),
                                 std::string("a@b.it,c@d.it"),
                                 std::string("<a@b.it>"),
                                 std::string(65, 'a') + "@example.it",
                                 "a@" + std::string(64, 'b') + ".it",
                                 "a@" + std::string(250, 'b') + ".it",
                                 std::string("a\0@b.it", 7)}) {
    EXPECT_FALSE(parse_mail(bad)) << bad;
  }
}

TEST(Contacts, APostalAddressIsPrintable) {
  EXPECT_TRUE(valid_postal(rossi()));
  PostalAddress accented = rossi();
  accented.name = "Niccolò Müller-D'Àngelo";
  accented.street = "Straße der Einheit 5/A";
  EXPECT_TRUE(valid_postal(accented));
  for (const char* bad : {"", " ", "\xc2\xa0", "Via\nRoma", "Via\tRoma", "Via \x7f", "\xc2\x85",
                          "Via \xe2\x80\xae amoR", "Via\xe2\x80\x8b", "\xff", "\xc3", "\xc0\xaf",
                          "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x80\xa8", "\xef\xbb\xbfVia"}) {
    PostalAddress address = rossi();
    address.street = bad;
    EXPECT_FALSE(valid_postal(address)) << bad;
    address = rossi();
    address.name = bad;
    EXPECT_FALSE(valid_postal(address)) << bad;
    address = rossi();
    address.city = bad;
    EXPECT_FALSE(valid_postal(address)) << bad;
  }
}

TEST(Contacts, LengthsAreInCharactersAndNotInBytes) {
  PostalAddress address = rossi();
  std::string hundred;
  for (int i = 0; i < 100; ++i) hundred += "è";
  address.name = hundred;
  EXPECT_TRUE(valid_postal(address));
  address.name += "e";
  EXPECT_FALSE(valid_postal(address));
}

TEST(Contacts, AnItalianAddressHasItsPostcodeAndProvince) {
  for (const char* bad : {"", "0015", "001533", "0015A", "00 53"}) {
    PostalAddress address = rossi();
    address.postcode = bad;
    EXPECT_FALSE(valid_postal(address)) << bad;
  }
  for (const char* bad : {"", "R", "ROM", "R1", "rm"}) {
    PostalAddress address = rossi();
    address.province = bad;
    EXPECT_FALSE(valid_postal(address)) << bad;
  }
  for (const char* bad : {"", "I", "ITA", "it", "1T"}) {
    PostalAddress address = rossi();
    address.country = bad;
    EXPECT_FALSE(valid_postal(address)) << bad;
  }
  EXPECT_TRUE(valid_postal({"John Doe", "1 High Street", "SW1A 1AA", "London", "", "GB"}));
  EXPECT_TRUE(valid_postal({"John Doe", "1 Main Street", "", "Dubai", "", "AE"}));
}

TEST(Contacts, ADateIsOneThatExists) {
  EXPECT_EQ(Date::parse("2031-05-31")->text(), "2031-05-31");
  EXPECT_TRUE(Date::parse("2000-02-29"));
  EXPECT_TRUE(Date::parse("1900-01-01"));
  EXPECT_TRUE(Date::parse("9999-12-31"));
  for (const char* bad :
       {"", "2031-02-29", "1900-02-29", "2031-04-31", "2031-00-10", "2031-13-01", "2031-01-00", "2031-1-1",
        "31-05-2031", "2031/05/31", "1899-12-31", "2031-05-31 ", "+031-05-31", "2031-05-3a"}) {
    EXPECT_FALSE(Date::parse(bad)) << bad;
  }
  EXPECT_LT(*Date::parse("2030-12-31"), *Date::parse("2031-01-01"));
}

TEST(Contacts, ADayBeginsAtMidnightInRome) {
  EXPECT_EQ(Date::of(utc(2026, 1, 15, 22, 59)).text(), "2026-01-15");
  EXPECT_EQ(Date::of(utc(2026, 1, 15, 23, 0)).text(), "2026-01-16");
  EXPECT_EQ(Date::of(utc(2026, 7, 15, 21, 59)).text(), "2026-07-15");
  EXPECT_EQ(Date::of(utc(2026, 7, 15, 22, 0)).text(), "2026-07-16");
  EXPECT_EQ(Date::of(utc(2026, 12, 31, 23, 0)).text(), "2027-01-01");
  // The last Sundays of 2026: 29 March and 25 October. The day before and the day of the change.
  EXPECT_EQ(Date::of(utc(2026, 3, 28, 22, 59)).text(), "2026-03-28");
  EXPECT_EQ(Date::of(utc(2026, 3, 29, 22, 0)).text(), "2026-03-30");
  EXPECT_EQ(Date::of(utc(2026, 10, 24, 22, 0)).text(), "2026-10-25");
  EXPECT_EQ(Date::of(utc(2026, 10, 25, 22, 59)).text(), "2026-10-25");
  EXPECT_EQ(Date::of(utc(2026, 10, 25, 23, 0)).text(), "2026-10-26");
}

TEST(Contacts, ADocumentHasATypeInAWordAndANumber) {
  Document document{"identity-card", "CA00000AA", *Date::parse("2031-01-01"), std::nullopt};
  EXPECT_TRUE(valid_document(document));
  document.sha256 = std::string(64, 'a');
  EXPECT_TRUE(valid_document(document));
  document.sha256 = std::string(64, 'A');
  EXPECT_FALSE(valid_document(document)) << "normalised before it is here";
  document.sha256.reset();
  for (const std::string& bad :
       {std::string(), std::string(33, 'A'), std::string("CA_1"), std::string("CA\n1"), std::string(" - ")}) {
    document.number = bad;
    EXPECT_FALSE(valid_document(document)) << bad;
  }
  for (const std::string& bad :
       {std::string(), std::string(33, 'a'), std::string("card\n"), std::string(" - ")})
    EXPECT_FALSE(valid_document({bad, "CA1", *Date::parse("2031-01-01"), std::nullopt})) << bad;
}

TEST(Contacts, DigestsCardsAndOperatorsAreWhatTheySay) {
  EXPECT_EQ(parse_sha256(std::string(64, 'A')), std::string(64, 'a'));
  EXPECT_FALSE(parse_sha256(std::string(63, 'a')));
  EXPECT_FALSE(parse_sha256(std::string(64, 'g')));
  EXPECT_TRUE(valid_health_card_number("80380000300012345678"));
  EXPECT_FALSE(valid_health_card_number("8038000030001234567"));
  EXPECT_FALSE(valid_health_card_number("8038000030001234567X"));
  for (const char* good : {"Op-117@rm.it", "op/1", "Anna Bianchi", "Niccolò D'Amico", "ÀÿÖ"})
    EXPECT_EQ(parse_operator(good), good);
  for (const std::string& bad :
       {std::string(), std::string(65, 'a'), std::string(" op"), std::string("op "), std::string("a  b"),
        std::string("a\tb"), std::string("a\x7f"), std::string("Niccolo\u0300"), std::string("a\u00a0b"),
        std::string("a\u00d7b"), std::string("a\u00f7b"), std::string("\u0430nna"), std::string("a\u200bb"),
        std::string("a\xc3"), std::string("\xc3\x28")}) {
    EXPECT_FALSE(parse_operator(bad)) << bad;
  }
  EXPECT_TRUE(same_operator("Niccolò D'Amico", "NICCOLÒ d'aMICO"));
  EXPECT_FALSE(same_operator("Niccolò", "Niccolo"));
  EXPECT_FALSE(same_operator("ß", "ÿ"));
  EXPECT_TRUE(same_operator("Weiß", "WEISS")) << "capitals of a German name";
  EXPECT_FALSE(same_operator("Weiß", "Weis"));
  EXPECT_TRUE(same_operator("Op-117", "oP-117"));
  EXPECT_FALSE(same_operator("op-117", "op-1170"));
  EXPECT_FALSE(same_operator("op-117", "op-118"));
}

TEST(Contacts, WhatIsShownIsMasked) {
  EXPECT_EQ(masked_number("+393331234567"), "+39•••••••567");
  EXPECT_EQ(masked_mail("m.rossi@example.it"), "m•••••@example.it");
  EXPECT_EQ(masked_mail("m@example.it"), "m•••••@example.it") << "its length is not told";
  EXPECT_EQ(masked_postal(rossi()), "00153 Roma");
}

}  // namespace
}  // namespace sigillo::appliance
