#include <base/jwe.hpp>
