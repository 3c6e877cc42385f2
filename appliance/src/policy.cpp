#include <appliance/policy.hpp>
