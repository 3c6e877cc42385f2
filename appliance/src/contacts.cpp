#include <appliance/contacts.hpp>
