# SPDX-License-Identifier: Apache-2.0
# Building programs for Millrace from C.
#
#   list(APPEND CMAKE_MODULE_PATH <prefix>/share/millrace/guest)
#   include(MillraceProgram)
#   mr_add_program(capacitor capacitor.c)
#
# mr_add_program(<name> <source>... [INCLUDES <folder>...] [OPTIONS <compiler option>...]
#                [STACK_BYTES <bytes>])
#   makes <name>.wasm in MILLRACE_PROGRAMS_DIR with every build, and a target program_<name>. The
#   sources are C and include gear.h first, which is found without INCLUDES. STACK_BYTES is a
#   multiple of 65536, 65536 by default.
#
# Variables: MILLRACE_PROGRAMS_DIR, by default the folder `programs` of the build folder;
# MILLRACE_CLANG and MILLRACE_WASM_LD, found in the usual places.

include_guard(GLOBAL)

set(MILLRACE_GUEST_DIR "${CMAKE_CURRENT_LIST_DIR}" CACHE INTERNAL "where gear.h is")
set(MILLRACE_PROGRAMS_DIR "${CMAKE_BINARY_DIR}/programs" CACHE PATH "where programs are put")

find_program(MILLRACE_CLANG NAMES clang clang-22 clang-21 clang-20 clang-19 clang-18 clang-17
             clang-16 clang-15 clang-14 DOC "C compiler with a WebAssembly target")
find_program(MILLRACE_WASM_LD NAMES wasm-ld wasm-ld-22 wasm-ld-21 wasm-ld-20 wasm-ld-19 wasm-ld-18
             wasm-ld-17 wasm-ld-16 wasm-ld-15 wasm-ld-14 DOC "linker for WebAssembly")

# Fails at once, and with a remedy, where programs could not be built later.
function(mr_check_program_tools_)
  if(NOT MILLRACE_CLANG)
    message(FATAL_ERROR "Programs are compiled with clang, which is not here. Install it "
            "(on Debian: apt install clang lld), or name one with -DMILLRACE_CLANG=<path>.")
  endif()
  if(NOT MILLRACE_WASM_LD)
    message(FATAL_ERROR "Programs are linked with wasm-ld, which is not here. Install it "
            "(on Debian: apt install lld), or name one with -DMILLRACE_WASM_LD=<path>.")
  endif()
  if(MILLRACE_TOOLS_CHECKED_ STREQUAL "${MILLRACE_CLANG};${MILLRACE_WASM_LD}")
    return()
  endif()
  set(probe "${CMAKE_BINARY_DIR}/CMakeFiles/millrace_probe")
  file(WRITE ${probe}.c "#include <stdint.h>\n"
       "__attribute__((export_name(\"handle\"))) void handle(void) {}\n")
  execute_process(
    COMMAND ${MILLRACE_CLANG} --target=wasm32 -mcpu=mvp -ffreestanding -c -o ${probe}.o ${probe}.c
    RESULT_VARIABLE failed ERROR_VARIABLE text OUTPUT_VARIABLE text)
  if(failed)
    message(FATAL_ERROR "${MILLRACE_CLANG} cannot compile for WebAssembly; a clang with the "
            "wasm32 target is needed (14 or later). It said:\n${text}")
  endif()
  execute_process(
    COMMAND ${MILLRACE_WASM_LD} --no-entry --import-memory --stack-first -o ${probe}.wasm ${probe}.o
    RESULT_VARIABLE failed ERROR_VARIABLE text OUTPUT_VARIABLE text)
  if(failed)
    message(FATAL_ERROR "${MILLRACE_WASM_LD} cannot link for WebAssembly. It said:\n${text}")
  endif()
  set(MILLRACE_TOOLS_CHECKED_ "${MILLRACE_CLANG};${MILLRACE_WASM_LD}" CACHE INTERNAL "")
endfunction()

function(mr_add_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "STACK_BYTES" "INCLUDES;OPTIONS")
  if(NOT arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "mr_add_program(${name}): no sources")
  endif()
  if(NOT arg_STACK_BYTES)
    set(arg_STACK_BYTES 65536)
  endif()
  math(EXPR rest "${arg_STACK_BYTES} % 65536")
  if(NOT rest EQUAL 0)
    message(FATAL_ERROR "mr_add_program(${name}): STACK_BYTES ${arg_STACK_BYTES} is no multiple "
            "of 65536")
  endif()
  mr_check_program_tools_()

  set(includes "-I${MILLRACE_GUEST_DIR}")
  foreach(folder ${arg_INCLUDES})
    get_filename_component(folder ${folder} ABSOLUTE)
    list(APPEND includes "-I${folder}")
  endforeach()

  set(objects)
  foreach(source ${arg_UNPARSED_ARGUMENTS})
    get_filename_component(path ${source} ABSOLUTE)
    get_filename_component(stem ${source} NAME_WE)
    set(object "${CMAKE_CURRENT_BINARY_DIR}/${name}.program/${stem}.o")
    file(MAKE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/${name}.program")
    add_custom_command(
      OUTPUT ${object}
      COMMAND ${MILLRACE_CLANG} --target=wasm32 -mcpu=mvp -std=c11 -O2 -ffreestanding -nostdlib
              -Wall -Wextra ${includes} ${arg_OPTIONS} -MD -MF ${object}.d -c -o ${object} ${path}
      DEPENDS ${path} ${MILLRACE_GUEST_DIR}/gear.h
      DEPFILE ${object}.d
      COMMENT "Compiling program ${name}: ${stem}.c"
      VERBATIM)
    list(APPEND objects ${object})
  endforeach()

  set(module "${MILLRACE_PROGRAMS_DIR}/${name}.wasm")
  file(MAKE_DIRECTORY "${MILLRACE_PROGRAMS_DIR}")
  add_custom_command(
    OUTPUT ${module}
    COMMAND ${MILLRACE_WASM_LD} --no-entry --import-memory --stack-first
            -z stack-size=${arg_STACK_BYTES} --export=__gear_stack_end -o ${module} ${objects}
    DEPENDS ${objects}
    COMMENT "Linking program ${name}"
    VERBATIM)
  add_custom_target(program_${name} ALL DEPENDS ${module})
  set_target_properties(program_${name} PROPERTIES MILLRACE_MODULE ${module})
endfunction()
