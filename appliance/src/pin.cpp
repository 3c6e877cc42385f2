#include <appliance/pin.hpp>
