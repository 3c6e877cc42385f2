#include "rv.hpp"

#include <optional>

namespace sigillo::hsm {
namespace {

struct Row {
  std::optional<Function> function;  // none: any
  CK_RV rv;
  RvClass meaning;
};

// The rows of one function stand before those of any.
constexpr Row kRows[] = {
    // Someone in this process was first (a second module user): the state we wanted is there.
    {Function::initialize, CKR_CRYPTOKI_ALREADY_INITIALIZED, RvClass::ok},
    {Function::login, CKR_USER_ALREADY_LOGGED_IN, RvClass::ok},
    // tpm2-pkcs11 out of step with its TPM answers every login so, until it is loaded anew.
    {Function::login, CKR_GENERAL_ERROR, RvClass::device_lost},
    // The length field of each attribute tells which is absent; some modules refuse the whole call as well.
    {Function::get_attributes, CKR_ATTRIBUTE_TYPE_INVALID, RvClass::ok},
    {Function::get_attributes, CKR_ATTRIBUTE_SENSITIVE, RvClass::ok},

    {std::nullopt, CKR_OK, RvClass::ok},
    {std::nullopt, CKR_SESSION_HANDLE_INVALID, RvClass::session_lost},
    {std::nullopt, CKR_SESSION_CLOSED, RvClass::session_lost},
    {std::nullopt, CKR_USER_NOT_LOGGED_IN, RvClass::session_lost},
    {std::nullopt, CKR_OBJECT_HANDLE_INVALID, RvClass::stale_handle},
    {std::nullopt, CKR_KEY_HANDLE_INVALID, RvClass::stale_handle},
    {std::nullopt, CKR_DEVICE_REMOVED, RvClass::device_lost},
    {std::nullopt, CKR_TOKEN_NOT_PRESENT, RvClass::device_lost},
    {std::nullopt, CKR_TOKEN_NOT_RECOGNIZED, RvClass::device_lost},
    {std::nullopt, CKR_SLOT_ID_INVALID, RvClass::device_lost},
    {std::nullopt, CKR_CRYPTOKI_NOT_INITIALIZED, RvClass::device_lost},
    {std::nullopt, CKR_DEVICE_ERROR, RvClass::suspect},  // CloudHSM says so when it throttles
    {std::nullopt, CKR_GENERAL_ERROR, RvClass::suspect},
    {std::nullopt, CKR_FUNCTION_FAILED, RvClass::suspect},
    {std::nullopt, CKR_OPERATION_ACTIVE, RvClass::suspect},
    {std::nullopt, CKR_OPERATION_NOT_INITIALIZED, RvClass::suspect},
    {std::nullopt, CKR_SESSION_COUNT, RvClass::busy},
    {std::nullopt, CKR_HOST_MEMORY, RvClass::busy},
    {std::nullopt, CKR_DEVICE_MEMORY, RvClass::busy},
    {std::nullopt, CKR_FUNCTION_CANCELED, RvClass::busy},
    {std::nullopt, CKR_USER_ANOTHER_ALREADY_LOGGED_IN, RvClass::busy},
    {std::nullopt, CKR_PIN_INCORRECT, RvClass::credential},
    {std::nullopt, CKR_PIN_INVALID, RvClass::credential},
    {std::nullopt, CKR_PIN_LEN_RANGE, RvClass::credential},
    {std::nullopt, CKR_PIN_EXPIRED, RvClass::credential},
    {std::nullopt, CKR_PIN_LOCKED, RvClass::credential},
    {std::nullopt, CKR_USER_PIN_NOT_INITIALIZED, RvClass::credential},
};

}  // namespace

RvClass classify(Function function, CK_RV rv) {
  for (const Row& row : kRows) {
    if (row.rv == rv && (!row.function || *row.function == function)) return row.meaning;
  }
  // A vendor's own code may mean anything; what the standard names and is not above is about the arguments.
  return rv >= CKR_VENDOR_DEFINED ? RvClass::suspect : RvClass::caller_fault;
}

bool nothing_was_done(CK_RV rv) {
  return rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_USER_NOT_LOGGED_IN ||
         rv == CKR_OBJECT_HANDLE_INVALID || rv == CKR_KEY_HANDLE_INVALID;
}

base::Error to_error(Function function, CK_RV rv, std::source_location where) {
  switch (classify(function, rv)) {
    case RvClass::ok:
      return {Errc::caller_fault, "an error was asked for where there is none", rv, where};
    case RvClass::caller_fault:
      return {Errc::caller_fault, "the module refused the call", rv, where};
    case RvClass::busy:
      return {Errc::unavailable, "the token has no room for this call now", rv, where};
    case RvClass::stale_handle:
      return {Errc::no_such_key, "the object is gone", rv, where};
    case RvClass::session_lost:
      return {Errc::unavailable, "the session with the token was lost", rv, where};
    case RvClass::suspect:
      return {Errc::unavailable, "the token failed at this call", rv, where};
    case RvClass::device_lost:
      return {Errc::unavailable, "the device is gone", rv, where};
    case RvClass::credential:
      return {Errc::credential, "the token refused its PIN", rv, where};
  }
  return {Errc::caller_fault, "a class outside the table", rv, where};
}

}  // namespace sigillo::hsm
