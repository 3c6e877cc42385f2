// Every operation of the contract: what is asked (requests.hpp), what is answered (answers.hpp), in which
// words (terms.hpp). Thread rule: values.
#pragma once

#include <appliance/answers.hpp>
#include <appliance/requests.hpp>
#include <appliance/terms.hpp>
