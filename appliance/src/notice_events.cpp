#include "notice_events.hpp"

#include <cstdlib>

namespace sigillo::appliance {
namespace {

struct Clause {
  std::string_view it, de, en;
};

Clause clause(NoticeEvent event) {
  switch (event) {
    case NoticeEvent::activated:
      return {"il suo PIN è stato attivato", "Ihre PIN wurde aktiviert", "your PIN has been activated"};
    case NoticeEvent::locked:
      return {"il suo PIN è sospeso per troppi tentativi errati",
              "Ihre PIN ist nach zu vielen Fehlversuchen gesperrt",
              "your PIN is locked after too many wrong attempts"};
    case NoticeEvent::blocked:
      return {"il suo PIN è stato bloccato su richiesta", "Ihre PIN wurde auf Anfrage gesperrt",
              "your PIN has been blocked on request"};
    case NoticeEvent::recovered:
      return {"è stato emesso un nuovo PIN dopo una richiesta di ripristino",
              "nach einer Wiederherstellung wurde eine neue PIN ausgestellt",
              "a new PIN has been issued after a recovery"};
    case NoticeEvent::revocation_opened:
      return {"è stata chiesta la revoca del suo PIN", "der Widerruf Ihrer PIN wurde beantragt",
              "the revocation of your PIN has been requested"};
    case NoticeEvent::revoked:
      return {"il suo PIN è stato revocato", "Ihre PIN wurde widerrufen", "your PIN has been revoked"};
    case NoticeEvent::converted:
      return {"il suo PIN è diventato dispositivo", "Ihre PIN ist nun eine Verfügungs-PIN",
              "your PIN has become dispositive"};
    case NoticeEvent::contacts_changed:
      return {"i suoi recapiti sono stati modificati", "Ihre Kontaktdaten wurden geändert",
              "your contact details have been changed"};
    case NoticeEvent::branch_issued:
      return {"le è stato consegnato un PIN presso una sede",
              "in einer Zweigstelle wurde eine PIN für Sie ausgestellt",
              "a PIN has been issued to you at a branch office"};
    case NoticeEvent::substituted:
      return {"il suo PIN è stato sostituito presso una sede", "Ihre PIN wurde in einer Zweigstelle ersetzt",
              "your PIN has been replaced at a branch office"};
  }
  std::abort();
}

}  // namespace

std::string_view event_text(NoticeEvent event, Language language) {
  const Clause texts = clause(event);
  switch (language) {
    case Language::it:
      return texts.it;
    case Language::de:
      return texts.de;
    case Language::en:
      return texts.en;
  }
  std::abort();
}

}  // namespace sigillo::appliance
