// The texts of appliance/templates/, compiled in: file name and content. The table is made by
// embed_templates.cmake. Thread rule: constants.
#pragma once

#include <span>
#include <string_view>

namespace sigillo::appliance {

struct BuiltInTemplate {
  std::string_view file;  // <kind>.<medium>.<language>.txt
  std::string_view text;
};
std::span<const BuiltInTemplate> built_in_templates();

}  // namespace sigillo::appliance
