#include <appliance/operations.hpp>
