#include <appliance/messages.hpp>
