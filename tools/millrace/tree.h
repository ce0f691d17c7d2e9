/* SPDX-License-Identifier: Apache-2.0 */
/* tree: a YAML document as nodes with line numbers, built under limits.
 *
 * Scalars keep their text; what it means (number, name, bytes) is for the reader to say, so that
 * `text: 2500` is four bytes and never a number by accident. An alias to a finished node shares it;
 * one into a node that is still open is refused, so a tree has no cycle. */
#ifndef MR_TOOLS_TREE_H
#define MR_TOOLS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

enum {
    MR_TREE_DEPTH_MAX = 32,      /* lists and maps inside one another */
    MR_TREE_ANCHORS_MAX = 1000,  /* searched one by one */
    MR_TREE_NODES_MAX = 4000000, /* with the nodes of shared ones counted at each place of use */
};

typedef enum mr_tree_kind { MR_TREE_SCALAR, MR_TREE_LIST, MR_TREE_MAP } mr_tree_kind;

typedef struct mr_tree {
    mr_tree_kind kind;
    uint32_t line;    /* counts from 1 */
    bool quoted;      /* scalar: written in quotes or as a block */
    size_t weight;    /* nodes at and below this one */
    const char *text; /* scalar: NUL-terminated; may hold further NULs */
    size_t text_bytes;
    const struct mr_tree **items; /* list: items; map: key, value, key, value... keys are scalars */
    size_t items_count;           /* map: twice its entries */
} mr_tree;

/* mr_tree_parse reads one document. Nodes live in `arena`.
 * Errors:  MR_INVALID with "NAME:LINE: sentence" for anything that is not one well-formed document
 *          within the limits, double keys included; MR_NO_MEMORY. */
mr_status mr_tree_parse(mr_span text, const char *file_name, mr_arena *arena, const mr_tree **out,
                        mr_error *error);

/* mr_tree_kind_name returns "a value", "a list" or "a map", for sentences. */
const char *mr_tree_kind_name(mr_tree_kind kind);

/* A text as it may be shown in a message: quoted, cut, and without control characters. */
typedef struct mr_quoted {
    char text[80];
} mr_quoted;
mr_quoted mr_quote(const char *text, size_t text_bytes);

/* mr_tree_quote quotes a scalar; of anything else it names the kind. */
mr_quoted mr_tree_quote(const mr_tree *node);

#endif
