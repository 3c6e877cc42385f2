#include <appliance/config.hpp>
