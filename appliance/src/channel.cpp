#include <appliance/channel.hpp>
