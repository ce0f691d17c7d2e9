# SPDX-License-Identifier: Apache-2.0
# Writes OUTPUT, a C file with the bytes of each of MODULES (paths, separated by "|").
cmake_minimum_required(VERSION 3.25)
string(REPLACE "|" ";" modules "${MODULES}")
set(text "/* Generated from the example programs. */\n#include \"tools/guest/embedded.h\"\n")
set(table "")
foreach(module ${modules})
  get_filename_component(name ${module} NAME_WE)
  file(READ ${module} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
  string(APPEND text "static const uint8_t ${name}_wasm[] = {\n${bytes}};\n")
  string(APPEND table "    {\"${name}\", ${name}_wasm, sizeof ${name}_wasm},\n")
endforeach()
string(APPEND text
       "const mr_embedded_program mr_embedded_programs[] = {\n${table}};\n"
       "const size_t mr_embedded_programs_count =\n"
       "    sizeof mr_embedded_programs / sizeof *mr_embedded_programs;\n")
file(WRITE ${OUTPUT} "${text}")
