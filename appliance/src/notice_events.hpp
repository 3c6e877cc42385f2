// What a notice says has happened, as a clause of its sentence. Thread rule: a pure function.
#pragma once

#include <string_view>

#include <appliance/messages.hpp>

namespace sigillo::appliance {

// At most 69 characters of GSM 03.38, so that a notice stays one SMS.
std::string_view event_text(NoticeEvent event, Language language);

}  // namespace sigillo::appliance
