/* SPDX-License-Identifier: Apache-2.0 */
/* names: which name stands for which id, both ways, and ids as text. */
#ifndef MR_TOOLS_NAMES_H
#define MR_TOOLS_NAMES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "engine/millrace.h"

enum {
    MR_NAME_BYTES_MAX = 64,
    MR_ID_TEXT_BYTES = 2 + 64 + 1, /* "0x", 64 digits, NUL */
};

typedef enum mr_name_kind { MR_NAME_ACCOUNT, MR_NAME_PROGRAM, MR_NAME_CODE } mr_name_kind;

typedef struct mr_name {
    const char *text;
    mr_name_kind kind;
    mr_id id;
    uint32_t line; /* where it was declared; 0: not in a file */
} mr_name;

/* All zero but `arena` is an empty set; what it holds lives in the arena. */
typedef struct mr_names {
    mr_arena *arena;
    void *by_text, *by_id; /* search trees */
} mr_names;

/* mr_names_add takes a copy of *name. When the text is there already, *there is that entry and
 * nothing is added; else *there is the new one. A second text for the same id is not an error: the
 * first is kept for printing. Errors: MR_NO_MEMORY. */
mr_status mr_names_add(mr_names *names, const mr_name *name, const mr_name **there);

/* Both return NULL when there is none. */
const mr_name *mr_names_find(const mr_names *names, const char *text);
const mr_name *mr_names_find_id(const mr_names *names, const mr_id *id);

/* mr_names_fini frees the trees. The entries die with the arena. */
void mr_names_fini(mr_names *names);

/* An id as a person reads it: its name, else "0x" and 64 digits. */
typedef struct mr_id_text {
    char text[MR_ID_TEXT_BYTES];
} mr_id_text;
mr_id_text mr_id_print(const mr_id *id);
/* mr_names_print prints the name of `id`, or its digits; `names` may be NULL. */
mr_id_text mr_names_print(const mr_names *names, const mr_id *id);

/* mr_names_brief is the same where there is little room: "0x" and eight digits. The address that
 * signals come from is "system". */
mr_id_text mr_names_brief(const mr_names *names, const mr_id *id);

/* mr_id_scan reads "0x" and 64 digits, or the digits alone. False for anything else. */
bool mr_id_scan(const char *text, mr_id *out);

/* What scenarios and JSON call the admissions, in their order, NULL at the end: "accepted"... */
extern const char *const mr_admission_words[];

static_assert(MR_NAME_BYTES_MAX < MR_ID_TEXT_BYTES, "a name fits where an id does");

#endif
