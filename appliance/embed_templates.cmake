# cmake -DFOLDER=<templates> -DOUT=<file.cpp> -P embed_templates.cmake: the folder's *.txt as one table of raw strings.
file(GLOB files ${FOLDER}/*.txt)
list(SORT files)
set(rows "")
set(count 0)
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME)
  file(READ ${file} text)
  string(APPEND rows "    {\"${name}\", R\"SIGILLO(${text})SIGILLO\"},\n")
  math(EXPR count "${count} + 1")
endforeach()
if(count EQUAL 0)
  message(FATAL_ERROR "no templates in ${FOLDER}")
endif()
file(WRITE ${OUT} "// Made from appliance/templates/ by embed_templates.cmake.
#include \"built_in_templates.hpp\"

namespace sigillo::appliance {
namespace {

constexpr BuiltInTemplate kTemplates[] = {
${rows}};

}  // namespace

std::span<const BuiltInTemplate> built_in_templates() { return kTemplates; }

}  // namespace sigillo::appliance
")
