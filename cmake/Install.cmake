# cmake --install BUILD --prefix DIR: the programs, their manual pages, the completion for bash. The pages are made from
# --help as the programs stand at that moment.
include(GNUInstallDirs)
install(TARGETS sigillo sigillod sigillo-courier RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
set(manuals ${CMAKE_BINARY_DIR}/manuals)
install(CODE "execute_process(COMMAND python3 ${CMAKE_SOURCE_DIR}/tools/manuals.py ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${manuals}
  COMMAND_ERROR_IS_FATAL ANY)")
install(FILES ${manuals}/sigillo.8 ${manuals}/sigillod.8 ${manuals}/sigillo-courier.8
  DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${manuals}/sigillo.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME sigillo)
