/* SPDX-License-Identifier: Apache-2.0 */
/* reader: typed values out of a scenario's tree. Every failure is a sentence that begins with
 * "FILE:LINE: " and names what was expected there. */
#ifndef MR_TOOLS_READER_H
#define MR_TOOLS_READER_H

#include "tools/millrace/scenario.h"
#include "tools/millrace/tree.h"

typedef struct mr_reader {
    mr_scenario *scenario;
    mr_names paths;    /* module files read so far; the id is that of the code */
    size_t bytes_used; /* of modules and payloads */
    mr_error *error;
} mr_reader;

/* MR_READER_FAIL raises MR_INVALID at a node's line. */
#define MR_READER_FAIL(reader, node, format, ...)                                                  \
    MR_FAIL((reader)->error, MR_INVALID, "%s:%u: " format, (reader)->scenario->file_name,          \
            (node)->line __VA_OPT__(, ) __VA_ARGS__)

/* mr_reader_keys checks that `map` is a map with no other keys than those of `keys`, which are
 * separated by single spaces. `what` is "a program", "a message"... */
mr_status mr_reader_keys(mr_reader *reader, const mr_tree *map, const char *what, const char *keys);

/* mr_reader_field returns the value under `key`, or NULL. `map` has been checked. */
const mr_tree *mr_reader_field(const mr_tree *map, const char *key);

/* mr_reader_need is the same, but a missing key is an error: "a program needs the key path". */
mr_status mr_reader_need(mr_reader *reader, const mr_tree *map, const char *what, const char *key,
                         const mr_tree **out);

mr_status mr_reader_list(mr_reader *reader, const mr_tree *node, const char *key);

/* These leave *out alone when `node` is NULL, so that defaults can stand there before. */
mr_status mr_reader_u64(mr_reader *reader, const mr_tree *node, const char *key, uint64_t min,
                        uint64_t max, uint64_t *out);
mr_status mr_reader_value(mr_reader *reader, const mr_tree *node, const char *key, mr_value *out);
/* Text without NUL, 1 to `bytes_max` bytes. */
mr_status mr_reader_text(mr_reader *reader, const mr_tree *node, const char *key, size_t bytes_max,
                         const char **out);
/* One of the words of a table, each separated by its index; `words` ends with NULL. */
mr_status mr_reader_word(mr_reader *reader, const mr_tree *node, const char *key,
                         const char *const *words, size_t *out);

/* Ids of what a name stands for. An id written out ("0x" and 64 digits) stands for itself.
 * - account: a declared account, or any name when balances are off (it is declared by use);
 * - program: a declared program. */
mr_status mr_reader_account(mr_reader *reader, const mr_tree *node, const char *key, mr_id *out);
mr_status mr_reader_program(mr_reader *reader, const mr_tree *node, const char *key, mr_id *out);
/* Programs, codes, and accounts whether declared or not. */
mr_status mr_reader_any(mr_reader *reader, const mr_tree *node, const char *key, mr_id *out);

/* mr_reader_declare adds a name. Errors: also when the name is taken, or no name. */
mr_status mr_reader_declare(mr_reader *reader, const mr_tree *node, const char *key,
                            mr_name_kind kind, const mr_id *id, const mr_name **out);

/* mr_reader_name_letter gives a letter a name, which is no number; *out is the number of the name.
 * mr_reader_letter finds it again. */
mr_status mr_reader_name_letter(mr_reader *reader, const mr_tree *node, uint32_t *out);
mr_status mr_reader_letter(mr_reader *reader, const mr_tree *node, uint32_t *out);

/* mr_reader_room makes room for the entries of a list, under `key`. */
mr_status mr_reader_room(mr_reader *reader, const mr_tree *list, const char *key,
                         size_t entry_bytes, void *out_pointer);

/* mr_reader_keep copies an array to the scenario's arena. NULL for an empty one. */
mr_status mr_reader_keep(mr_reader *reader, const mr_buffer *items, void *out_pointer);
/* mr_reader_count adds `bytes` to what the scenario takes in memory. */
mr_status mr_reader_count(mr_reader *reader, const mr_tree *node, size_t bytes);
mr_status mr_reader_no_memory(mr_reader *reader);

/* The parts of a scenario, each in its own file. */
mr_status mr_payload_read(mr_reader *reader, const mr_tree *node, mr_span *out);
mr_status mr_scenario_read_programs(mr_reader *reader, const mr_tree *codes,
                                    const mr_tree *programs);
mr_status mr_scenario_read_blocks(mr_reader *reader, const mr_tree *blocks);
/* What is expected of the state after the block. */
#define MR_SCENARIO_STATE_KEYS "balances memory waiting reservations mailbox tasks"
mr_status mr_scenario_read_state(mr_reader *reader, const mr_tree *map, mr_expect *expect);
mr_status mr_scenario_read_expect(mr_reader *reader, const mr_tree *node,
                                  const mr_scenario_block *block, const mr_expect **out);

#endif
