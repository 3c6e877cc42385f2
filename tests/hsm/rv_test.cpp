// Each row of the table, and what stands outside it.
#include <gtest/gtest.h>

#include <base/pending_file.hpp>

#include "rv.hpp"

namespace sigillo::hsm {
namespace {

struct Row {
  Function function;
  CK_RV rv;
  RvClass meaning;
};

class RvTable : public ::testing::TestWithParam<Row> {};

TEST_P(RvTable, Classifies) {
  const Row& row = GetParam();
  EXPECT_EQ(static_cast<int>(classify(row.function, row.rv)), static_cast<int>(row.meaning))
      << "function " << static_cast<int>(row.function) << " rv 0x" << std::hex << row.rv;
}

INSTANTIATE_TEST_SUITE_P(
    Rows, RvTable,
    ::testing::Values(Row{Function::sign, CKR_OK, RvClass::ok},
                      Row{Function::initialize, CKR_CRYPTOKI_ALREADY_INITIALIZED, RvClass::ok},
                      Row{Function::sign, CKR_CRYPTOKI_ALREADY_INITIALIZED, RvClass::caller_fault},
                      Row{Function::login, CKR_USER_ALREADY_LOGGED_IN, RvClass::ok},
                      Row{Function::sign, CKR_USER_ALREADY_LOGGED_IN, RvClass::caller_fault},
                      Row{Function::login, CKR_GENERAL_ERROR, RvClass::device_lost},
                      Row{Function::sign, CKR_GENERAL_ERROR, RvClass::suspect},
                      Row{Function::get_attributes, CKR_ATTRIBUTE_TYPE_INVALID, RvClass::ok},
                      Row{Function::create, CKR_ATTRIBUTE_TYPE_INVALID, RvClass::caller_fault},
                      Row{Function::get_attributes, CKR_ATTRIBUTE_SENSITIVE, RvClass::ok},
                      Row{Function::create, CKR_ATTRIBUTE_SENSITIVE, RvClass::caller_fault},
                      Row{Function::set_attributes, CKR_ATTRIBUTE_TYPE_INVALID, RvClass::caller_fault},
                      Row{Function::set_attributes, CKR_ATTRIBUTE_READ_ONLY, RvClass::caller_fault},
                      Row{Function::set_attributes, CKR_ATTRIBUTE_VALUE_INVALID, RvClass::caller_fault},
                      Row{Function::set_attributes, CKR_FUNCTION_NOT_SUPPORTED, RvClass::caller_fault},
                      Row{Function::set_attributes, CKR_ACTION_PROHIBITED, RvClass::caller_fault},
                      Row{Function::set_attributes, CKR_TEMPLATE_INCONSISTENT, RvClass::caller_fault},
                      Row{Function::set_attributes, CKR_DATA_LEN_RANGE, RvClass::caller_fault},
                      Row{Function::sign, CKR_SESSION_HANDLE_INVALID, RvClass::session_lost},
                      Row{Function::sign, CKR_SESSION_CLOSED, RvClass::session_lost},
                      Row{Function::find, CKR_USER_NOT_LOGGED_IN, RvClass::session_lost},
                      Row{Function::sign, CKR_OBJECT_HANDLE_INVALID, RvClass::stale_handle},
                      Row{Function::sign, CKR_KEY_HANDLE_INVALID, RvClass::stale_handle},
                      Row{Function::sign, CKR_DEVICE_REMOVED, RvClass::device_lost},
                      Row{Function::open_session, CKR_TOKEN_NOT_PRESENT, RvClass::device_lost},
                      Row{Function::open_session, CKR_TOKEN_NOT_RECOGNIZED, RvClass::device_lost},
                      Row{Function::token_info, CKR_SLOT_ID_INVALID, RvClass::device_lost},
                      Row{Function::sign, CKR_CRYPTOKI_NOT_INITIALIZED, RvClass::device_lost},
                      Row{Function::sign, CKR_DEVICE_ERROR, RvClass::suspect},
                      Row{Function::sign, CKR_FUNCTION_FAILED, RvClass::suspect},
                      Row{Function::sign, CKR_OPERATION_ACTIVE, RvClass::suspect},
                      Row{Function::sign, CKR_OPERATION_NOT_INITIALIZED, RvClass::suspect},
                      Row{Function::open_session, CKR_SESSION_COUNT, RvClass::busy},
                      Row{Function::sign, CKR_HOST_MEMORY, RvClass::busy},
                      Row{Function::create, CKR_DEVICE_MEMORY, RvClass::busy},
                      Row{Function::sign, CKR_FUNCTION_CANCELED, RvClass::busy},
                      Row{Function::login, CKR_USER_ANOTHER_ALREADY_LOGGED_IN, RvClass::busy},
                      Row{Function::login, CKR_PIN_INCORRECT, RvClass::credential},
                      Row{Function::login, CKR_PIN_INVALID, RvClass::credential},
                      Row{Function::login, CKR_PIN_LEN_RANGE, RvClass::credential},
                      Row{Function::login, CKR_PIN_EXPIRED, RvClass::credential},
                      Row{Function::login, CKR_PIN_LOCKED, RvClass::credential},
                      Row{Function::login, CKR_USER_PIN_NOT_INITIALIZED, RvClass::credential},
                      // Outside the table: the arguments, or a vendor's own code.
                      Row{Function::sign, CKR_MECHANISM_INVALID, RvClass::caller_fault},
                      Row{Function::sign, CKR_DATA_LEN_RANGE, RvClass::caller_fault},
                      Row{Function::sign, CKR_VENDOR_DEFINED + 1, RvClass::suspect}));

TEST(Rv, OnlyWhatDidNothingMayBeRepeatedWithEffects) {
  EXPECT_TRUE(nothing_was_done(CKR_SESSION_HANDLE_INVALID));
  EXPECT_TRUE(nothing_was_done(CKR_USER_NOT_LOGGED_IN));
  EXPECT_FALSE(nothing_was_done(CKR_SESSION_CLOSED));
  EXPECT_FALSE(nothing_was_done(CKR_DEVICE_ERROR));
  EXPECT_FALSE(nothing_was_done(CKR_OK));
}

TEST(Rv, AnErrorCarriesTheRawCodeAndItsNumber) {
  const auto refused = to_error(Function::login, CKR_PIN_INCORRECT);
  EXPECT_TRUE(refused.is(Errc::credential));
  EXPECT_EQ(refused.raw(), CKR_PIN_INCORRECT);
  EXPECT_TRUE(to_error(Function::sign, CKR_DEVICE_REMOVED).is(Errc::unavailable));
  EXPECT_TRUE(to_error(Function::sign, CKR_KEY_HANDLE_INVALID).is(Errc::no_such_key));
  EXPECT_TRUE(to_error(Function::sign, CKR_MECHANISM_INVALID).is(Errc::caller_fault));
}

TEST(Rv, AnErrorOfTheModuleHasTheStandardsNameAndNoOtherHas) {
  EXPECT_STREQ(rv_name(to_error(Function::login, CKR_PIN_LOCKED)), "CKR_PIN_LOCKED");
  EXPECT_STREQ(rv_name(to_error(Function::sign, CKR_FUNCTION_FAILED)), "CKR_FUNCTION_FAILED");
  EXPECT_EQ(rv_name(to_error(Function::sign, CKR_VENDOR_DEFINED + 1)), nullptr);
  EXPECT_EQ(rv_name({Errc::unavailable, "a call does not come back"}), nullptr);
  EXPECT_EQ(rv_name({base::FileErrc::failed, "a file", 6}), nullptr) << "an errno";
}

}  // namespace
}  // namespace sigillo::hsm
