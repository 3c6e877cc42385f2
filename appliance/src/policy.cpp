#include <appliance/policy.hpp>

namespace sigillo::appliance {

Policy Policy::inps() {
  return {
      .credential = {.provisional_validity = base::days(60), .definitive_validity = base::days(180)},
      .guess = {.limit = 10, .delay_from = 3, .delay_first = base::seconds(30), .delay_max = base::hours(1)},
      .contacts_quarantine = base::days(7),
      .halves = {.letters_per_day = 1, .letters_per_30d = 4, .electronic_per_day = 3},
      .delivery = {.lease = base::seconds(60),
                   .attempts = 10,
                   .electronic_half = ElectronicHalf::at_request,
                   .sms_validity = base::minutes(10),
                   .email_validity = base::hours(24)},
      .language = Language::it,
      .recovery = {.link_validity = base::hours(24),
                   .window = base::days(30),
                   .limit = 3,
                   .keeps_level = true},
      .verifier = {.pbkdf2_iterations = 0},
  };
}

// NIST SP 800-63-4: a code by post is dead after 21 days (63A 3.8), one by SMS after 10 minutes and by e-mail
// after 24 hours, so the electronic half is made when the letter is there; the stored form is a salted
// password hash too (63B 3.1.1.2).
Policy Policy::strict() {
  Policy policy = inps();
  policy.credential.provisional_validity = base::days(21);
  policy.delivery.electronic_half = ElectronicHalf::on_demand;
  policy.recovery.keeps_level = false;
  policy.verifier.pbkdf2_iterations = 10'000;
  return policy;
}

}  // namespace sigillo::appliance
