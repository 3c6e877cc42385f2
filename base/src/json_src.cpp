// Boost.JSON, compiled here once for every module (its header-only form).
#include <boost/json/src.hpp>
