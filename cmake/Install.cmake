# cmake --install BUILD --prefix DIR: the programs, their manual pages, the completion for bash, the units, the system's user and
# folder, and what there is to read. The pages are made from --help as the programs stand at that moment. tools/package makes a
# Debian package of the same.
include(GNUInstallDirs)
install(TARGETS sigillo sigillod sigillo-courier RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
set(manuals ${CMAKE_BINARY_DIR}/manuals)
install(CODE "execute_process(COMMAND python3 ${CMAKE_SOURCE_DIR}/tools/manuals.py ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${manuals}
  COMMAND_ERROR_IS_FATAL ANY)")
install(FILES ${manuals}/sigillo.8 ${manuals}/sigillod.8 ${manuals}/sigillo-courier.8
  DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${manuals}/sigillo.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME sigillo)

set(systemd ${CMAKE_SOURCE_DIR}/packaging/systemd)
install(FILES ${systemd}/sigillod.service ${systemd}/sigillo-backup.service ${systemd}/sigillo-backup.timer
  DESTINATION lib/systemd/system) # not lib/<triplet>: systemd looks nowhere else
install(FILES ${systemd}/sysusers.conf DESTINATION lib/sysusers.d RENAME sigillo.conf)
install(FILES ${systemd}/tmpfiles.conf DESTINATION lib/tmpfiles.d RENAME sigillo.conf)

# In the folders of the source, so that the documents' links hold.
set(documents ${CMAKE_INSTALL_DATADIR}/doc/sigillo)
install(FILES ${CMAKE_SOURCE_DIR}/README.md DESTINATION ${documents})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs DESTINATION ${documents})
install(FILES ${CMAKE_SOURCE_DIR}/api/openapi.yaml DESTINATION ${documents}/api)
install(FILES ${systemd}/sigillod.service.d.examples DESTINATION ${documents}/packaging/systemd)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/appliance/templates DESTINATION ${documents}/appliance)
