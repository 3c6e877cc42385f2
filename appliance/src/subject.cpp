#include <appliance/subject.hpp>
